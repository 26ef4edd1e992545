//! The gate: who may call the client, and when it is freed.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{
    Client, ClientValue, Closed, Deadline, Interest, LockRule, Owner, Readiness, RegistrationError, Registry, ThreadId,
};
use scripted::{Call, ScriptedLoop, World, handshake, hook, on_another_thread};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn an_idle_client_is_released_by_the_close_itself_x4() {
    for world in World::both() {
        world.registry.close();
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
        world.assert_empty();
    }
}

#[test]
fn closing_twice_releases_once_x4() {
    for world in World::both() {
        world.registry.close();
        world.registry.close();
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
    }
}

#[test]
fn closing_again_from_release_and_closed_does_nothing_x5() {
    for world in World::both() {
        world.client().at_each_call(|registry, _| registry.close());
        world.registry.close();
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
    }
}

#[test]
fn no_call_begins_after_the_close_x4() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 1);
        let source = world.event_loop.fd_source(token);
        world.registry.close();
        assert_eq!(world.registry.enter().err(), Some(Closed));
        assert!(!source.ready(Readiness::IN));
        assert_eq!(world.client().fds(), []);
    }
}

#[test]
fn a_close_while_another_thread_is_inside_waits_for_nobody_and_is_finished_there_x4() {
    for world in World::both() {
        let (inside, wait_inside) = handshake();
        let (closed, wait_closed) = handshake();
        let registry = world.registry.clone();
        let caller = std::thread::spawn(move || {
            let call = registry.enter().unwrap();
            inside.send();
            wait_closed.wait();
            assert_eq!(registry.client().calls(), [], "released with a call in progress");
            drop(call);
            assert_eq!(registry.client().calls(), [Call::Release, Call::Closed]);
        });
        wait_inside.wait();
        world.registry.close();
        closed.send();
        caller.join().unwrap();
    }
}

#[test]
fn a_close_from_inside_is_postponed_to_the_outermost_return_x5() {
    for world in World::both() {
        let outer = world.registry.enter().unwrap();
        let inner = world.registry.enter().unwrap();
        world.registry.close();
        drop(inner);
        assert_eq!(world.client().calls(), []);
        drop(outer);
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
    }
}

#[test]
fn a_close_from_inside_an_occurrence_frees_the_client_after_it_within_the_dispatch_x5() {
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.event_loop.show(3, Readiness::IN);
        world.client().at_each_call(|registry, call| {
            if let Call::Fd { .. } = call {
                registry.close();
                assert_eq!(registry.client().calls(), [call], "freed under the client's feet");
            }
        });
        assert_eq!(world.event_loop.dispatch(), 1);
        assert_eq!(world.client().calls()[1..], [Call::Release, Call::Closed]);
        world.assert_empty();
    }
}

#[test]
fn a_nested_call_is_refused_once_closed_and_the_outer_one_goes_on_x4() {
    for world in World::both() {
        let outer = world.registry.enter().unwrap();
        world.registry.close();
        assert_eq!(world.registry.enter().err(), Some(Closed));
        assert!(world.registry.is_inside());
        drop(outer);
        assert_eq!(world.client().count(Call::Release), 1);
    }
}

#[test]
fn hooks_are_answered_during_the_release_x2() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 1);
        world.client().at_each_call(move |registry, call| {
            if call == Call::Release {
                hook(|| registry.deregister_fd(token.to_handle(), 3)).expect("answered");
            }
        });
        world.registry.close();
        world.assert_empty();
        assert_eq!(world.client().count(Call::Closed), 1);
    }
}

#[test]
fn a_call_begun_during_the_release_is_refused_and_leaves_the_outer_lock_held_o2() {
    let world = World::serialized();
    let outer = world.outer.clone();
    world.client().at_each_call(move |registry, call| {
        if call == Call::Release {
            assert_eq!(registry.enter().err(), Some(Closed));
            assert!(outer.is_held_here(), "the refused call gave back the release's lock");
        }
    });
    world.registry.close();
    assert_eq!(world.client().count(Call::Closed), 1);
    assert!(world.outer.is_free());
}

