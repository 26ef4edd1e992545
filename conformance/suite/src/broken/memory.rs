//! Where the naive host keeps its registrations, as `malloc` would: what was freed last is used next.
//!
//! A handle says which slot, and which of the slot's registrations. A host that takes its handles for pointers looks at
//! the slot alone: a handle that is stale then names whatever was registered there next, or what is left of the old.
//! That is how the faults of such a host show, without undefined behaviour in this process.

use super::naive::HostedClient;
use std::os::fd::RawFd;
use std::sync::Weak;

/// What the host knows of a registration.
#[derive(Clone)]
pub(super) struct Registration {
    pub(super) hosted: Weak<HostedClient>,
    pub(super) value: u64,
    /// What the client asked for.
    pub(super) asked: Asked,
    /// What the loop works with. `None`: it has not seen the registration yet.
    pub(super) seen: Option<Asked>,
    /// Registrations are numbered as they come.
    pub(super) order: u64,
    /// The fd that the loop polls.
    pub(super) watched: RawFd,
    /// Only a loop that works by edges asks: it was ready the last time.
    pub(super) was_ready: bool,
    /// Only for the faults that keep it: what the kernel watches for besides what is asked.
    pub(super) kept: i16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Fd {
        fd: RawFd,
        events: i16,
    },
    /// `due` is on the monotonic clock, `wall` on gettimeofday's; both in nanoseconds. `address` is that of the handle.
    Timeout {
        due: i64,
        wall: i64,
        address: u64,
    },
}

/// How a handle is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As the name of one registration.
    Name,
    /// As the address of some memory.
    Address,
}

#[derive(Default)]
pub(super) struct Memory {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

struct Slot {
    generation: u32,
    live: bool,
    content: Registration,
}

impl Memory {
    pub(super) fn allocate(&mut self, content: Registration) -> u64 {
        let at = match self.free.pop() {
            Some(at) => {
                let slot = &mut self.slots[at];
                *slot = Slot { generation: slot.generation.wrapping_add(1), live: true, content };
                at
            }
            None => {
                self.slots.push(Slot { generation: 0, live: true, content });
                self.slots.len() - 1
            }
        };
        self.handle(at)
    }

    /// Read as an address, it also finds what has been freed.
    pub(super) fn find(&mut self, handle: u64, reading: Reading) -> Option<&mut Registration> {
        let at = self.slot(handle, reading)?;
        Some(&mut self.slots[at].content)
    }

    /// Frees it; what was there. Nothing happens to what is free already.
    pub(super) fn release(&mut self, handle: u64, reading: Reading) -> Option<Registration> {
        let at = self.slot(handle, reading)?;
        let slot = &mut self.slots[at];
        if !std::mem::replace(&mut slot.live, false) {
            return None;
        }
        self.free.push(at);
        Some(slot.content.clone())
    }

    /// All that are registered, in no particular order.
    pub(super) fn live(&mut self) -> impl Iterator<Item = (u64, &mut Registration)> {
        let live = self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.live);
        live.map(|(at, slot)| (handle(at, slot.generation), &mut slot.content))
    }

    fn slot(&self, handle: u64, reading: Reading) -> Option<usize> {
        let at = usize::try_from(handle & 0xffff_ffff).ok()?.checked_sub(1)?;
        let slot = self.slots.get(at)?;
        let named = slot.live && u64::from(slot.generation) == handle >> 32;
        (named || reading == Reading::Address).then_some(at)
    }

    fn handle(&self, at: usize) -> u64 {
        handle(at, self.slots[at].generation)
    }
}

/// Never 0, so that it looks like a pointer.
fn handle(at: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | (at as u64 + 1)
}
