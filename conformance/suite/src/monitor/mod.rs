//! A monitor between any client and any host. It records each hook and each occurrence, and reports which clauses were broken.
//!
//! While a case runs, steps are only recorded; [`check()`] checks the record afterwards. A thread of the monitor detects what a record
//! cannot show, because nothing happens ([`Monitor::watch`]).
//!
//! # Cost
//! A step takes one lock, reads two clocks and writes 56 bytes. This takes 0.25 µs in a release build and 0.6 µs in a debug build, on a
//! busy virtual machine, with one thread or two. A hook or an occurrence has two steps. Client and host wait for no longer than that,
//! except when the record grows: from 4096 steps on, it is moved each time its size doubles. The check takes 0.05 µs for each step. The
//! watching thread takes the lock at intervals of an eighth of [`Limits::overdue`]. Only after an interval without a step does it
//! go through the record and poll the registered fds.
//!
//! # Checks
//! Each row applies to all releases, unless it says *serialized*, which is 4.2.0 and 4.2.1, or *concurrent*, all others. If a record can be
//! interpreted in two ways, the monitor assumes the one without a violation.
//!
//! | clause | broken when |
//! |---|---|
//! | [R2] | a hook gets a handle that the host gave to no registration that still exists; for a timeout, to no registration ever |
//! | [R3] | a hook returns a negative code other than -12; `timeout_modify` fails; a refused registration occurs |
//! | [R5] | an fd occurs on one thread for the second time since its interest became empty; the first occurrence may have been in progress |
//! | [R6] | *watch*: as [O10], for an fd that only shows POLLPRI, or only an error or hang-up |
//! | [R7] | `fd_register` returns EPERM, which only epoll does |
//! | [R9] | *watch*: as [O10], for an fd that has not occurred since its interest was set |
//! | [R12] | a timeout occurs early, both by the wall clock at that moment and by the wall clock when its deadline was set; so a step of the clock in between is allowed for both kinds of loops |
//! | [R13] | *concurrent*: the client modifies a timeout to anything but `{0,0}`, or deregisters one; *serialized*: it modifies one |
//! | [R14] | `timeout_modify` fails for a timeout that has occurred |
//! | [R15] | a hook takes longer than [`Limits::hook`] and returns only after an occurrence that was in progress on another thread; *watch*: it does not return; a client is called inside a hook of another client, or inside its own hook other than by an occurrence |
//! | [O1] | an occurrence begins inside a hook of the same client, on the same thread |
//! | [O2] | *serialized*: two threads are inside the client; *watch*: a thread does not return while others are inside, or the host's call does not return |
//! | [O3] | *serialized*: an fd occurs that has been deregistered |
//! | [O4] | *serialized*: an error or hang-up occurs without a bit of the interest |
//! | [O5] | a timeout occurs that was not registered, has occurred, or was deregistered; a due timeout has not occurred after [`Limits::overdue`] without any activity |
//! | [O6] | as [O5] and [R12]: a registration that continues after its occurrence occurs twice, or too early with the value of the next one |
//! | [O7] | on one thread, a timeout occurs after another one with a later deadline, which was set when the earlier deadline was already known |
//! | [O9] | a timeout is late by 100 ms, and one fd has occurred 200 times meanwhile |
//! | [O10] | *watch*: an fd is ready for [`Limits::overdue`] and does not occur, without any activity |
//! | [O11] | an fd occurs with another number than the registered one, or with a value that was never registered |
//! | [X2] | a hook other than `fd_deregister` is called while the client is freed; an fd is still registered after that; *watch*: a hook does not return there |
//! | [X3] | a timeout that was not cancelled is still registered when the client is freed |
//! | [X4] | the client is freed while another thread is inside it, or twice; anything begins after its end has begun; a hook is called on another thread then, which shows a call that was not recorded |
//! | [X5] | the client is freed on a thread that is inside it |
//!
//! # What the monitor cannot check
//! - *Visible only in the client*: [R4] (the host may choose which of two registrations of an fd to report), [R8] and [R16] (readiness of a
//!   closed file looks like any late occurrence), [R10] (a host that uses the value as identification reports the wrong registration, which
//!   may show as [R12], [O5], [O11] or [R2]), [R11] for distant times ([R12] and [O5] show the consequences). The model of libxl and the directed
//!   cases check these.
//! - *Not rules for the host*: [R1], [O8] and [O12] say what a host has to expect. A host that does not expect it breaks another
//!   clause, or none.
//! - *Internals of libxl*: [X1], [X6] (dropping a cancelled timeout with the client is correct), [X8], [X9]; E and S.
//! - *Effects on the process*: [X7], [S3], [S5]. Cases check fds, children and memory.
//!
//! If calls into a client cannot be recorded, as with libxl behind xenlight, only hooks, occurrences and the end are known, and [X4], [X5] and
//! [O2] are checked with these.

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

