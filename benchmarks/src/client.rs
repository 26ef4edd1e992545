//! A client in libxl's place, which costs nothing but what a measurement makes of its occurrences.

use osevent_core::{ClientValue, EventLoop, Interest, LockRule, Readiness, Registry, current_thread};
use std::sync::Arc;

/// Does with the value of each fd's occurrence what it was made with.
pub(crate) struct Client(Box<dyn Fn(u64) + Send + Sync>);

impl Client {
    pub(crate) fn on(
        event_loop: Arc<dyn EventLoop>,
        occurred: impl Fn(u64) + Send + Sync + 'static,
    ) -> Arc<Registry<Self>> {
        Registry::new(event_loop, LockRule::Concurrent, current_thread, |_| Self(Box::new(occurred)))
    }
}

impl osevent_core::Client for Client {
    fn occurred_fd(&self, value: ClientValue, _: i32, _: Interest, _: Readiness) {
        (self.0)(value.0);
    }
    fn occurred_timeout(&self, _: ClientValue) {}
    fn release(&self) {}
}

impl osevent_core::Owner for Client {}
