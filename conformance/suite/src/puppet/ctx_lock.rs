//! The lock of a ctx: a recursive mutex, held in each hook and taken in each occurrence ([R1], [R15]).

#[cfg(doc)]
use crate::contract::*;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

#[derive(Default)]
pub(super) struct CtxLock {
    /// Who holds it, and how often.
    held: Mutex<Option<(ThreadId, u32)>>,
    freed: Condvar,
}

/// The lock, held by the thread that has this.
pub struct CtxGuard<'a>(&'a CtxLock, std::marker::PhantomData<*const ()>);

impl CtxLock {
    pub(super) fn lock(&self) -> CtxGuard<'_> {
        let me = std::thread::current().id();
        let mut held = self.held();
        loop {
            match &mut *held {
                None => *held = Some((me, 1)),
                Some((holder, depth)) if *holder == me => *depth += 1,
                Some(_) => {
                    held = self.freed.wait(held).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            }
            return CtxGuard(self, std::marker::PhantomData);
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<(ThreadId, u32)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CtxGuard<'_> {
    fn drop(&mut self) {
        let mut held = self.0.held();
        let (_, depth) = held.as_mut().expect("whoever has the guard holds the lock");
        *depth -= 1;
        if *depth == 0 {
            *held = None;
            self.0.freed.notify_one();
        }
    }
}
