//! The work that waits for a ctx's own thread. What the thread does is in `work`.
//!
//! # No work is lost
//! A posted piece of work is done, in the order of posting, or is done after the end. `post` and the end take the same lock: what is
//! posted before the end is in the list that the end works off, and what comes after finds it ended and is done by the one who
//! posts it.

use crate::lock;
use crate::signal::Signal;
use osevent_core::{ThreadId, current_thread};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock};

/// What the thread does once with `R`, outside the gate.
type Job<R> = Box<dyn FnOnce(&Arc<R>) + Send>;

pub(crate) struct Worker<R> {
    jobs: Mutex<Jobs<R>>,
    /// Readable while there are jobs; changed under their lock.
    signal: Signal,
    thread: OnceLock<ThreadId>,
}

struct Jobs<R> {
    waiting: VecDeque<Job<R>>,
    ended: bool,
}

impl<R> Worker<R> {
    pub(crate) fn new() -> io::Result<Self> {
        let jobs = Jobs { waiting: VecDeque::new(), ended: false };
        Ok(Self { jobs: Mutex::new(jobs), signal: Signal::new()?, thread: OnceLock::new() })
    }

    /// Readable while something is to be done.
    pub(crate) fn fd(&self) -> RawFd {
        self.signal.fd()
    }

    /// The calling thread is the one.
    pub(crate) fn is_here(&self) {
        let _first = self.thread.set(current_thread());
    }

    /// Whether this is its thread.
    pub(crate) fn is_current(&self) -> bool {
        self.thread.get() == Some(&current_thread())
    }

    /// Has it done, soon.
    pub(crate) fn post(&self, registry: &Arc<R>, job: impl FnOnce(&Arc<R>) + Send + 'static) {
        {
            let mut jobs = lock(&self.jobs);
            if !jobs.ended {
                jobs.waiting.push_back(Box::new(job));
                if jobs.waiting.len() == 1 {
                    self.signal.raise();
                }
                return;
            }
        }
        job(registry);
    }

    pub(crate) fn take(&self) -> Option<Job<R>> {
        let mut jobs = lock(&self.jobs);
        let job = jobs.waiting.pop_front();
        if jobs.waiting.is_empty() {
            self.signal.clear();
        }
        job
    }

    /// The next one that is left when the thread ends; after the last, whoever posts one does it.
    pub(crate) fn take_at_end(&self) -> Option<Job<R>> {
        let mut jobs = lock(&self.jobs);
        jobs.ended = jobs.waiting.is_empty();
        jobs.waiting.pop_front()
    }
}
