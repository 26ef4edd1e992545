//! What was wrong with a record: it is gone through once, with what every thread is inside of and what every client has
//! registered.

mod calls;
mod hooks;
mod occurrences;

use super::Limits;
use super::registration::{ASKABLE, Fd, Registered, Registration, Timeout};
use super::say::say;
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use crate::record::{Record, Step, What};
use crate::violation::Violation;
use std::os::fd::RawFd;
use std::time::Duration;

/// The violations in the record, in the order of its steps. Violations that it already has are not included.
///
/// A record may end early: what has not returned by then is not checked.
#[must_use]
pub fn check(record: &Record, limits: &Limits) -> Vec<Violation> {
    let mut replay = Replay::new(record, limits);
    for at in 0..record.steps.len() {
        replay.step(at);
    }
    replay.violations
}

/// The fds that are registered at the record's end: what a host has to see to, unless it is busy.
pub(super) fn watched_fds(record: &Record, limits: &Limits) -> Vec<WatchedFd> {
    let mut replay = Replay::new(record, limits);
    for at in 0..record.steps.len() {
        replay.step(at);
    }
    if replay.is_busy() {
        return Vec::new();
    }
    let alive = replay.clients.iter().filter(|state| state.free.is_none());
    let fds = alive.flat_map(|state| &state.fds.all).filter(|fd| fd.stands() && fd.about.is_settled());
    fds.map(|fd| WatchedFd {
        step: fd.step,
        fd: fd.about.fd,
        interest: fd.about.interest & ASKABLE,
        occurred: fd.about.has_occurred(),
    })
    .collect()
}

/// An fd that is registered.
pub(super) struct WatchedFd {
    /// The hook that registered it.
    pub(super) step: usize,
    pub(super) fd: RawFd,
    pub(super) interest: i16,
    /// Since the interest was set.
    pub(super) occurred: bool,
}

struct Replay<'a> {
    record: &'a Record,
    limits: &'a Limits,
    violations: Vec<Violation>,
    /// What each thread is inside of, outermost first.
    threads: Vec<Vec<Open>>,
    clients: Vec<State>,
}

/// Something that has begun and not returned.
struct Open {
    /// The step with which it began.
    step: usize,
    client: u32,
    what: Inside,
    /// A hook: the occurrence on another thread that returned meanwhile, and was in progress before.
    outlived: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    /// A hook, with the registration that it is about, if there is one.
    FdHook(Option<usize>),
    TimeoutHook(Option<usize>),
    Occurrence,
    Call,
    Free,
}

impl Inside {
    fn is_hook(self) -> bool {
        matches!(self, Self::FdHook(_) | Self::TimeoutHook(_))
    }
}

#[derive(Default)]
struct State {
    fds: Registered<Fd>,
    timeouts: Registered<Timeout>,
    /// Timeouts that have occurred, in the order in which they did.
    occurred: Vec<usize>,
    free: Option<usize>,
    freed: bool,
}

impl<'a> Replay<'a> {
    fn new(record: &'a Record, limits: &'a Limits) -> Self {
        Self {
            record,
            limits,
            violations: Vec::new(),
            threads: record.threads.iter().map(|_| Vec::new()).collect(),
            clients: record.clients.iter().map(|_| State::default()).collect(),
        }
    }

    fn step(&mut self, at: usize) {
        self.look_at_quiet(at);
        let step = self.steps(at);
        match step.what {
            What::Remark { .. } => {}
            What::HookReturned { handle, code } => self.hook_returned(at, handle, code),
            What::OccurrenceReturned | What::CallReturned | What::Freed => self.returned(at),
            What::FdOccurrence { value, fd, events, revents } => {
                self.begin_client_call(at, Inside::Occurrence);
                self.fd_occurrence(at, value, fd, events, revents);
            }
            What::TimeoutOccurrence { value } => {
                self.begin_client_call(at, Inside::Occurrence);
                self.timeout_occurrence(at, value);
            }
            What::Call => self.begin_client_call(at, Inside::Call),
            What::Free => self.free(at),
            _ => self.hook(at),
        }
    }

    // Time in which nothing happens.

    /// [O5]: a timeout that was due, and nobody was inside anything for a long time, and still it has not occurred.
    fn look_at_quiet(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1) else { return };
        let since = self.steps(before).at;
        let quiet = Duration::from_nanos(self.steps(at).at - since);
        if quiet < self.limits.overdue {
            return;
        }
        if self.is_busy() {
            return;
        }
        let mut lost = Vec::new();
        for state in self.clients.iter_mut().filter(|state| state.free.is_none()) {
            for timeout in state.timeouts.all.iter_mut().filter(|it| it.stands()) {
                let due = timeout.about.due(self.record);
                if due.is_some_and(|due| due <= since) && !std::mem::replace(&mut timeout.about.missed, true) {
                    lost.push((timeout.step, timeout.about.deadline));
                }
            }
        }
        for (step, deadline) in lost {
            let text = format!(
                "the timeout of step {step}, due at {deadline:?}, has not occurred, and nothing happened for {quiet:?}"
            );
            self.wrong("O5", at, text);
        }
    }

    /// Somebody is inside something that makes the loop wait.
    fn is_busy(&self) -> bool {
        let rule = |open: &Open| self.record.clients[open.client as usize];
        let holds_up = |open: &Open| open.what != Inside::Call || rule(open) == Rule::Serialized;
        self.threads.iter().flatten().any(holds_up)
    }

    // Parts of the above.

    fn steps(&self, at: usize) -> &'a Step {
        &self.record.steps[at]
    }

    fn state(&self, at: usize) -> &State {
        &self.clients[self.steps(at).client as usize]
    }

    fn rule(&self, at: usize) -> Rule {
        self.record.clients[self.steps(at).client as usize]
    }

    fn fd(&mut self, at: usize, found: usize) -> &mut Registration<Fd> {
        &mut self.clients[self.record.steps[at].client as usize].fds.all[found]
    }

    fn timeout(&mut self, at: usize, found: usize) -> &mut Registration<Timeout> {
        &mut self.clients[self.record.steps[at].client as usize].timeouts.all[found]
    }

    /// Of the wall clock from the other, in microseconds.
    fn distance(&self, at: usize) -> i64 {
        self.steps(at).wall - (self.steps(at).at / 1000) as i64
    }

    fn push(&mut self, at: usize, what: Inside) {
        let Step { thread, client, .. } = *self.steps(at);
        self.threads[thread as usize].push(Open { step: at, client, what, outlived: None });
    }

    fn say(&self, at: usize) -> String {
        let step = self.steps(at);
        format!("{} on {} (step {at})", say(&step.what), self.record.threads[step.thread as usize])
    }

    fn wrong(&mut self, clause: &str, step: usize, text: String) {
        self.violations.push(Violation::new(clause, text).at(step));
    }
}
