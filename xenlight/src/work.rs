//! The thread that works for a ctx, where it was opened with one.
//!
//! It turns a loop of its own, on which libxl registers, and does what would make the host's loop wait for libxl: it begins
//! operations, aborts them, switches evgens on and off, and closes the ctx (O12). The host's loop has one source of this ctx's: the queue of what
//! is to be delivered.
//!
//! # No work is lost
//! A posted piece of work is done, in the order of posting, or is done after the end. `post` and the end take the same lock: what is
//! posted before the end is in the list that the end works off, and what comes after finds it ended and is done by the one who
//! posts it. After the end the gate is closed, and whatever the work tries is refused ([`Error::Closed`](crate::Error::Closed)); or
//! the loop has broken, and what would need it is refused ([`Error::LoopGone`](crate::Error::LoopGone)).

use crate::close;
use crate::contain::{contained, say};
use crate::ctx::Hosted;
use crate::lock;
use crate::signal::Signal;
use osevent_core::{Registry, ThreadId, current_thread};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock};

/// What the thread does once, outside the gate.
type Job = Box<dyn FnOnce(&Arc<Registry<Hosted>>) + Send>;

pub(crate) struct Worker {
    jobs: Mutex<Jobs>,
    /// Readable while there are jobs; changed under their lock.
    signal: Signal,
    thread: OnceLock<ThreadId>,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    ended: bool,
}

impl Worker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { jobs: Mutex::default(), signal: Signal::new()?, thread: OnceLock::new() })
    }

    /// Readable while something is to be done.
    pub(crate) fn fd(&self) -> RawFd {
        self.signal.fd()
    }

    /// Whether this is its thread.
    pub(crate) fn is_current(&self) -> bool {
        self.thread.get() == Some(&current_thread())
    }

    /// Has it done, soon.
    pub(crate) fn post(
        &self,
        registry: &Arc<Registry<Hosted>>,
        job: impl FnOnce(&Arc<Registry<Hosted>>) + Send + 'static,
    ) {
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

    fn take(&self) -> Option<Job> {
        let mut jobs = lock(&self.jobs);
        let job = jobs.waiting.pop_front();
        if jobs.waiting.is_empty() {
            self.signal.clear();
        }
        job
    }
}

/// Starts the thread, which ends when the ctx is closed.
pub(crate) fn start(registry: &Arc<Registry<Hosted>>) -> io::Result<()> {
    let registry = registry.clone();
    std::thread::Builder::new().name("xenlight".into()).spawn(move || run(&registry)).map(drop)
}

/// The signal is readable: one job, so that occurrences have their turn in between.
pub(crate) fn own_fd(registry: &Arc<Registry<Hosted>>, worker: &Worker) {
    if let Some(job) = worker.take() {
        job(registry);
    }
}

fn run(registry: &Arc<Registry<Hosted>>) {
    let hosted = registry.client();
    let Some(worker) = &hosted.worker else { return };
    let _first = worker.thread.set(current_thread());
    while !hosted.closing.is_closed() {
        // Nothing of the application's runs in a turn, but on a loop that others use as well.
        let turned = contained(|| registry.event_loop().turn(Some(hosted.closing.done_fd())));
        if let Some(Err(error)) = turned {
            say!(Error, "libxl's thread cannot go on, and its ctx stays as it is: {error}");
            close::stuck(&hosted.closing, error);
            break;
        }
    }
    loop {
        let job = {
            let mut jobs = lock(&worker.jobs);
            jobs.ended = jobs.waiting.is_empty();
            jobs.waiting.pop_front()
        };
        match job {
            Some(job) => job(registry),
            None => return,
        }
    }
}
