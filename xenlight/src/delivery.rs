//! What libxl's callbacks leave for the application, and its way to the loop's thread.
//!
//! Libxl runs its callbacks on whichever thread called into it (E1), inside that call (E2). They
//! only push here. The queue's fd is a source on the host's loop, in a registry of its own, because libxl may be registered with
//! another loop ([`work`](crate::work)). So the host's loop wakes and [`deliver`] runs on its thread, outside every guest call and every lock: user code may do
//! anything there, dropping the `Ctx` or running the loop again included. A nested run delivers
//! what comes next, so a callback that waits for an operation in a loop of its own is served.
//!
//! # No wake-up is lost
//! The fd is readable exactly while the queue is not empty: both change together, under the queue's lock. So whoever runs the loop is
//! told of what is left, on this thread inside a callback or on another; nothing depends on the one who has taken an item
//! coming back for the next.
//!
//! The queue has no bound: libxl cannot be made to wait. It grows while the loop does not run.

use crate::ctx::Hosted;
use crate::events::Event;
use crate::inside;
use crate::lock;
use crate::operation::Pending;
use crate::signal::Signal;
use osevent_core::{Guest, GuestValue, Interest, Readiness, Registry, ThreadId, current_thread};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, Weak};

/// Items for one turn of the loop, so that a flood leaves the host's own sources served (O9).
const BUDGET: usize = 64;

pub(crate) enum Item {
    /// The operation's callback has run, with this result.
    Completed(Arc<Pending>, i32),
    /// What the ctx's own thread had the result of at once.
    Over(Box<dyn FnOnce() + Send>),
    Event(Event),
}

pub(crate) struct Queue {
    items: Mutex<VecDeque<Item>>,
    /// Readable while `items` is not empty; changed under its lock.
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
        let mut items = lock(&self.items);
        items.push_back(item);
        if items.len() == 1 {
            self.signal.raise();
        }
    }

    fn pop(&self) -> Option<Item> {
        let mut items = lock(&self.items);
        let item = items.pop_front()?;
        if items.is_empty() {
            self.signal.clear();
        }
        Some(item)
    }

    /// Whether this thread is in a delivery: in user code of ours.
    pub(crate) fn is_delivering(&self) -> bool {
        lock(&self.delivering).contains(&current_thread())
    }
}

/// Delivers a turn's worth.
fn deliver(hosted: &Hosted) {
    let _delivery = Delivery::begin(&hosted.queue);
    for _ in 0..BUDGET {
        let Some(item) = hosted.queue.pop() else { return };
        hand_over(hosted, item);
    }
}

/// Delivers what is left when the ctx is closed, on whichever thread closed it: completions, since their futures are awaited.
pub(crate) fn deliver_rest(hosted: &Hosted) {
    while let Some(item) = hosted.queue.pop() {
        hand_over(hosted, item);
    }
}

fn hand_over(hosted: &Hosted, item: Item) {
    match item {
        Item::Completed(pending, rc) => pending.finish(rc),
        Item::Over(finish) => finish(),
        // A ctx that is being closed tells nothing any more.
        Item::Event(event) if hosted.closing.check_open().is_ok() => hosted.events.deliver(event),
        Item::Event(_) => {}
    }
}

/// Has the loop's thread call it; calls it here, where nothing is delivered any more.
pub(crate) fn hand_in(registry: &Registry<Hosted>, finish: impl FnOnce() + Send + 'static) {
    let hosted = registry.guest();
    hosted.queue.push(Item::Over(Box::new(finish)));
    // Either this sees that the ctx is closed, or the closing one has yet to deliver the rest.
    if hosted.closing.is_closed() {
        deliver_rest(hosted);
    }
}

/// What stands on the host's loop: the source from which the application is called.
pub(crate) struct Courier(pub(crate) Weak<Registry<Hosted>>);

impl Guest for Courier {
    fn occurred_fd(&self, _: GuestValue, _: RawFd, _: Interest, _: Readiness) {}

    fn occurred_timeout(&self, _: GuestValue) {}

    fn release(&self) {}

    fn is_in_hook(&self) -> bool {
        inside::a_hook()
    }

    fn own_fd(&self, _: GuestValue, _: Readiness) {
        if let Some(registry) = self.0.upgrade() {
            deliver(registry.guest());
        }
    }
}

/// For as long as it lives, this thread counts as delivering.
pub(crate) struct Delivery<'a>(&'a Queue);

impl<'a> Delivery<'a> {
    pub(crate) fn begin(queue: &'a Queue) -> Self {
        lock(&queue.delivering).push(current_thread());
        Self(queue)
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        let mut delivering = lock(&self.0.delivering);
        if let Some(at) = delivering.iter().rposition(|thread| *thread == current_thread()) {
            delivering.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    fn is_readable(queue: &Queue) -> bool {
        let mut fd = libc::pollfd { fd: queue.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, for the length of the call.
        unsafe { libc::poll(&mut fd, 1, 0) == 1 }
    }

    #[test]
    fn r9_the_fd_is_readable_while_an_item_is_left_whoever_takes_them() {
        let queue = Queue::new().expect("an eventfd");
        let event = || Item::Event(Event { domid: 5, watch: None, kind: EventKind::Death });
        assert!(!is_readable(&queue));
        queue.push(event());
        queue.push(event());
        assert!(queue.pop().is_some());
        assert!(is_readable(&queue), "a nested loop would sleep with an item in the queue");
        assert!(queue.pop().is_some());
        assert!(!is_readable(&queue), "the loop would spin");
        assert!(queue.pop().is_none());
        queue.push(event());
        assert!(is_readable(&queue));
    }
}