#[test]
fn what_the_release_leaves_behind_is_swept_in_silence_x6() {
    for world in World::both() {
        let cancelled = world.timeout(500, 1);
        world.call(|registry| registry.modify_timeout(cancelled.to_handle(), Deadline::ASAP)).unwrap();
        world.fd(3, Interest::NONE, 2);
        let outer = world.outer.clone();
        let registry = world.registry.clone();
        world.event_loop.at_each_call(move |_, call| {
            assert!(outer.is_free() && !registry.is_inside(), "{call:?} is part of the release");
        });
        let event_loop = world.event_loop.clone();
        world.client().at_each_call(move |registry, call| {
            if call == Call::Closed {
                assert_eq!((registry.census().registered, event_loop.len()), (0, 0), "closed before it is swept");
            }
        });
        world.registry.close();
        world.assert_empty();
        assert_eq!(world.event_loop.advance_to(1_000), 0);
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
    }
}

#[test]
fn a_timer_that_the_loop_took_before_the_close_does_not_occur_after_it_x6() {
    for world in World::both() {
        let token = world.timeout(500, 1);
        let taken = world.event_loop.take_timer(token);
        world.registry.close();
        assert!(!taken.expire());
        world.assert_empty();
    }
}

#[test]
fn hooks_after_the_release_are_typed_errors_and_change_nothing_x4() {
    let world = World::concurrent();
    let fd = world.fd(3, Interest::IN, 1);
    let timeout = world.timeout(500, 2);
    world.registry.close();
    let registry = &world.registry;
    let closed = Err(RegistrationError::Closed);
    assert_eq!(hook(|| registry.register_fd(4, Interest::IN, ClientValue(3))), closed);
    assert_eq!(hook(|| registry.register_timeout(Deadline::ASAP, ClientValue(3))), closed);
    let ended = Err(RegistrationError::Ended(fd));
    assert_eq!(hook(|| registry.modify_fd(fd.to_handle(), 3, Interest::OUT)), ended);
    assert_eq!(hook(|| registry.deregister_fd(fd.to_handle(), 3)), ended);
    assert_eq!(hook(|| registry.modify_timeout(timeout.to_handle(), Deadline::ASAP)), Ok(()));
    world.assert_empty();
}

#[test]
fn a_level_loop_does_not_spin_on_a_client_that_is_closing_o9() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    world.event_loop.show(3, Readiness::IN);
    let call = world.registry.enter().unwrap();
    let (registry, event_loop) = (world.registry.clone(), world.event_loop.clone());
    on_another_thread(move || {
        registry.close();
        assert_eq!(event_loop.dispatch(), 0);
    });
    assert_eq!(world.event_loop.interest(token), Some(Interest::NONE), "nothing is left that shows ready");
    // The registration itself stands: the client deregisters it while it is released (X2).
    assert_eq!(world.census().registered, 1);
    drop(call);
    world.assert_empty();
}

#[test]
fn an_unwinding_occurrence_leaves_the_gate_and_the_outer_lock() {
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.timeout(10, 2);
        world.event_loop.show(3, Readiness::IN);
        world.client().at_each_call(|_, call| {
            if matches!(call, Call::Fd { .. } | Call::Timeout(_)) {
                panic!("a client written in Rust unwinds (expected here)");
            }
        });
        assert!(catch_unwind(AssertUnwindSafe(|| world.event_loop.dispatch())).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| world.event_loop.advance_to(10))).is_err());
        assert_eq!(world.census().in_flight, 0);
        assert!(world.outer.is_free());
        assert_eq!(world.event_loop.advance_to(20), 0, "a timeout occurs once, even when that unwound (O5)");
        world.registry.close();
        assert_eq!(world.client().calls()[2..], [Call::Release, Call::Closed]);
        world.assert_empty();
    }
}

#[test]
fn an_unwinding_occurrence_finishes_a_postponed_close_x5() {
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.event_loop.show(3, Readiness::IN);
        world.client().at_each_call(|registry, call| {
            if let Call::Fd { .. } = call {
                registry.close();
                panic!("a client written in Rust unwinds (expected here)");
            }
        });
        assert!(catch_unwind(AssertUnwindSafe(|| world.event_loop.dispatch())).is_err());
        assert_eq!(world.client().calls()[1..], [Call::Release, Call::Closed]);
        world.assert_empty();
    }
}

#[test]
fn an_unwinding_release_still_sweeps_and_gives_back_the_outer_lock() {
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.client().at_each_call(|_, call| {
            if call == Call::Release {
                panic!("a client written in Rust unwinds (expected here)");
            }
        });
        assert!(catch_unwind(AssertUnwindSafe(|| world.registry.close())).is_err());
        assert!(world.outer.is_free());
        assert!(!world.registry.is_inside());
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
        world.assert_empty();
    }
}

