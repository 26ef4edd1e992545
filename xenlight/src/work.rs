//! The thread that works for a ctx, where it was opened with one.
//!
//! It turns a loop of its own, on which libxl registers, and does what would make the host's loop wait for libxl: it begins
//! operations, aborts them, switches evgens on and off, and closes the ctx ([O12]). The host's loop has one source of this ctx's: the queue of what
//! is to be delivered.
//!
//! What it finds to do after its loop has ended is done as well. The gate is closed then, and whatever the work tries is refused
//! ([`Error::Closed`](crate::Error::Closed)); or the loop has broken, and what would need it is refused
//! ([`Error::LoopGone`](crate::Error::LoopGone)).

use crate::contain::{contained, say};
#[cfg(doc)]
use crate::contract::*;
use crate::hosted::Hosted;
use crate::worker::Worker;
use osevent_core::Registry;
use std::io;
use std::sync::Arc;

/// Starts the thread, which ends when the ctx is closed.
pub(crate) fn start(registry: &Arc<Registry<Hosted>>) -> io::Result<()> {
    let registry = registry.clone();
    std::thread::Builder::new().name("xenlight".into()).spawn(move || run(&registry)).map(drop)
}

/// The signal is readable: one job, so that occurrences have their turn in between.
pub(crate) fn own_fd(registry: &Arc<Registry<Hosted>>, worker: &Worker<Registry<Hosted>>) {
    if let Some(job) = worker.take() {
        job(registry);
    }
}

fn run(registry: &Arc<Registry<Hosted>>) {
    let hosted = registry.client();
    let Some(worker) = &hosted.worker else { return };
    worker.is_here();
    while !hosted.closing.is_closed() {
        // Nothing of the application's runs in a turn, but on a loop that others use as well.
        let turned = contained(|| registry.event_loop().turn(Some(hosted.closing.done_fd())));
        if let Some(Err(error)) = turned {
            say!(Error, "libxl's thread cannot go on, and its ctx stays as it is: {error}");
            hosted.closing.set_stuck(error);
            break;
        }
    }
    while let Some(job) = worker.take_at_end() {
        job(registry);
    }
}
