//! libxl's pool of nexuses: what was freed last is used first, with what it held ([R2], [R10]).

use super::Registration;
#[cfg(doc)]
use crate::contract::*;
use std::cell::UnsafeCell;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Pool {
    nexuses: Vec<Nexus>,
    free: Vec<usize>,
}

struct Nexus {
    slot: Arc<Slot>,
    owner: Option<Registration>,
}

/// The nexuses' addresses begin here, and have their size in libxl between them ([X8]).
const BASE: u64 = 0x5500_0000;
const SIZE: u64 = 24;

impl Pool {
    pub(super) fn take(&mut self, owner: Registration) -> (usize, Arc<Slot>, u64) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.nexuses.push(Nexus { slot: Arc::new(Slot(UnsafeCell::new(0xdead_beef))), owner: None });
            self.nexuses.len() - 1
        });
        self.nexuses[at].owner = Some(owner);
        (at, self.slot(at), BASE + SIZE * at as u64)
    }

    pub(super) fn give_back(&mut self, at: usize) {
        self.nexuses[at].owner = None;
        self.free.push(at);
    }

    pub(super) fn slot(&self, at: usize) -> Arc<Slot> {
        self.nexuses[at].slot.clone()
    }

    pub(super) fn has(&self, value: u64) -> bool {
        self.at(value).is_some()
    }

    pub(super) fn owner(&self, value: u64) -> Option<Registration> {
        self.nexuses[self.at(value)?].owner
    }

    fn at(&self, value: u64) -> Option<usize> {
        let offset = value.checked_sub(BASE)?;
        let at = (offset / SIZE) as usize;
        (offset % SIZE == 0 && at < self.nexuses.len()).then_some(at)
    }
}

/// Where a nexus keeps the host's handle: garbage until a hook has written it.
pub(super) struct Slot(UnsafeCell<u64>);

// SAFETY: the handle is used under the ctx lock alone, as `handle` demands.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// For a hook's call.
    ///
    /// # Safety
    /// The calling thread holds the ctx lock as long as it uses this, and has no other reference to this handle.
    #[expect(clippy::mut_from_ref, reason = "the ctx lock makes it exclusive")]
    pub(super) unsafe fn handle(&self) -> &mut u64 {
        // SAFETY: exclusive by the caller's promise; the cell lives as long as `self`.
        unsafe { &mut *self.0.get() }
    }

    /// Where it is, as a number.
    pub(super) fn address(&self) -> u64 {
        self.0.get().addr() as u64
    }
}
