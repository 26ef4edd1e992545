//! What stands between any client and any host, sees each hook and each occurrence, and says which clauses were broken.
//!
//! While a case runs, steps are only written down; [`check()`] goes through the record afterwards. What a record cannot show,
//! because nothing happens, a thread of the monitor's looks for ([`Monitor::watch`]).
//!
//! # What it costs
//! A step takes one lock, reads two clocks and writes 56 bytes: 0.25 µs in a release build and 0.6 µs in a debug build, on the
//! virtual machine that this was written on, busy with other work, with one thread as with two. A hook or an occurrence is two
//! steps. The client or the host waits for no longer than that, but for the record growing: from 4096 steps on, it moves each time that
//! it doubles. Going through the record takes 0.05 µs for each step. The watching thread holds the lock at intervals of
//! an eighth of [`Limits::overdue`]; only after an interval without any step it goes through the record and polls the registered fds.
//!
//! # What is checked
//! Each row holds for all releases, unless it says *serialized*, which is 4.2.0 and 4.2.1, or *concurrent*, the rest. Where a record allows
//! for two readings, the one in which nothing is wrong counts.
//!
//! | clause | broken when |
//! |---|---|
//! | [R2] | a hook names a handle that the host gave to no registration that stands; for a timeout, to none ever |
//! | [R3] | a hook returns a negative code other than -12; `timeout_modify` fails; something occurs that was refused |
//! | [R5] | an fd occurs on one thread for the second time since its interest is empty: the first may have been on its way |
//! | [R6] | *watch*: as [O10], of an fd that shows nothing but POLLPRI, or an error or hang-up |
//! | [R7] | `fd_register` returns EPERM, which only epoll has a reason for |
//! | [R9] | *watch*: as [O10], of an fd that has not occurred since its interest was set |
//! | [R12] | a timeout occurs early by both the wall clock of that moment and the one of when its deadline was set, so that a step of the clock between the two harms neither kind of loop |
//! | [R13] | *concurrent*: the client moves a timeout to anything but `{0,0}`, or deregisters one; *serialized*: it moves one |
//! | [R14] | `timeout_modify` fails for a timeout that has occurred |
//! | [R15] | a hook takes [`Limits::hook`] and returns only after an occurrence that was in progress on another thread; *watch*: it does not return; a client is called from inside a hook of another, or of its own other than by an occurrence |
//! | [O1] | an occurrence begins inside a hook of the same client, on the same thread |
//! | [O2] | *serialized*: two threads are inside the client; *watch*: somebody does not return while others are inside, or the host's call does not |
//! | [O3] | *serialized*: an fd occurs that has been deregistered |
//! | [O4] | *serialized*: an error or hang-up occurs without a bit of the interest |
//! | [O5] | a timeout occurs that was not registered, has occurred, or was deregistered; one that was due has not occurred after [`Limits::overdue`] in which nobody did anything |
//! | [O6] | as [O5] and [R12]: a registration that outlives its occurrence occurs twice, or too early under the next one's value |
//! | [O7] | on one thread, a timeout occurs after one whose deadline is later and was set when the earlier one's was known already |
//! | [O9] | a timeout is late by 100 ms, and one fd has occurred 200 times meanwhile |
//! | [O10] | *watch*: an fd is ready for [`Limits::overdue`], does not occur, and nobody does anything |
//! | [O11] | an fd occurs under another number than it was registered with, or with a value that was never registered |
//! | [X2] | a hook other than `fd_deregister` is called while the client is freed; an fd is still registered after that; *watch*: a hook does not return there |
//! | [X3] | a timeout is still registered when the client is freed, and was not cancelled |
//! | [X4] | the client is freed while another thread is inside it, or twice; anything begins after its end has begun; a hook comes on another thread then, which shows a call that nobody saw |
//! | [X5] | the client is freed on a thread that is inside it |
//!
//! # What cannot be seen from here
//! - *Only in what the client makes of it*: [R4] (which of two registrations of an fd is told is the host's choice), [R8] and [R16] (readiness of
//!   a file that is gone looks like any other occurrence that comes late), [R10] (a host that goes by the value tells the
//!   wrong one, which [R12], [O5], [O11] or [R2] may show), [R11] for times that are merely far ([R12] and [O5] show what comes of it). The model of libxl and
//!   the directed cases check these.
//! - *Nothing to break*: [R1], [O8] and [O12] say what a host has to expect; what becomes of a host that does not shows as something else, or not.
//! - *What libxl does inside*: [X1], [X6] (a cancelled timeout that is dropped with the client is right), [X8], [X9]; E and S.
//! - *What it does to the process*: [X7], [S3], [S5]. Fds, children and memory are for cases to look at.
//!
//! A client at which calls cannot be seen, such as libxl behind xenlight, gives hooks, occurrences and its end only: [X4], [X5] and [O2] rest on
//! those then.

