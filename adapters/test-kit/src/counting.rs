use crate::Count;
use osevent_core::{Client, ClientValue, EventLoop, Interest, LockRule, Owner, Readiness, Registry, current_thread};
use std::sync::Arc;

/// A client that counts its occurrences and does nothing else; it allocates nothing.
#[derive(Debug, Default)]
pub struct Counting {
    /// How many there were.
    pub occurrences: Count,
}

impl Counting {
    /// One on `event_loop`.
    pub fn on(event_loop: Arc<dyn EventLoop>) -> Arc<Registry<Self>> {
        Registry::new(event_loop, LockRule::Concurrent, current_thread, |_| Self::default())
    }
}

impl Client for Counting {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {
        self.occurrences.add();
    }
    fn occurred_timeout(&self, _: ClientValue) {
        self.occurrences.add();
    }
    fn release(&self) {}
}

impl Owner for Counting {}
