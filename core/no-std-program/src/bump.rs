//! An allocator over a static array, which gives out and takes nothing back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 64 * 1024;

pub(crate) struct Bump {
    arena: UnsafeCell<[u8; SIZE]>,
    /// How much of the arena is given out. Only its value matters: a piece of memory is published
    /// by whoever got it.
    used: AtomicUsize,
}

impl Bump {
    pub(crate) const fn new() -> Self {
        Self { arena: UnsafeCell::new([0; SIZE]), used: AtomicUsize::new(0) }
    }
}

// SAFETY: the arena is never accessed through `Bump`; `used` gives each byte to one caller, once.
unsafe impl Sync for Bump {}

// SAFETY: each allocation is a range of the arena that no other one overlaps, because `used` only
// grows, by one modification per allocation; it is aligned as asked, and never taken back.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.arena.get() as usize;
        let end_of = |used: usize| {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            start.checked_add(layout.size()).filter(|end| *end <= SIZE)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end_of) {
            // SAFETY: `end_of` has checked that the range ends within the arena, so its start is, too.
            Ok(used) => unsafe {
                self.arena.get().cast::<u8>().add((base + used).next_multiple_of(layout.align()) - base)
            },
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
