//! No lock of the core is held while memory is allocated or freed.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{ClientValue, Interest, Registry};
use scripted::{ScriptedClient, World, handshake, on_another_thread};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which first asks the registry that is wanted for what all locks of the core are needed
/// for, so the test hangs, and fails when its time is up, if this thread has one.
struct Probing;

#[global_allocator]
static ALLOCATOR: Probing = Probing;
static PROBES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static WANTED: Cell<Option<&'static Registry<ScriptedClient>>> = const { Cell::new(None) };
}

fn probe() {
    if let Some(registry) = WANTED.take() {
        registry.census();
        // Looks for the address; nothing is there.
        registry.hooks().timeout_deregister(1);
        PROBES.fetch_add(1, Ordering::Relaxed);
        WANTED.set(Some(registry));
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
    let registry: &'static Registry<_> = &**Box::leak(Box::new(world.registry.clone()));

    // The gate grows: more threads are inside than it has room for.
    let (inside, wait_inside) = handshake();
    let inside = Arc::new(inside);
    let (leave, threads): (Vec<_>, Vec<_>) = (0..THREADS)
        .map(|_| {
            let inside = inside.clone();
            let (leave, wait_leave) = handshake();
            let thread = std::thread::spawn(move || {
                WANTED.set(Some(registry));
                let call = registry.enter();
                WANTED.set(None);
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
        WANTED.set(Some(registry));
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
        WANTED.set(None);
    });
    assert!(PROBES.load(Ordering::Relaxed) > of_the_gate + 1_000);
    world.assert_empty();
}

#[test]
fn no_lock_is_held_while_the_places_of_handles_grow_r13_r15() {
    let world = World::serialized();
    let registry: &'static Registry<_> = &**Box::leak(Box::new(world.registry.clone()));
    on_another_thread(move || {
        let call = registry.enter().expect("it is open");
        let before = PROBES.load(Ordering::Relaxed);
        WANTED.set(Some(registry));
        for place in 0..200 {
            registry.hooks().timeout_register(16 * place, 1, 0, ClientValue(1)).expect("the loop accepts it");
        }
        WANTED.set(None);
        assert!(PROBES.load(Ordering::Relaxed) > before + 200);
        drop(call);
        registry.close();
    });
    world.assert_empty();
}