mod check;
mod registration;
mod say;
mod watch;
mod wrap;

#[cfg(doc)]
use crate::contract::*;
pub use check::check;

use crate::boundary::{Client, Hosting, Integration, Rule};
use crate::record::{Record, Step, What};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From when on something takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Something is due, nobody does anything, and still it does not occur ([O5], [O10]).
    pub overdue: Duration,
    /// A hook takes as long as an occurrence on another thread ([R15]).
    pub hook: Duration,
    /// A hook or an occurrence does not return ([O2]).
    pub stuck: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { overdue: Duration::from_secs(10), hook: Duration::from_secs(1), stuck: Duration::from_secs(60) }
    }
}

/// Writes down what any number of clients and hosts do, on any thread.
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

/// Writes down the steps of one client: for those who have its hooks and occurrences elsewhere than at the boundary.
#[derive(Clone)]
pub struct Witness {
    monitor: Arc<Monitor>,
    client: u32,
}

/// An integration with a monitor before it: each client is hosted as [`Monitor::host`] does it.
pub struct Monitored<I> {
    /// The integration, boxed or borrowed.
    pub integration: I,
    /// The monitor.
    pub monitor: Arc<Monitor>,
}

impl<'a, I: Deref<Target = dyn Integration + 'a> + Send + Sync> Integration for Monitored<I> {
    fn host(&self, client: Arc<dyn Client>, rule: Rule) -> anyhow::Result<Arc<dyn Hosting>> {
        self.monitor.host(&*self.integration, client, rule)
    }

    fn thread(&self) -> ThreadId {
        self.integration.thread()
    }
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

    /// Has the client hosted, with this monitor between the two.
    ///
    /// # Errors
    /// The integration's.
    pub fn host(
        self: &Arc<Self>,
        integration: &dyn Integration,
        client: Arc<dyn Client>,
        rule: Rule,
    ) -> anyhow::Result<Arc<dyn Hosting>> {
        wrap::host(self.witness(rule), integration, client, rule)
    }

    /// For one more client.
    pub fn witness(self: &Arc<Self>, rule: Rule) -> Witness {
        let clients = &mut self.lock().record.clients;
        clients.push(rule);
        Witness { monitor: self.clone(), client: clients.len() as u32 - 1 }
    }

    /// Writes down what a case says of itself; shown with the first client's steps.
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

    fn step(&self, client: u32, what: What) {
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
        recorded.record.steps.push(Step { at, wall, thread, client, what });
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
        self.monitor.step(self.client, what);
    }

    /// How many steps of this client are so.
    pub fn count(&self, wanted: impl Fn(&What) -> bool) -> usize {
        let mine = |step: &&Step| step.client == self.client && wanted(&step.what);
        self.monitor.look(|record| record.steps.iter().filter(mine).count())
    }

    /// What other threads than the calling one are inside of this client's.
    pub fn elsewhere(&self) -> Vec<What> {
        let here = self.monitor.lock().this_thread();
        let steps = self.monitor.inside().into_iter();
        steps.filter(|step| step.thread != here && step.client == self.client).map(|step| step.what).collect()
    }
}

#[cfg(test)]
mod tests;
