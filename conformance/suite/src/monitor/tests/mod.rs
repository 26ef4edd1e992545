//! Records written by hand, one that breaks each clause and one that only nearly does; and what real loops do.

mod calls;
mod hooks;
mod occurrences;
mod watch;

use super::{Limits, check};
use crate::boundary::{Rule, WallTime};
use crate::record::{Record, Step, What};
use std::time::Duration;

/// Two threads.
const APP: u32 = 0;
const LOOP: u32 = 1;

/// Seconds of the wall clock at the beginning.
const NOW: i64 = 1_700_000_000;

const IN: i16 = libc::POLLIN;

/// A record that is being written, of one client. A microsecond passes with each step.
struct Script {
    record: Record,
    at: u64,
    /// The wall clock less the other, in microseconds.
    distance: i64,
}

impl Script {
    fn new(rule: Rule) -> Self {
        let threads = vec!["app".into(), "loop".into()];
        let record = Record { threads, clients: vec![rule], ..Record::default() };
        Self { record, at: 0, distance: NOW * 1_000_000 }
    }

    fn pass(&mut self, time: Duration) {
        self.at += time.as_nanos() as u64;
    }

    fn step(&mut self, thread: u32, what: What) {
        self.pass(Duration::from_micros(1));
        let wall = self.distance + (self.at / 1000) as i64;
        self.record.steps.push(Step { at: self.at, wall, thread, client: 0, what });
    }

    fn hook(&mut self, thread: u32, what: What, handle: u64, code: i32) {
        self.step(thread, what);
        self.step(thread, What::HookReturned { handle, code });
    }

    /// Its handle is a hundred more than the value.
    fn fd_register(&mut self, fd: i32, events: i16, value: u64) {
        self.hook(APP, What::FdRegister { fd, events, value }, value + 100, 0);
    }

    fn fd_modify(&mut self, fd: i32, events: i16, value: u64) {
        self.hook(APP, What::FdModify { fd, handle: value + 100, events }, value + 100, 0);
    }

    fn fd_deregister(&mut self, thread: u32, fd: i32, value: u64) {
        self.hook(thread, What::FdDeregister { fd, handle: value + 100 }, value + 100, 0);
    }

    /// Its handle is two hundred more than the value.
    fn timeout_register(&mut self, deadline: WallTime, value: u64) {
        self.hook(APP, What::TimeoutRegister { deadline, value }, value + 200, 0);
    }

    fn cancel(&mut self, thread: u32, value: u64) {
        self.hook(thread, What::TimeoutModify { handle: value + 200, deadline: (0, 0) }, value + 200, 0);
    }

    fn fd_occurs(&mut self, fd: i32, value: u64) {
        self.occurs(What::FdOccurrence { value, fd, events: IN, revents: IN });
    }

    fn timeout_occurs(&mut self, value: u64) {
        self.occurs(What::TimeoutOccurrence { value });
    }

    fn occurs(&mut self, what: What) {
        self.step(LOOP, what);
        self.step(LOOP, What::OccurrenceReturned);
    }

    fn free(&mut self) {
        self.step(LOOP, What::Free);
        self.step(LOOP, What::Freed);
    }

    /// In its last step or wherever it was, and nothing else.
    #[track_caller]
    fn breaks(&self, clause: &str) {
        let violations = check(&self.record, &Limits::default());
        let clauses: Vec<_> = violations.iter().map(|violation| &*violation.clause).collect();
        assert_eq!(clauses, [clause], "{violations:#?}");
    }

    #[track_caller]
    fn breaks_nothing(&self) {
        assert_eq!(check(&self.record, &Limits::default()), []);
    }
}

fn concurrent() -> Script {
    Script::new(Rule::Concurrent)
}

fn serialized() -> Script {
    Script::new(Rule::Serialized)
}
