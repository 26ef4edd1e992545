//! No lock of the core is held while memory is allocated or freed.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{ClientValue, Interest, Registry};
use scripted::{ScriptedClient, World, handshake, on_another_thread};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The system's allocator, which takes a census first where that is wanted: for a census both
/// locks of the core are needed, so the test hangs, and fails when its time is up, if this thread has one.
struct Probing;

#[global_allocator]
static ALLOCATOR: Probing = Probing;
static REGISTRY: OnceLock<Arc<Registry<ScriptedClient>>> = OnceLock::new();
static PROBES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

fn probe() {
    if WANTED.replace(false) {
        REGISTRY.get().expect("set before it is wanted").census();
        PROBES.fetch_add(1, Ordering::Relaxed);
        WANTED.set(true);
    }
}

// SAFETY: each call goes to the system's allocator as it came; the probe before it neither allocates
// nor unwinds.
unsafe impl GlobalAlloc for Probing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        probe();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        probe();
        // SAFETY: the caller's promise, passed on: what it gives back came from `alloc` above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[test]
fn no_lock_is_held_while_memory_is_allocated_r15() {
    const THREADS: usize = 30;
    let world = World::concurrent();
    let registry = REGISTRY.get_or_init(|| world.registry.clone());

    // The gate grows: more threads are inside than it has room for.
    let (inside, wait_inside) = handshake();
    let inside = Arc::new(inside);
    let (leave, threads): (Vec<_>, Vec<_>) = (0..THREADS)
        .map(|_| {
            let inside = inside.clone();
            let (leave, wait_leave) = handshake();
            let thread = std::thread::spawn(move || {
                WANTED.set(true);
                let call = registry.enter();
                WANTED.set(false);
                inside.send();
                wait_leave.wait();
                drop(call);
            });
            (leave, thread)
        })
        .unzip();
    (0..THREADS).for_each(|_| wait_inside.wait());
    assert_eq!(registry.census().in_flight, THREADS);
    let of_the_gate = PROBES.load(Ordering::Relaxed);
    assert!(of_the_gate > 0, "the gate did not grow");
    leave.iter().for_each(|leave| leave.send());
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    // The table grows, shrinks and is swept.
    on_another_thread(move || {
        WANTED.set(true);
        for round in 0..5 {
            let tokens: Vec<_> = (0..200)
                .map(|fd| registry.register_fd(fd, Interest::IN, ClientValue(round)).expect("the loop accepts it"))
                .collect();
            for (fd, token) in (0..200).zip(tokens).skip(50) {
                registry.deregister_fd(token.to_handle(), fd).expect("it stands");
            }
        }
        assert_eq!(registry.census().registered, 250);
        registry.close();
        WANTED.set(false);
    });
    assert!(PROBES.load(Ordering::Relaxed) > of_the_gate + 1_000);
    world.assert_empty();
}
