//! Occurrences.

use super::{Inside, Replay};
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use crate::monitor::registration::{ASKABLE, TROUBLE, micros};
use std::os::fd::RawFd;
use std::time::Duration;

/// [O9]: a timeout is late by this much, and one fd has meanwhile occurred so often. More than any loop's turn.
const STARVED: (Duration, usize) = (Duration::from_millis(100), 200);

impl Replay<'_> {
    pub(super) fn fd_occurrence(&mut self, at: usize, value: u64, fd: RawFd, events: i16, revents: i16) {
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

    pub(super) fn timeout_occurrence(&mut self, at: usize, value: u64) {
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
        self.clients[self.record.steps[at].client as usize].occurred.push(found);
    }

    /// [O7]: one with a later deadline, which became known only after this one was, has occurred before it on the same thread.
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

    /// [O9]: one fd has occurred again and again while this was due.
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
}
