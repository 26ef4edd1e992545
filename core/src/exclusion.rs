use crate::OuterLock;
use std::sync::{Condvar, Mutex, PoisonError};

/// An [`OuterLock`] for programs with std. Waiting threads sleep. It is not fair.
#[derive(Debug, Default)]
pub struct Exclusion {
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