/// The time limits of a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long something may be due without an occurrence while there is no activity ([O5], [O10]).
    pub overdue: Duration,
    /// How long a hook may last if it ends only after an occurrence on another thread ([R15]).
    pub hook: Duration,
    /// How long a hook or an occurrence may last ([O2]).
    pub stuck: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { overdue: Duration::from_secs(10), hook: Duration::from_secs(1), stuck: Duration::from_secs(60) }
    }
}

/// Records the steps of any number of clients and hosts, on any thread.
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

/// Records the steps of one client whose hooks and occurrences are not at the boundary.
#[derive(Clone)]
pub struct Witness {
    monitor: Arc<Monitor>,
    client: u32,
}

/// An integration with a monitor. Each client is hosted with [`Monitor::host`].
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
    /// Creates a monitor with an empty record that begins now.
    pub fn new(limits: Limits) -> Arc<Self> {
        let mut recorded = Recorded::default();
        // Room for a short case, so that nothing is moved while others wait.
        recorded.record.steps.reserve(4096);
        let (record, watches) = (Mutex::new(recorded), Mutex::default());
        Arc::new(Self { began: Instant::now(), limits, record, watches })
    }

    /// Hosts the client, with this monitor between the client and the host.
    ///
    /// # Errors
    /// Those of the integration.
    pub fn host(
        self: &Arc<Self>,
        integration: &dyn Integration,
        client: Arc<dyn Client>,
        rule: Rule,
    ) -> anyhow::Result<Arc<dyn Hosting>> {
        wrap::host(self.witness(rule), integration, client, rule)
    }

    /// Creates a witness for another client.
    pub fn witness(self: &Arc<Self>, rule: Rule) -> Witness {
        let clients = &mut self.lock().record.clients;
        clients.push(rule);
        Witness { monitor: self.clone(), client: clients.len() as u32 - 1 }
    }

    /// Records a remark of a case. It is shown with the steps of the first client.
    pub fn remark(&self, text: impl Into<String>) {
        self.step(0, What::Remark { text: text.into() });
    }

    /// Calls `look` with the present record. No step can be recorded meanwhile, so it should be fast.
    pub fn look<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.lock().record)
    }

    /// The hooks, occurrences and calls in progress on all threads: the steps with which they began, for each thread the outermost first.
    pub fn inside(&self) -> Vec<Step> {
        let recorded = self.lock();
        recorded.open.iter().flatten().map(|step| recorded.record.steps[*step].clone()).collect()
    }

    /// The record up to now, with its violations.
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
    /// Records that the thread is about to do this, or has just returned from it.
    pub fn saw(&self, what: What) {
        self.monitor.step(self.client, what);
    }

    /// The number of steps of this client for which `wanted` is true.
    pub fn count(&self, wanted: impl Fn(&What) -> bool) -> usize {
        let mine = |step: &&Step| step.client == self.client && wanted(&step.what);
        self.monitor.look(|record| record.steps.iter().filter(mine).count())
    }

    /// The hooks, occurrences and calls of this client in progress on threads other than the calling one.
    pub fn elsewhere(&self) -> Vec<What> {
        let here = self.monitor.lock().this_thread();
        let steps = self.monitor.inside().into_iter();
        steps.filter(|step| step.thread != here && step.client == self.client).map(|step| step.what).collect()
    }
}

#[cfg(test)]
mod tests;
