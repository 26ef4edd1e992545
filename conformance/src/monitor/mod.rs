//! What stands between any guest and any host, sees each hook and each occurrence, and says which clauses were broken.
//!
//! While a case runs, steps are only written down; [`check()`] reads the record afterwards.

mod check;
mod registration;
mod say;
mod watch;
mod wrap;

pub use check::check;

use crate::boundary::{Guest, Hosting, Integration, Rule};
use crate::record::{Record, Step, What};
use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From when on something takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Something is due, nobody does anything, and still it does not occur (O5, O10).
    pub overdue: Duration,
    /// A hook takes as long as an occurrence on another thread (R15).
    pub hook: Duration,
    /// A hook or an occurrence does not return (O2).
    pub stuck: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { overdue: Duration::from_secs(10), hook: Duration::from_secs(1), stuck: Duration::from_secs(60) }
    }
}

/// Writes down what any number of guests and hosts do, on any thread.
pub struct Monitor {
    began: Instant,
    limits: Limits,
    record: Mutex<Recorded>,
    /// Dropped with the monitor, which ends the thread that watches.
    watches: Mutex<Option<Sender<()>>>,
}

#[derive(Default)]
struct Recorded {
    record: Record,
    /// What each thread is inside of, outermost first: the steps with which that began.
    open: Vec<Vec<usize>>,
    threads: HashMap<ThreadId, u32>,
}

/// Writes down the steps of one guest: for those who have its hooks and occurrences elsewhere than at the boundary.
#[derive(Clone)]
pub struct Witness {
    monitor: Arc<Monitor>,
    guest: u32,
}

impl Monitor {
    /// One whose record is empty and begins now.
    pub fn new(limits: Limits) -> Arc<Self> {
        let mut recorded = Recorded::default();
        // Room for a short case, so that nothing is moved while others wait.
        recorded.record.steps.reserve(4096);
        let (record, watches) = (Mutex::new(recorded), Mutex::default());
        Arc::new(Self { began: Instant::now(), limits, record, watches })
    }

    /// Has the guest hosted, with this monitor between the two.
    ///
    /// # Errors
    /// The integration's.
    pub fn host(
        self: &Arc<Self>,
        integration: &dyn Integration,
        guest: Arc<dyn Guest>,
        rule: Rule,
    ) -> anyhow::Result<Arc<dyn Hosting>> {
        wrap::host(self.witness(rule), integration, guest, rule)
    }

    /// For one more guest.
    pub fn witness(self: &Arc<Self>, rule: Rule) -> Witness {
        let guests = &mut self.lock().record.guests;
        guests.push(rule);
        Witness { monitor: self.clone(), guest: guests.len() as u32 - 1 }
    }

    /// Writes down what a case says of itself; shown with the first guest's steps.
    pub fn remark(&self, text: impl Into<String>) {
        self.step(0, What::Remark { text: text.into() });
    }

    /// Looks at the record as it is. No step is taken meanwhile, so be quick.
    pub fn look<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.lock().record)
    }

    /// What all threads are inside of: the steps with which that began, each thread's outermost first.
    pub fn inside(&self) -> Vec<Step> {
        let recorded = self.lock();
        recorded.open.iter().flatten().map(|step| recorded.record.steps[*step].clone()).collect()
    }

    /// The record up to now, with what was wrong.
    pub fn finish(&self) -> Record {
        self.remark("the record ends");
        let mut record = self.lock().record.clone();
        record.violations.extend(check(&record, &self.limits));
        record.violations.sort_by_key(|violation| violation.step);
        record
    }

    fn step(&self, guest: u32, what: What) {
        let mut recorded = self.lock();
        let thread = recorded.this_thread();
        // Under the lock, so that the record is in the order of time; and the wall clock second, so that it is never behind (R12).
        let at = self.began.elapsed().as_nanos() as u64;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        let (next, open) = (recorded.record.steps.len(), &mut recorded.open[thread as usize]);
        match what {
            What::Remark { .. } => {}
            What::HookReturned { .. } | What::OccurrenceReturned | What::CallReturned | What::Freed => {
                open.pop();
            }
            _ => open.push(next),
        }
        recorded.record.steps.push(Step { at, wall, thread, guest, what });
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    fn this_thread(&mut self) -> u32 {
        let current = std::thread::current();
        let names = &mut self.record.threads;
        *self.threads.entry(current.id()).or_insert_with(|| {
            self.open.push(Vec::new());
            names.push(current.name().unwrap_or("unnamed").to_owned());
            names.len() as u32 - 1
        })
    }
}

impl Witness {
    /// The thread is about to do this, or has just returned from it.
    pub fn saw(&self, what: What) {
        self.monitor.step(self.guest, what);
    }

    /// How many steps of this guest are so.
    pub fn count(&self, wanted: impl Fn(&What) -> bool) -> usize {
        let mine = |step: &&Step| step.guest == self.guest && wanted(&step.what);
        self.monitor.look(|record| record.steps.iter().filter(mine).count())
    }

    /// What other threads than the calling one are inside of this guest's.
    pub fn elsewhere(&self) -> Vec<What> {
        let here = self.monitor.lock().this_thread();
        let steps = self.monitor.inside().into_iter();
        steps.filter(|step| step.thread != here && step.guest == self.guest).map(|step| step.what).collect()
    }
}

#[cfg(test)]
mod tests;
