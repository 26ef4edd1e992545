use osevent_core::OuterLock;
use std::sync::{Condvar, Mutex, PoisonError};

/// The outer lock for libxl 4.2 (O2), held for as long as libxl works.
#[derive(Default)]
pub(crate) struct Exclusion {
    held: Mutex<bool>,
    freed: Condvar,
}

impl OuterLock for Exclusion {
    fn lock(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.freed.wait_while(held, |held| *held).unwrap_or_else(PoisonError::into_inner);
        *held = true;
    }

    fn unlock(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.freed.notify_one();
    }
}
