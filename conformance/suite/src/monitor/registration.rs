//! What a client has registered, as far as the record tells.

use crate::boundary::WallTime;
#[cfg(doc)]
use crate::contract::*;
use crate::record::Record;
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::time::Duration;

/// poll(2)'s bits that may be asked for ([R6]).
pub(super) const ASKABLE: i16 = libc::POLLIN | libc::POLLPRI | libc::POLLOUT;

/// What poll(2) reports unasked ([R6]).
pub(super) const TROUBLE: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;

/// All registrations of one kind, those that have ended included: values and handles come again ([R10]).
pub(super) struct Registered<T> {
    pub(super) all: Vec<Registration<T>>,
    by_value: HashMap<u64, Vec<usize>>,
    by_handle: HashMap<u64, Vec<usize>>,
}

/// One registration. Numbers are indices of steps.
pub(super) struct Registration<T> {
    /// The hook that asked for it.
    pub(super) step: usize,
    /// Where that hook returned, if it failed.
    pub(super) refused: Option<usize>,
    /// The deregistration, or the timeout's occurrence.
    pub(super) ended: Option<usize>,
    pub(super) about: T,
}

pub(super) struct Fd {
    pub(super) fd: RawFd,
    /// What the last hook asked for, whether it has returned or not.
    pub(super) interest: i16,
    /// The return of that hook, if it returned 0.
    settled: Option<usize>,
    /// Since when the interest is empty.
    pub(super) silent: Option<usize>,
    /// Occurrences since then, by thread.
    in_silence: HashMap<u32, u32>,
    pub(super) occurrences: Vec<usize>,
}

pub(super) struct Timeout {
    pub(super) deadline: WallTime,
    /// The hook that set the deadline.
    pub(super) set: usize,
    /// Where that hook returned.
    pub(super) known: Option<usize>,
    pub(super) occurrence: Option<usize>,
    /// It occurred inside another occurrence.
    pub(super) nested: bool,
    /// That it is overdue has been said.
    pub(super) missed: bool,
}

impl<T> Default for Registered<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_value: HashMap::new(), by_handle: HashMap::new() }
    }
}

impl<T> Registered<T> {
    pub(super) fn add(&mut self, step: usize, value: u64, about: T) -> usize {
        self.all.push(Registration { step, refused: None, ended: None, about });
        self.by_value.entry(value).or_default().push(self.all.len() - 1);
        self.all.len() - 1
    }

    /// In the order in which they were registered.
    pub(super) fn with_value(&self, value: u64) -> impl DoubleEndedIterator<Item = usize> {
        self.by_value.get(&value).into_iter().flatten().copied()
    }

    /// Those that have, or had, this handle.
    pub(super) fn with_handle(&self, handle: u64) -> impl DoubleEndedIterator<Item = usize> {
        self.by_handle.get(&handle).into_iter().flatten().copied()
    }

    pub(super) fn has_handle(&mut self, found: usize, handle: u64) {
        let with_handle = self.by_handle.entry(handle).or_default();
        if with_handle.last() != Some(&found) {
            with_handle.push(found);
        }
    }
}

impl<T> Registration<T> {
    /// It may occur, as far as the client has asked.
    pub(super) fn stands(&self) -> bool {
        self.ended.is_none() && self.refused.is_none()
    }
}

impl Fd {
    pub(super) fn new(fd: RawFd, events: i16) -> Self {
        Self { fd, interest: events, settled: None, silent: None, in_silence: HashMap::new(), occurrences: Vec::new() }
    }

    /// A hook asks for another interest.
    pub(super) fn ask(&mut self, events: i16) {
        self.interest = events;
        self.settled = None;
        if events & ASKABLE != 0 {
            self.silent = None;
        }
    }

    /// That hook has returned 0.
    pub(super) fn asked(&mut self, at: usize) {
        self.settled = Some(at);
        if self.interest & ASKABLE == 0 && self.silent.is_none() {
            self.silent = Some(at);
            self.in_silence.clear();
        }
    }

    /// What the last hook asked for is in force.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    /// Since that is in force.
    pub(super) fn has_occurred(&self) -> bool {
        self.occurrences.last().copied() > self.settled
    }

    /// How often it has occurred on this thread since the interest is empty, this time included.
    pub(super) fn count_in_silence(&mut self, thread: u32) -> u32 {
        let count = self.in_silence.entry(thread).or_default();
        *count += 1;
        *count
    }
}

impl Timeout {
    pub(super) fn new(deadline: WallTime, at: usize) -> Self {
        Self { deadline, set: at, known: None, occurrence: None, nested: false, missed: false }
    }

    pub(super) fn move_to(&mut self, deadline: WallTime, at: usize) {
        self.deadline = deadline;
        self.set = at;
        self.known = None;
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.deadline == (0, 0)
    }

    /// Nanoseconds of [`Step::at`](crate::record::Step::at): when it is due by the clock that does not step, unless the hook that set
    /// it has not returned.
    pub(super) fn due(&self, record: &Record) -> Option<u64> {
        Some(self.deadline_at(record).max(record.steps[self.known?].at))
    }

    /// By how much an occurrence in this step is too early: by the wall clock as it is now, and as it was when the deadline was set.
    pub(super) fn early_by(&self, record: &Record, at: usize) -> Option<Duration> {
        let occurs = &record.steps[at];
        let early = self.deadline_at(record).saturating_sub(occurs.at);
        // The wall clock of the record has been rounded down to microseconds.
        (early > 1000 && occurs.wall < micros(self.deadline)).then(|| Duration::from_nanos(early))
    }

    /// The deadline as [`Step::at`](crate::record::Step::at) would have it, by the wall clock as it was when it was set.
    fn deadline_at(&self, record: &Record) -> u64 {
        let set = &record.steps[self.set];
        let remaining = u64::try_from(micros(self.deadline).saturating_sub(set.wall)).unwrap_or(0);
        set.at.saturating_add(remaining.saturating_mul(1000))
    }
}

/// Since 1970.
pub(super) fn micros((seconds, micros): WallTime) -> i64 {
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}
