//! `libxl__osevent_hook_nexus`: what stands for an ev struct at the boundary from 4.2.2 on.

#[cfg(doc)]
use crate::contract::*;
use parking_lot::Mutex;
use std::sync::Arc;

/// `for_app_reg`: where the host's word is kept. The hooks get its address, which is the same for as long as it lives ([R13]).
pub(super) type Slot = Arc<Mutex<u64>>;

/// Memory that was something else before, or that libxl has freed ([R2], [O3]).
pub(super) fn garbage() -> Slot {
    Arc::new(Mutex::new(0x5a5a_5a5a_5a5a_5a5a))
}

/// The nexuses for one kind of ev struct, and their free list.
pub(super) struct Pool<E> {
    base: u64,
    all: Vec<Nexus<E>>,
    /// `hook_*_nexi_idle`: who came last leaves first.
    idle: Vec<usize>,
}

struct Nexus<E> {
    ev: Option<E>,
    for_app: Slot,
    /// On the free list. Such a nexus is libxl's alone.
    idle: bool,
    /// All that it ever stood for.
    users: Vec<E>,
}

impl<E: Copy + PartialEq> Pool<E> {
    pub(super) fn new(base: u64) -> Self {
        Self { base, all: Vec::new(), idle: Vec::new() }
    }

    /// `osevent_hook_pre_alloc`. A new one is all zero; a recycled one has its last host's word in it ([R2]).
    pub(super) fn alloc(&mut self, ev: E) -> usize {
        let at = self.idle.pop().unwrap_or_else(|| {
            self.all.push(Nexus { ev: None, for_app: Slot::default(), idle: false, users: Vec::new() });
            self.all.len() - 1
        });
        let nexus = &mut self.all[at];
        (nexus.ev, nexus.idle) = (Some(ev), false);
        if !nexus.users.contains(&ev) {
            nexus.users.push(ev);
        }
        at
    }

    /// `osevent_release_nexus`. Of one that is on the free list already it would make a circle.
    pub(super) fn release(&mut self, at: usize) {
        assert!(!self.all[at].idle, "whoever gets here has looked");
        (self.all[at].ev, self.all[at].idle) = (None, true);
        self.idle.push(at);
    }

    /// `nexus->ev = 0`.
    pub(super) fn forget(&mut self, at: usize) {
        self.all[at].ev = None;
    }

    /// `osevent_ev_from_hook_nexus`.
    pub(super) fn ev(&self, at: usize) -> Option<E> {
        self.all[at].ev
    }

    pub(super) fn users(&self, at: usize) -> &[E] {
        &self.all[at].users
    }

    pub(super) fn is_idle(&self, at: usize) -> bool {
        self.all[at].idle
    }

    pub(super) fn for_app(&self, at: usize) -> Slot {
        self.all[at].for_app.clone()
    }

    /// `for_libxl`.
    pub(super) fn value(&self, at: usize) -> u64 {
        self.base + 32 * at as u64
    }

    pub(super) fn find(&self, value: u64) -> Option<usize> {
        place(value, self.base, 32, self.all.len())
    }

    /// Those that stand for nothing any more, but wait for the host to give them back ([O5]).
    pub(super) fn owed(&self) -> usize {
        self.all.iter().filter(|nexus| nexus.ev.is_none() && !nexus.idle).count()
    }
}

/// Which of `count` things of this size, the first one at `base`, has this address.
pub(super) fn place(address: u64, base: u64, size: u64, count: usize) -> Option<usize> {
    let offset = address.checked_sub(base)?;
    let at = usize::try_from(offset / size).ok()?;
    (offset % size == 0 && at < count).then_some(at)
}
