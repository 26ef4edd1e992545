//! What is seen while nothing happens: somebody who does not come back, and an fd that is ready in vain.

use super::check::{WatchedFd, watched_fds};
use super::registration::TROUBLE;
use super::say::say;
use super::{Monitor, Recorded};
#[cfg(doc)]
use crate::contract::*;
use crate::record::{Record, What};
use crate::violation::Violation;
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

impl Monitor {
    /// Starts a thread that checks at intervals, until the monitor is dropped, whether a thread is stuck ([O2], [R15]), and whether the
    /// host ignores a ready fd while there is no activity ([R6], [R9], [O10]).
    ///
    /// If a thread is stuck, `stuck` is called once with the record, because the stuck thread may be that of the case. Only fds of this
    /// process can be watched.
    ///
    /// # Panics
    /// If the thread cannot be created.
    pub fn watch(self: &Arc<Self>, stuck: impl FnOnce(Record) + Send + 'static) {
        let (sender, ended) = channel();
        *self.watches.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let weak = Arc::downgrade(self);
        let interval = (self.limits.overdue.min(self.limits.stuck) / 8).max(Duration::from_millis(5));
        let mut stuck = Some(stuck);
        let watch = move || {
            let mut watch = Watch::default();
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(monitor) = weak.upgrade() else { return };
                if watch.look(&monitor)
                    && let Some(stuck) = stuck.take()
                {
                    stuck(monitor.finish());
                }
            }
        };
        std::thread::Builder::new().name("monitor".into()).spawn(watch).expect("a thread can be had");
    }
}

#[derive(Default)]
struct Watch {
    /// How many steps there were at the last look.
    steps: usize,
    /// What is registered, where there have been no steps since the look before.
    watched: Option<Vec<WatchedFd>>,
    /// Registrations whose fd has been ready since then, without a step: by the hook that registered it.
    ready: HashMap<usize, u64>,
    /// What has been reported.
    said: HashSet<usize>,
}

impl Watch {
    /// True if somebody is stuck.
    fn look(&mut self, monitor: &Monitor) -> bool {
        // No step is taken meanwhile: a registered fd is open, because it is closed after its deregistration only.
        let mut recorded = monitor.lock();
        let now = monitor.began.elapsed().as_nanos() as u64;
        let is_stuck = self.look_for_stuck(monitor, &mut recorded, now);
        if self.steps != recorded.record.steps.len() {
            self.steps = recorded.record.steps.len();
            self.watched = None;
            self.ready.clear();
        } else {
            self.look_at_fds(monitor, &mut recorded, now);
        }
        is_stuck
    }

    fn look_for_stuck(&mut self, monitor: &Monitor, recorded: &mut Recorded, now: u64) -> bool {
        let Recorded { record, open, .. } = recorded;
        let limit = monitor.limits.stuck.as_nanos() as u64;
        let innermost = open.iter().filter_map(|stack| stack.last());
        let stuck: Vec<_> = innermost
            .copied()
            .filter(|step| !matches!(record.steps[*step].what, What::Call))
            .filter(|step| now.saturating_sub(record.steps[*step].at) > limit && self.said.insert(*step))
            .collect();
        let inside = || open.iter().enumerate().filter(|(_, stack)| !stack.is_empty());
        let all: Vec<_> = inside()
            .map(|(thread, stack)| {
                let stack: Vec<_> = stack.iter().map(|step| say(&record.steps[*step].what)).collect();
                format!("{} is inside {}", record.threads[thread], stack.join(", "))
            })
            .collect();
        for step in &stuck {
            let is_hook = !matches!(
                record.steps[*step].what,
                What::FdOccurrence { .. } | What::TimeoutOccurrence { .. } | What::Free
            );
            let thread = record.steps[*step].thread as usize;
            let dies = open[thread].iter().any(|step| record.steps[*step].what == What::Free);
            let others = inside().any(|(other, _)| other != thread);
            let clauses = [("R15", is_hook), ("X2", is_hook && dies), ("O2", !is_hook || others)];
            for (clause, _) in clauses.into_iter().filter(|(_, broken)| *broken) {
                let text = format!("{} has not returned: {}", say(&record.steps[*step].what), all.join("; "));
                record.violations.push(Violation::new(clause, text).at(*step));
            }
        }
        !stuck.is_empty()
    }

    fn look_at_fds(&mut self, monitor: &Monitor, recorded: &mut Recorded, now: u64) {
        let record = &mut recorded.record;
        let watched = self.watched.get_or_insert_with(|| watched_fds(record, &monitor.limits));
        for one in watched.iter().filter(|one| one.interest != 0) {
            let mut fd = libc::pollfd { fd: one.fd, events: one.interest, revents: 0 };
            // SAFETY: one pollfd, for the length of the call.
            unsafe { libc::poll(&mut fd, 1, 0) };
            if fd.revents == 0 {
                self.ready.remove(&one.step);
                continue;
            }
            let since = *self.ready.entry(one.step).or_insert(now);
            let waited = Duration::from_nanos(now - since);
            if waited < monitor.limits.overdue || !self.said.insert(one.step) {
                continue;
            }
            let clause = match fd.revents & !TROUBLE {
                0 | libc::POLLPRI => "R6",
                _ if one.occurred => "O10",
                _ => "R9",
            };
            let text = format!(
                "fd {}, registered in step {}, has been ready ({:#x}) for {waited:?} and does not occur, and nobody is busy",
                one.fd, one.step, fd.revents
            );
            let step = record.steps.len().saturating_sub(1);
            record.violations.push(Violation::new(clause, text).at(step));
        }
    }
}
