//! What the puppet knows of itself: what is registered, who is inside, what has occurred, and whether libxl would still live.

use super::pool::{Pool, Slot};
use super::{Act, Occurrence, Registration};
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use crate::violation::Violation;
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::thread::ThreadId;

#[derive(Default)]
pub(super) struct State {
    pub(super) fds: Pool,
    pub(super) timeouts: Pool,
    pub(super) registrations: Vec<Record>,
    pub(super) acts: HashMap<Registration, Act>,
    pub(super) occurrences: Vec<Occurrence>,
    /// What each thread is inside of, outermost first.
    pub(super) inside: Vec<(ThreadId, Inside)>,
    /// How often `free` was called, and returned.
    pub(super) frees: (usize, usize),
    /// What the next registration's place is to hold when its hook is called.
    pub(super) garbage: Option<u64>,
    /// The first thing that libxl would not have survived, or an act that failed.
    pub(super) failure: Option<Failure>,
}

pub(super) enum Failure {
    Violation(Violation),
    Other(String),
}

pub(super) struct Record {
    /// `None` for a timeout.
    pub(super) fd: Option<RawFd>,
    pub(super) nexus: usize,
    pub(super) value: u64,
    /// A copy of the handle, for uses after the nexus has gone to somebody else ([R14]).
    pub(super) handle: u64,
    pub(super) stands: bool,
    /// How many of its occurrences have begun, and returned.
    pub(super) occurrences: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Call,
    Hook,
    Occurrence(usize),
    Free,
}

impl State {
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    pub(super) fn pool(&mut self, timeouts: bool) -> &mut Pool {
        if timeouts { &mut self.timeouts } else { &mut self.fds }
    }

    pub(super) fn begin(&mut self, fd: Option<RawFd>) -> (Registration, Arc<Slot>, u64) {
        let registration = Registration(self.registrations.len());
        let (nexus, slot, value) = self.pool(fd.is_none()).take(registration);
        self.registrations.push(Record { fd, nexus, value, handle: 0, stands: true, occurrences: (0, 0) });
        (registration, slot, value)
    }

    /// The nexus goes back to its pool; not twice.
    pub(super) fn end(&mut self, registration: Registration) {
        // With the files that it has.
        self.acts.remove(&registration);
        let record = &mut self.registrations[registration.0];
        if std::mem::replace(&mut record.stands, false) {
            let (nexus, timeouts) = (record.nexus, record.fd.is_none());
            self.pool(timeouts).give_back(nexus);
        }
    }

    pub(super) fn slot(&self, registration: Registration) -> Option<Arc<Slot>> {
        let record = &self.registrations[registration.0];
        let pool = if record.fd.is_none() { &self.timeouts } else { &self.fds };
        record.stands.then(|| pool.slot(record.nexus))
    }

    /// Whom an occurrence is for: nobody, if it is of the past. That it is so is seen by the fd, as libxl does ([O3]).
    pub(super) fn meant(&mut self, value: u64, fd: Option<RawFd>) -> Option<Registration> {
        let owner = self.pool(fd.is_none()).owner(value)?;
        let is_past = |record: &Record| !record.stands && record.value == value && record.fd == fd;
        let other = self.registrations[owner.0].fd != fd;
        (!(other && self.registrations.iter().any(is_past))).then_some(owner)
    }

    pub(super) fn count(&self, registration: Registration) -> (usize, usize) {
        self.registrations[registration.0].occurrences
    }

    pub(super) fn of(&self, registration: Registration) -> impl Iterator<Item = &Occurrence> {
        self.occurrences.iter().filter(move |occurrence| occurrence.registration == Some(registration))
    }

    pub(super) fn standing_fds(&self) -> Vec<Registration> {
        let standing =
            |(at, record): (usize, &Record)| (record.stands && record.fd.is_some()).then_some(Registration(at));
        self.registrations.iter().enumerate().filter_map(standing).collect()
    }

    /// Two threads inside, where one outer lock must keep them apart.
    pub(super) fn overlap(&self, rule: Rule, me: ThreadId) -> Option<Violation> {
        let (_, inside) = self.inside.iter().find(|(thread, _)| *thread != me)?;
        let text = || format!("a call into the client begins while another thread is inside of it ({inside:?})");
        (rule == Rule::Serialized).then(|| Violation::new("O2", text()))
    }

    /// What libxl would not survive.
    pub(super) fn judge(&mut self, rule: Rule, occurrence: &Occurrence) -> Option<Violation> {
        let me = occurrence.thread;
        if self.frees.0 > 0 {
            return Some(Violation::new("X4", "an occurrence began after the client was freed, or while it is"));
        }
        if self.inside.iter().rfind(|(thread, _)| *thread == me).is_some_and(|(_, inside)| *inside == Inside::Hook) {
            return Some(Violation::new("O1", "an occurrence was made from inside a hook"));
        }
        if let Some(violation) = self.overlap(rule, me) {
            return Some(violation);
        }
        if !self.pool(occurrence.fd.is_none()).has(occurrence.value) {
            let text = format!("the value {:#x} comes back, which was never given", occurrence.value);
            return Some(Violation::new("R10", text));
        }
        match (occurrence.registration, occurrence.fd) {
            (Some(registration), Some((fd, _, _))) => {
                let registered = self.registrations[registration.0].fd.expect("its pool is that of fds");
                let text = || format!("fd {registered} was registered, and fd {fd} is reported");
                (fd != registered).then(|| Violation::new("O11", text()))
            }
            (Some(registration), None) => {
                (self.count(registration).0 > 0).then(|| Violation::new("O5", "a timeout occurred twice"))
            }
            (None, None) => {
                Some(Violation::new("O5", "a timeout occurred that is over, or is not registered any more"))
            }
            // Any time after (O3).
            (None, Some(_)) if rule == Rule::Concurrent => None,
            (None, Some((fd, _, _))) => Some(Violation::new(
                "O3",
                format!("fd {fd} occurred after its deregistration, where that is memory freed"),
            )),
        }
    }
}
