//! Nothing is allocated for an event. A test program of its own, because it counts what the allocator is asked for.

use osevent_core::{ClientValue, Deadline, Interest};
use osevent_epoll::Reactor;
use osevent_test_kit::Counting;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::io::{Write, pipe};
use std::os::fd::AsRawFd;

struct CountingAllocator;

thread_local! {
    /// This thread's, so that those of the test harness are not counted.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the system's allocator as it came; counting neither allocates nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps to GlobalAlloc's rules, which are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_dispatch_allocates_nothing() {
    let reactor = Reactor::new().unwrap();
    let registry = Counting::on(reactor.clone());
    let null = File::options().write(true).open("/dev/null").unwrap();
    let pipes: Vec<_> = (0..40).map(|_| pipe().unwrap()).collect();
    for (reader, writer) in &pipes {
        let mut writer = writer;
        writer.write_all(b"x").unwrap();
        // Twice, so that the entry's members are gone through.
        registry.register_fd(reader.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
        registry.register_fd(reader.as_raw_fd(), Interest::IN, ClientValue(2)).unwrap();
    }
    registry.register_fd(null.as_raw_fd(), Interest::OUT, ClientValue(3)).unwrap();
    for _ in 0..100 {
        registry.register_timeout(Deadline::ASAP, ClientValue(4)).unwrap();
    }
    // The gate learns of this thread.
    drop(registry.enter());

    let before = ALLOCATIONS.get();
    for _ in 0..1_000 {
        reactor.dispatch().unwrap();
    }
    let allocated = ALLOCATIONS.get() - before;
    let occurred = registry.client().occurrences.get();
    assert!(occurred > 30_000, "only {occurred} occurrences");
    assert_eq!(allocated, 0, "in {occurred} occurrences");

    drop(Box::new(1_u8));
    assert!(ALLOCATIONS.get() > before, "allocations are counted, or this test shows nothing");
}
