use osevent_core::EventLoop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number that closures count up, on any thread. Clones are of the same number.
// Relaxed throughout: the number alone matters, and who reads another thread's has waited for that thread.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    /// How often `event_loop` has said that it is gone.
    pub fn of_gone(event_loop: &dyn EventLoop) -> Self {
        let count = Self::default();
        let counted = count.clone();
        event_loop.on_gone(Box::new(move || counted.add()));
        count
    }

    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The number, which is 0 afterwards.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}
