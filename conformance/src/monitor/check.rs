//! What was wrong with a record: it is gone through once, with what every thread is inside of and what every guest has
//! registered.

use super::Limits;
use super::registration::{ASKABLE, Fd, Registered, Registration, Timeout, micros};
use super::say::say;
use crate::boundary::Rule;
use crate::record::{Record, Step, Violation, What};
use std::os::fd::RawFd;
use std::time::Duration;

/// The clauses that the record breaks, in the order of its steps. Those that it has already are not looked at.
///
/// A record that ends early is not wrong for that: what has not returned by then is not looked at, either.
#[must_use]
pub fn check(record: &Record, limits: &Limits) -> Vec<Violation> {
    let mut replay = Replay::new(record, limits);
    for at in 0..record.steps.len() {
        replay.step(at);
    }
    replay.violations
}

/// What each thread of the record is inside of at its end, outermost first; each is the index of the step that began it.
#[must_use]
pub fn inside(record: &Record) -> Vec<Vec<usize>> {
    let mut stacks = vec![Vec::new(); record.threads.len()];
    for (at, step) in record.steps.iter().enumerate() {
        let stack = &mut stacks[step.thread as usize];
        match step.what {
            What::Remark { .. } => {}
            What::HookReturned { .. } | What::OccurrenceReturned | What::CallReturned | What::Freed => {
                stack.pop();
            }
            _ => stack.push(at),
        }
    }
    stacks
}

/// Libxl's `ERROR_OSEVENT_REG_FAIL` (R3).
const REG_FAIL: i32 = -12;

/// What poll(2) reports unasked (R6).
const TROUBLE: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;

/// O9: a timeout is late by this much, and one fd has meanwhile occurred so often. More than any loop's turn.
const STARVED: (Duration, usize) = (Duration::from_millis(100), 200);

struct Replay<'a> {
    record: &'a Record,
    limits: &'a Limits,
    violations: Vec<Violation>,
    /// What each thread is inside of, outermost first.
    threads: Vec<Vec<Open>>,
    guests: Vec<State>,
}