#[test]
fn idle_comes_at_once_when_nobody_is_inside() {
    for world in World::both() {
        world.registry.when_idle();
        assert_eq!(world.client().calls(), [Call::Idle]);
    }
}

#[test]
fn idle_comes_once_from_the_last_thread_that_leaves() {
    let world = World::concurrent();
    let (inside, wait_inside) = handshake();
    let (go, wait_go) = handshake();
    let registry = world.registry.clone();
    let other = std::thread::spawn(move || {
        let call = registry.enter().unwrap();
        inside.send();
        wait_go.wait();
        drop(call);
    });
    wait_inside.wait();
    let outermost = world.registry.enter().unwrap();
    let nested = world.registry.enter().unwrap();
    world.registry.when_idle();
    world.registry.when_idle();
    drop(nested);
    drop(outermost);
    assert_eq!(world.client().calls(), [], "the other thread is inside");
    go.send();
    other.join().unwrap();
    assert_eq!(world.client().calls(), [Call::Idle]);
    drop(world.registry.enter().unwrap());
    assert_eq!(world.client().calls(), [Call::Idle], "asked once, told once");
}

#[test]
fn idle_is_outside_the_gate_and_may_close_x5() {
    for world in World::both() {
        let outer = world.outer.clone();
        world.client().at_each_call(move |registry, call| {
            if call == Call::Idle {
                assert!(!registry.is_inside());
                assert!(!outer.is_held_here());
                registry.close();
            }
        });
        let call = world.registry.enter().unwrap();
        world.registry.when_idle();
        drop(call);
        assert_eq!(world.client().calls(), [Call::Idle, Call::Release, Call::Closed]);
    }
}

#[test]
fn a_close_overtakes_a_wish_for_idle() {
    for world in World::both() {
        let call = world.registry.enter().unwrap();
        world.registry.when_idle();
        world.registry.close();
        drop(call);
        world.registry.when_idle();
        assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
    }
}

#[test]
fn more_threads_than_the_gate_has_room_for_are_all_counted_x4() {
    const THREADS: usize = 40;
    let world = World::concurrent();
    let left = Arc::new(AtomicUsize::new(0));
    let (inside, wait_inside) = handshake();
    let inside = Arc::new(inside);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (registry, inside, left) = (world.registry.clone(), inside.clone(), left.clone());
            let (go, wait_go) = handshake();
            let thread = std::thread::spawn(move || {
                let call = registry.enter().unwrap();
                inside.send();
                wait_go.wait();
                left.fetch_add(1, Ordering::SeqCst);
                drop(call);
            });
            (thread, go)
        })
        .collect();
    for _ in 0..THREADS {
        wait_inside.wait();
    }
    assert_eq!(world.census().in_flight, THREADS);
    let counted = left.clone();
    world.client().at_each_call(move |_, call| {
        if call == Call::Release {
            assert_eq!(counted.load(Ordering::SeqCst), THREADS, "freed with a call in progress");
        }
    });
    world.registry.close();
    for (thread, go) in threads {
        go.send();
        thread.join().unwrap();
    }
    assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
}

/// The gate has a number for "look elsewhere" in the place of a thread's.
#[test]
fn a_thread_may_have_any_number_x4() {
    struct Counting(AtomicUsize);
    impl Client for Counting {
        fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {}
        fn occurred_timeout(&self, _: ClientValue) {}
        fn release(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    impl Owner for Counting {}
    for current_thread in [|| ThreadId(NonZeroU64::MIN), || ThreadId(NonZeroU64::MAX)] {
        let client = |_: &_| Counting(AtomicUsize::new(0));
        let registry = Registry::new(Arc::<ScriptedLoop>::default(), LockRule::Concurrent, current_thread, client);
        for _ in 0..2 {
            assert!(!registry.is_inside());
            let call = registry.enter().unwrap();
            assert!(registry.is_inside());
            assert_eq!(registry.census().in_flight, 1);
            drop(call);
        }
        let call = registry.enter().unwrap();
        registry.close();
        assert_eq!(registry.client().0.load(Ordering::Relaxed), 0, "freed with a call in progress");
        drop(call);
        assert_eq!(registry.client().0.load(Ordering::Relaxed), 1);
    }
}
