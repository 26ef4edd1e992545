//! What libxl's callbacks leave for the application, and its way to the loop's thread.
//!
//! Libxl runs its callbacks on whichever thread called into it (E1), inside that call (E2). They
//! only push here. The queue's fd is one of the loop's sources, so the loop wakes and
//! [`deliver`] runs on its thread, outside every guest call and every lock: user code may do
//! anything there, dropping the `Ctx` or running the loop again included. A nested run delivers
//! what comes next, so a callback that waits for an operation in a loop of its own is served.
//!
//! No wake-up is lost: an item is pushed before the fd is raised, the fd is cleared before items are taken,
//! and whoever leaves items behind raises it again.

use crate::ctx::Hosted;
use crate::events::Event;
use crate::lock;
use crate::operation::Pending;
use crate::signal::Signal;
use osevent_core::{ThreadId, current_thread};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

/// Items for one turn of the loop, so that a flood leaves the host's own sources served (O9).
const BUDGET: usize = 64;

pub(crate) enum Item {
    /// The operation's callback has run, with this result.
    Completed(Arc<Pending>, i32),
    Event(Event),
}

pub(crate) struct Queue {
    items: Mutex<VecDeque<Item>>,
    signal: Signal,
    /// The threads that are delivering, once for each nested delivery.
    delivering: Mutex<Vec<ThreadId>>,
}

impl Queue {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { items: Mutex::default(), signal: Signal::new()?, delivering: Mutex::default() })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.signal.fd()
    }

    /// In the order in which libxl's callbacks run.
    pub(crate) fn push(&self, item: Item) {
        let was_empty = {
            let mut items = lock(&self.items);
            items.push_back(item);
            items.len() == 1
        };
        // Otherwise somebody has raised it and has not seen the queue empty since.
        if was_empty {
            self.signal.raise();
        }
    }

    /// Whether this thread is in a delivery: in user code of ours.
    pub(crate) fn is_delivering(&self) -> bool {
        lock(&self.delivering).contains(&current_thread())
    }
}

/// Delivers a turn's worth.
pub(crate) fn deliver(hosted: &Hosted) {
    hosted.queue.signal.clear();
    let _delivery = Delivery::begin(&hosted.queue);
    for _ in 0..BUDGET {
        let Some(item) = lock(&hosted.queue.items).pop_front() else { return };
        hand_over(hosted, item);
    }
}

/// Delivers what is left when the ctx is closed: completions, since their futures are awaited.
pub(crate) fn deliver_rest(hosted: &Hosted) {
    let _delivery = Delivery::begin(&hosted.queue);
    loop {
        let Some(item) = lock(&hosted.queue.items).pop_front() else { return };
        hand_over(hosted, item);
    }
}

fn hand_over(hosted: &Hosted, item: Item) {
    match item {
        Item::Completed(pending, rc) => pending.finish(rc),
        // A ctx that is being closed tells nothing any more.
        Item::Event(event) if hosted.closing.check_open().is_ok() => hosted.events.deliver(event),
        Item::Event(_) => {}
    }
}

/// Also when user code panics, the rest of the queue is not forgotten.
struct Delivery<'a>(&'a Queue);

impl<'a> Delivery<'a> {
    fn begin(queue: &'a Queue) -> Self {
        lock(&queue.delivering).push(current_thread());
        Self(queue)
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        {
            let mut delivering = lock(&self.0.delivering);
            if let Some(at) = delivering.iter().rposition(|thread| *thread == current_thread()) {
                delivering.remove(at);
            }
        }
        if !lock(&self.0.items).is_empty() {
            self.0.signal.raise();
        }
    }
}
