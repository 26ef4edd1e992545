//! Locks that loom's can take the place of, around state machines whose interleavings are gone through in tests.

use crate::lock;
use std::sync::Mutex;

/// A value behind a lock. Each look is one step; other threads' steps can come between two.
pub(crate) trait Guarded<T> {
    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R;
}

impl<T> Guarded<T> for Mutex<T> {
    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut lock(self))
    }
}

#[cfg(test)]
impl<T> Guarded<T> for loom::sync::Mutex<T> {
    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.lock().expect("no holder panics"))
    }
}
