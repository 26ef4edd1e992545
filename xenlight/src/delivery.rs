//! What libxl's callbacks leave for the application, and its way to the loop's thread.
//!
//! Libxl runs its callbacks on whichever thread called into it (E1), inside that call (E2). They
//! only push here. The queue's fd is a source on the host's loop, in a registry of its own, because libxl may be registered with
//! another loop ([`work`](crate::work)). So the host's loop wakes and [`deliver`] runs on its thread, outside every client call and every lock: user code may do
//! anything there, dropping the `Ctx` or running the loop again included. A nested run delivers
//! what comes next, so a callback that waits for an operation in a loop of its own is served.
//!
//! The queue has no bound: libxl cannot be made to wait. It grows while the loop does not run.

mod order;

use crate::close;
use crate::ctx::{self, Hosted};
use crate::events::Event;
use crate::lock;
use crate::operation::Pending;
use crate::signal::Signal;
use order::{Order, Readable};
use osevent_core::{Client, ClientValue, Interest, Owner, Readiness, Registry, current_thread};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Duration;

/// Items for one turn of the loop, so that a flood leaves the host's own sources served (O9).
const BUDGET: usize = 64;

/// How long a thread that runs the loop leaves the processor to the one that delivers.
const YIELD: Duration = Duration::from_millis(10);

pub(crate) enum Item {
    /// The operation's callback has run, with this result.
    Completed(Arc<Pending>, i32),
    /// What the ctx's own thread had the result of at once.
    Over(Box<dyn FnOnce() + Send>),
    Event(Event),
    /// The ctx is closed.
    End,
}

pub(crate) struct Queue {
    order: Mutex<Order<Item, Signal>>,
    /// Notified when a delivery is over.
    free: Condvar,
    fd: RawFd,
}

impl Queue {
    pub(crate) fn new() -> io::Result<Self> {
        let signal = Signal::new()?;
        let fd = signal.fd();
        Ok(Self { order: Mutex::new(Order::new(signal)), free: Condvar::new(), fd })
    }

    /// Readable while there are items.
    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// In the order in which libxl's callbacks run.
    pub(crate) fn push(&self, item: Item) {
        lock(&self.order).push(item);
    }

    /// Whether this thread is in a delivery: in user code of ours.
    pub(crate) fn is_delivering(&self) -> bool {
        lock(&self.order).is_deliverer(current_thread())
    }
}

impl Readable for Signal {
    fn raise(&self) {
        Self::raise(self);
    }

    fn clear(&self) {
        Self::clear(self);
    }
}

/// Delivers so many; false if another thread is at it.
fn deliver(hosted: &Hosted, budget: usize) -> bool {
    let delivered = order::deliver(&hosted.queue.order, current_thread(), budget, &|item| hand_over(hosted, item));
    if delivered {
        hosted.queue.free.notify_all();
    }
    delivered
}

/// The queue's fd is readable.
fn own_fd(hosted: &Hosted) {
    if deliver(hosted, BUDGET) {
        return;
    }
    // This thread runs the loop, too, and would come here over and over. Not until the other one is done: its
    // callback may be waiting for what this loop is to do.
    let order = lock(&hosted.queue.order);
    drop(hosted.queue.free.wait_timeout_while(order, YIELD, |order| order.is_being_delivered()));
}

/// The loop calls no more. Delivers what is left, with the end as the last, or leaves that to the thread that delivers already.
pub(crate) fn end(hosted: &Hosted) {
    lock(&hosted.queue.order).push_last(Item::End);
    deliver(hosted, usize::MAX);
}

fn hand_over(hosted: &Hosted, item: Item) {
    match item {
        Item::Completed(pending, rc) => pending.finish(rc),
        Item::Over(finish) => finish(),
        // A ctx that is being closed tells nothing any more.
        Item::Event(event) if hosted.closing.check_open().is_ok() => hosted.events.deliver(event),
        Item::Event(_) => {}
        Item::End => close::end(hosted),
    }
}

/// Has the loop's thread call it; where the loop calls no more, this thread or the one that delivers.
pub(crate) fn hand_in(registry: &Registry<Hosted>, finish: impl FnOnce() + Send + 'static) {
    let hosted = registry.client();
    let unattended = lock(&hosted.queue.order).hand_in(Item::Over(Box::new(finish)));
    if unattended {
        deliver(hosted, usize::MAX);
    }
}

/// What stands on the host's loop: the source from which the application is called.
pub(crate) struct DeliverySource(pub(crate) Weak<Registry<Hosted>>);

impl Client for DeliverySource {
    fn occurred_fd(&self, _: ClientValue, _: RawFd, _: Interest, _: Readiness) {}

    fn occurred_timeout(&self, _: ClientValue) {}

    fn release(&self) {}
}

impl Owner for DeliverySource {
    fn own_fd(&self, value: ClientValue, _: Readiness) {
        let Some(registry) = self.0.upgrade() else { return };
        let hosted = registry.client();
        match value {
            ctx::LINK => hosted.link.ready(hosted.delivery_source(), &hosted.queue),
            _ => own_fd(hosted),
        }
    }
}
