//! What waits to be delivered to the application.
//!
//! It has no bound: libxl cannot be made to wait. It grows while the loop does not run.

pub(crate) mod order;

use crate::contain::wake;
use crate::event::Event;
use crate::lock;
use crate::pending;
use crate::signal::Signal;
use order::{Order, Readable};
use osevent_core::current_thread;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;

pub(crate) enum Item {
    /// The operation's callback has run, with this result.
    Completed(Arc<dyn pending::Completed>, i32),
    /// What has no callback of libxl's: another thread of this crate had the result, or somebody is to be woken.
    Over(Box<dyn FnOnce() + Send>),
    Event(Event),
    /// The ctx is closed.
    End,
}

pub(crate) struct Queue {
    pub(crate) order: Mutex<Order<Item, Signal>>,
    /// Notified when a delivery is over.
    pub(crate) free: Condvar,
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

    /// Has the application's waker woken by the loop's thread.
    pub(crate) fn wake(&self, waker: Waker) {
        self.push(Item::Over(Box::new(move || wake(waker))));
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