/// Something that has begun and not returned.
struct Open {
    /// The step with which it began.
    step: usize,
    guest: u32,
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
            guests: record.guests.iter().map(|_| State::default()).collect(),
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
                self.begin_guest_call(at, Inside::Occurrence);
                self.fd_occurrence(at, value, fd, events, revents);
            }
            What::TimeoutOccurrence { value } => {
                self.begin_guest_call(at, Inside::Occurrence);
                self.timeout_occurrence(at, value);
            }
            What::Call => self.begin_guest_call(at, Inside::Call),
            What::Free => self.free(at),
            _ => self.hook(at),
        }
    }

    // Calls into the guest.

    fn begin_guest_call(&mut self, at: usize, what: Inside) {
        let step = self.steps(at);
        let inner = self.threads[step.thread as usize].last().map(|open| (open.what.is_hook(), open.step, open.guest));
        if let Some((true, hook, guest)) = inner {
            let clause = if guest == step.guest && what == Inside::Occurrence { "O1" } else { "R15" };
            self.wrong(clause, at, format!("{} from inside a hook: {}", self.say(at), self.say(hook)));
        }
        if let Some(free) = self.state(at).free {
            self.wrong("X4", at, format!("{} after the guest's end had begun in step {free}", self.say(at)));
        }
        let needed = self.rule(at) == Rule::Serialized;
        if let Some(other) = self.elsewhere(at).filter(|_| needed) {
            let text =
                format!("{} while {}, without the outer lock that the guest needs", self.say(at), self.say(other));
            self.wrong("O2", at, text);
        }
        self.push(at, what);
    }

    fn returned(&mut self, at: usize) {
        let step = self.steps(at);
        let Some(open) = self.threads[step.thread as usize].pop() else { return };
        match open.what {
            Inside::Occurrence => {
                // R15: hooks elsewhere that began during it and are still there.
                for hook in
                    self.threads.iter_mut().flatten().filter(|hook| hook.what.is_hook() && hook.step > open.step)
                {
                    hook.outlived.get_or_insert(open.step);
                }
            }
            Inside::Free => self.freed(at),
            _ => {}
        }
    }

    /// Another thread that is inside the guest: the step with which it went there.
    fn elsewhere(&self, at: usize) -> Option<usize> {
        let step = self.steps(at);
        let others = self.threads.iter().enumerate().filter(|(thread, _)| *thread != step.thread as usize);
        let mut open = others.flat_map(|(_, stack)| stack);
        open.find(|open| open.guest == step.guest && !open.what.is_hook()).map(|open| open.step)
    }

    fn free(&mut self, at: usize) {
        let step = self.steps(at);
        if let Some(before) = self.state(at).free {
            self.wrong("X4", at, format!("the guest is freed again; step {before} was the first time"));
        }
        let mine = self.threads[step.thread as usize].iter().rev().find(|open| open.guest == step.guest);
        if let Some(open) = mine.map(|open| open.step) {
            self.wrong("X5", at, format!("the guest is freed from inside itself: {}", self.say(open)));
        }
        if let Some(other) = self.elsewhere(at) {
            self.wrong("X4", at, format!("the guest is freed while {}", self.say(other)));
        }
        self.guests[step.guest as usize].free.get_or_insert(at);
        self.push(at, Inside::Free);
    }

    fn freed(&mut self, at: usize) {
        let state = self.state(at);
        let free = state.free.unwrap_or(at);
        let fds: Vec<_> = state.fds.all.iter().filter(|fd| fd.stands()).map(|fd| fd.about.fd).collect();
        let timeouts: Vec<_> =
            state.timeouts.all.iter().filter(|it| it.stands() && !it.about.is_cancelled()).map(|it| it.step).collect();
        if !fds.is_empty() {
            self.wrong("X2", at, format!("the guest is freed, and fds {fds:?} are still registered"));
        }
        if !timeouts.is_empty() {
            self.wrong(
                "X3",
                free,
                format!("the guest is freed, and the timeouts of steps {timeouts:?} are still registered"),
            );
        }
        self.guests[self.record.steps[at].guest as usize].freed = true;
    }

    // Hooks.

    fn hook(&mut self, at: usize) {
        let step = self.steps(at);
        let dying = self.state(at).free;
        if let Some(free) = dying {
            let here = self.threads[step.thread as usize]
                .iter()
                .any(|open| open.what == Inside::Free && open.guest == step.guest);
            if self.state(at).freed {
                self.wrong("X4", at, format!("{} after the guest was freed", self.say(at)));
            } else if !here {
                self.wrong(
                    "X4",
                    at,
                    format!("{} while the guest is being freed on another thread, since step {free}", self.say(at)),
                );
            } else if !matches!(step.what, What::FdDeregister { .. }) {
                self.wrong("X2", at, format!("{} while the guest is being freed", self.say(at)));
            }
        }
        let serialized = self.rule(at) == Rule::Serialized;
        let what = match step.what {
            What::FdRegister { fd, events, value } => {
                let about = Fd::new(fd, events);
                Inside::FdHook(Some(self.guests[step.guest as usize].fds.add(at, value, about)))
            }
            What::FdModify { fd, handle, events } => {
                let found = self.find_fd(at, handle, fd);
                if let Some(found) = found {
                    self.fd(at, found).about.ask(events);
                }
                Inside::FdHook(found)
            }
            What::FdDeregister { fd, handle } => {
                let found = self.find_fd(at, handle, fd);
                if let Some(found) = found {
                    self.fd(at, found).ended = Some(at);
                }
                Inside::FdHook(found)
            }
            What::TimeoutRegister { deadline, value } => {
                let about = Timeout::new(deadline, at);
                Inside::TimeoutHook(Some(self.guests[step.guest as usize].timeouts.add(at, value, about)))
            }
            What::TimeoutModify { handle, deadline } => {
                if serialized || deadline != (0, 0) {
                    self.wrong("R13", at, format!("the guest moves a timeout to {deadline:?}, which no libxl does"));
                }
                let found = self.find_timeout(at, handle);
                if let Some(found) = found {
                    let timeout = self.timeout(at, found);
                    if timeout.stands() {
                        timeout.about.move_to(deadline, at);
                    }
                }
                Inside::TimeoutHook(found)
            }
            What::TimeoutDeregister { handle } => {
                if !serialized {
                    self.wrong(
                        "R13",
                        at,
                        "the guest calls timeout_deregister, which libxl does in 4.2.0 and 4.2.1 only".into(),
                    );
                }
                let found = self.find_timeout(at, handle);
                if let Some(found) = found {
                    self.timeout(at, found).ended.get_or_insert(at);
                }
                Inside::TimeoutHook(found)
            }
            _ => unreachable!("the rest are no hooks"),
        };
        self.push(at, what);
    }

    fn find_fd(&mut self, at: usize, handle: u64, fd: RawFd) -> Option<usize> {
        let fds = &self.state(at).fds;
        let matches = |found: &usize| fds.all[*found].stands() && fds.all[*found].about.fd == fd;
        let found = fds.with_handle(handle).rev().find(matches);
        if found.is_none() {
            self.wrong("R2", at, format!("{}, and no registration of that fd has handle {handle:#x}", self.say(at)));
        }
        found
    }

    fn find_timeout(&mut self, at: usize, handle: u64) -> Option<usize> {
        let timeouts = &self.state(at).timeouts;
        let named = || timeouts.with_handle(handle).rev();
        let found = named().find(|found| timeouts.all[*found].stands()).or_else(|| named().next());
        if found.is_none() {
            self.wrong("R2", at, format!("{}, and no timeout has handle {handle:#x}", self.say(at)));
        }
        found
    }

    fn hook_returned(&mut self, at: usize, handle: u64, code: i32) {
        let step = self.steps(at);
        let Some(hook) = self.threads[step.thread as usize].pop() else { return };
        let began = self.steps(hook.step);
        let took = Duration::from_nanos(step.at - began.at);
        if let Some(occurrence) = hook.outlived.filter(|_| took >= self.limits.hook) {
            let text = format!(
                "{} took {took:?}, until an occurrence elsewhere had returned: {}",
                self.say(hook.step),
                self.say(occurrence)
            );
            self.wrong("R15", at, text);
        }
        if code < 0 && code != REG_FAIL {
            self.wrong(
                "R3",
                at,
                format!("{} returns {code}, which libxl takes for an error of its own", self.say(hook.step)),
            );
        }
        if code == libc::EPERM && matches!(began.what, What::FdRegister { .. }) {
            self.wrong("R7", at, format!("{} is refused with EPERM: poll(2) accepts it", self.say(hook.step)));
        }
        match hook.what {
            Inside::FdHook(Some(found)) => self.fd_hook_returned(at, &began.what, found, handle, code),
            Inside::TimeoutHook(Some(found)) => self.timeout_hook_returned(at, hook.step, found, handle, code),
            _ => {}
        }
    }

    fn fd_hook_returned(&mut self, at: usize, began: &What, found: usize, handle: u64, code: i32) {
        let registers = matches!(began, What::FdRegister { .. });
        if !registers && !matches!(began, What::FdModify { .. }) {
            return;
        }
        let fds = &mut self.guests[self.record.steps[at].guest as usize].fds;
        if code == 0 {
            fds.all[found].about.asked(at);
        }
        if code == 0 || !registers {
            // Kept even where fd_modify fails (R2).
            fds.has_handle(found, handle);
        } else {
            fds.all[found].refused = Some(at);
            let came = fds.all[found].about.occurrences.first().copied();
            self.refused_what_came(at, came);
        }
    }

    fn timeout_hook_returned(&mut self, at: usize, began: usize, found: usize, handle: u64, code: i32) {
        let timeouts = &mut self.guests[self.record.steps[at].guest as usize].timeouts;
        let timeout = &mut timeouts.all[found];
        let occurrence = timeout.about.occurrence;
        match self.record.steps[began].what {
            What::TimeoutRegister { .. } if code == 0 => {
                timeout.about.known = Some(at);
                timeouts.has_handle(found, handle);
            }
            What::TimeoutRegister { .. } => {
                timeout.refused = Some(at);
                self.refused_what_came(at, occurrence);
            }
            What::TimeoutModify { .. } => {
                timeout.about.known.get_or_insert(at);
                if code != 0 {
                    let clause = if occurrence.is_some_and(|occurrence| occurrence < began) { "R14" } else { "R3" };
                    self.wrong(clause, at, format!("{} returns {code}, at which libxl does not look", self.say(began)));
                }
            }
            _ => {}
        }
    }

    fn refused_what_came(&mut self, at: usize, came: Option<usize>) {
        if let Some(came) = came {
            self.wrong("R3", at, format!("the host refuses what has occurred in step {came}"));
        }
    }

    // Occurrences.

    fn fd_occurrence(&mut self, at: usize, value: u64, fd: RawFd, events: i16, revents: i16) {
        let step = self.steps(at);
        let serialized = self.rule(at) == Rule::Serialized;
        let fds = &self.state(at).fds;
        let of_fd = || fds.with_value(value).rev().filter(|found| fds.all[*found].about.fd == fd);
        let Some(found) = of_fd().find(|found| fds.all[*found].stands()).or_else(|| of_fd().next()) else {
            let known: Vec<_> = fds.with_value(value).map(|found| fds.all[found].about.fd).collect();
            let text = if known.is_empty() {
                format!("{}, and no fd was registered with value {value:#x}", self.say(at))
            } else {
                format!("{}, but value {value:#x} is of fds {known:?}", self.say(at))
            };
            self.wrong("O11", at, text);
            return;
        };
        let registration = &fds.all[found];
        let (ended, refused, silent) = (registration.ended, registration.refused, registration.about.silent);
        if let Some(refused) = refused {
            self.wrong("R3", at, format!("{}, whose registration was refused in step {refused}", self.say(at)));
        } else if let Some(ended) = ended.filter(|_| serialized) {
            self.wrong("O3", at, format!("{} after its deregistration in step {ended}", self.say(at)));
        }
        if serialized && events & ASKABLE != 0 && revents & TROUBLE != 0 && revents & events & ASKABLE == 0 {
            self.wrong("O4", at, format!("{}: libxl drops this, and needs the interest's bits beside", self.say(at)));
        }
        let thread = step.thread;
        let registration = self.fd(at, found);
        registration.about.occurrences.push(at);
        // One on each thread may have been on its way when the interest went.
        let since = silent.filter(|_| ended.is_none());
        let spins = since.is_some() && registration.about.count_in_silence(thread) == 2;
        if let Some(since) = since.filter(|_| spins) {
            self.wrong(
                "R5",
                at,
                format!("{}, for the second time since its interest is empty, in step {since}", self.say(at)),
            );
        }
    }

    fn timeout_occurrence(&mut self, at: usize, value: u64) {
        let timeouts = &self.state(at).timeouts;
        let waiting = |found: &usize| timeouts.all[*found].stands();
        let Some(found) = timeouts.with_value(value).rev().find(waiting) else {
            let text = match timeouts.with_value(value).next_back().map(|found| &timeouts.all[found]) {
                None => "no timeout was registered with that value".to_owned(),
                Some(last) => match (last.refused, last.about.occurrence, last.ended) {
                    (Some(refused), ..) => format!("its registration was refused in step {refused}"),
                    (_, Some(before), _) => format!("it has occurred in step {before}"),
                    (.., Some(ended)) => format!("it was deregistered in step {ended}"),
                    _ => unreachable!("it would be waiting"),
                },
            };
            self.wrong("O5", at, format!("{}, but {text}", self.say(at)));
            return;
        };
        let early = timeouts.all[found].about.early_by(self.record, at);
        let stack = &self.threads[self.steps(at).thread as usize];
        let nested = stack.iter().filter(|open| open.what == Inside::Occurrence).count() > 1;
        self.order(at, found);
        self.starved(at, found);
        if let Some(early) = early {
            self.wrong("R12", at, format!("{} {early:?} before its deadline", self.say(at)));
        }
        let timeout = self.timeout(at, found);
        timeout.about.occurrence = Some(at);
        timeout.about.nested = nested;
        timeout.ended.get_or_insert(at);
        self.guests[self.record.steps[at].guest as usize].occurred.push(found);
    }

    /// O7: one with a later deadline, which became known only after this one was, has occurred before it on the same thread.
    fn order(&mut self, at: usize, found: usize) {
        let step = self.steps(at);
        let state = self.state(at);
        let this = &state.timeouts.all[found].about;
        let Some(known) = this.known else { return };
        let mut wrong = None;
        for other in state.occurred.iter().rev().map(|other| &state.timeouts.all[*other].about) {
            let Some(occurrence) = other.occurrence.filter(|occurrence| *occurrence > known) else { break };
            let same_thread = self.steps(occurrence).thread == step.thread && !other.nested;
            let ahead = micros(other.deadline).saturating_sub(micros(this.deadline));
            // A step of the wall clock between the two puts them in another order for a loop that does not follow it (R12).
            let stepped = (self.distance(other.set) - self.distance(known)).abs() >= ahead;
            if same_thread && other.set > known && ahead > 0 && !stepped {
                wrong = Some((occurrence, other.deadline, this.deadline));
                break;
            }
        }
        if let Some((before, later, earlier)) = wrong {
            let text =
                format!("{}, due at {earlier:?}, only after that of step {before}, due at {later:?}", self.say(at));
            self.wrong("O7", at, text);
        }
    }

    /// O9: one fd has occurred again and again while this was due.
    fn starved(&mut self, at: usize, found: usize) {
        let state = self.state(at);
        let timeout = &state.timeouts.all[found].about;
        let Some(due) = timeout.due(self.record) else { return };
        if self.steps(at).at.saturating_sub(due) < STARVED.0.as_nanos() as u64 {
            return;
        }
        let often = state.fds.all.iter().map(|fd| {
            let first = fd.about.occurrences.partition_point(|occurrence| self.steps(*occurrence).at < due);
            (fd.about.occurrences.len() - first, fd.about.fd)
        });
        if let Some((times, fd)) = often.max().filter(|(times, _)| *times >= STARVED.1) {
            self.wrong("O9", at, format!("{}, which was due while fd {fd} occurred {times} times", self.say(at)));
        }
    }

    // Time in which nothing happens.

    /// O5: a timeout that was due, and nobody was inside anything for a long time, and still it has not occurred.
    fn look_at_quiet(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1) else { return };
        let since = self.steps(before).at;
        let quiet = Duration::from_nanos(self.steps(at).at - since);
        if quiet < self.limits.overdue {
            return;
        }
        let excuses = |open: &Open| {
            !matches!(open.what, Inside::Call) || self.record.guests[open.guest as usize] == Rule::Serialized
        };
        if self.threads.iter().flatten().any(excuses) {
            return;
        }
        let mut lost = Vec::new();
        for state in self.guests.iter_mut().filter(|state| state.free.is_none()) {
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

    // Parts of the above.

    fn steps(&self, at: usize) -> &'a Step {
        &self.record.steps[at]
    }

    fn state(&self, at: usize) -> &State {
        &self.guests[self.steps(at).guest as usize]
    }

    fn rule(&self, at: usize) -> Rule {
        self.record.guests[self.steps(at).guest as usize]
    }

    fn fd(&mut self, at: usize, found: usize) -> &mut Registration<Fd> {
        &mut self.guests[self.record.steps[at].guest as usize].fds.all[found]
    }

    fn timeout(&mut self, at: usize, found: usize) -> &mut Registration<Timeout> {
        &mut self.guests[self.record.steps[at].guest as usize].timeouts.all[found]
    }

    /// Of the wall clock from the other, in microseconds.
    fn distance(&self, at: usize) -> i64 {
        self.steps(at).wall - (self.steps(at).at / 1000) as i64
    }

    fn push(&mut self, at: usize, what: Inside) {
        let Step { thread, guest, .. } = *self.steps(at);
        self.threads[thread as usize].push(Open { step: at, guest, what, outlived: None });
    }

    fn say(&self, at: usize) -> String {
        let step = self.steps(at);
        format!("{} on {} (step {at})", say(&step.what), self.record.threads[step.thread as usize])
    }

    fn wrong(&mut self, clause: &str, step: usize, text: String) {
        self.violations.push(Violation { clause: clause.into(), step, text });
    }
}
