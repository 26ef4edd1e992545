//! Memory for libxl's structs. One buffer is kept and used again: it is large, and malloc(3) cuts a freed one into small pieces, so that
//! the heap would grow with nearly each struct.

use core::ffi::c_void;
use std::sync::{Mutex, TryLockError};
use xenlight_sys::domain::Opaque;

/// What is kept, if it is not in use.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Option<Opaque<c_void>>>);

impl Spare {
    /// That one or a new one. It has what the last struct left in it.
    pub(crate) fn take(&self) -> Opaque<c_void> {
        self.with(Option::take).flatten().unwrap_or_else(Opaque::zeroed)
    }

    pub(crate) fn put_back(&self, buffer: Opaque<c_void>) {
        self.with(|kept| {
            kept.get_or_insert(buffer);
        });
    }

    /// `None` if somebody else is at it. Nobody waits: in a forked child, it could be for a thread that is not there.
    fn with<T>(&self, act: impl FnOnce(&mut Option<Opaque<c_void>>) -> T) -> Option<T> {
        match self.0.try_lock() {
            Ok(mut kept) => Some(act(&mut kept)),
            Err(TryLockError::Poisoned(poisoned)) => Some(act(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_put_back_is_used_again_and_one_is_kept() {
        let spare = Spare::default();
        let [one, other] = [spare.take(), spare.take()];
        let address = one.as_ptr();
        assert_ne!(address, other.as_ptr());
        spare.put_back(one);
        spare.put_back(other);
        let again = spare.take();
        assert_eq!(again.as_ptr(), address);
        assert!(spare.0.lock().unwrap().is_none());
    }

    #[test]
    fn nobody_waits_for_a_buffer() {
        let spare = Spare::default();
        let held = spare.0.lock().unwrap();
        // By a thread that a forked child does not have.
        spare.put_back(spare.take());
        drop(held);
        assert!(spare.0.lock().unwrap().is_none());
    }
}
