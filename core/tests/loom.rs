//! The core's interleavings, all of them, from the same source that ships.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p osevent-core --release --test loom
//! ```
//!
//! The locks and atomics of the core are loom's here, and nothing bounds the schedules. `Arc` is the
//! standard library's: its counts are trusted, not explored.
#![cfg(loom)]

mod loom_world;

use loom::model;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use loom_world::World;
use osevent_core::{ClientValue, Deadline, Interest, Readiness, Registry};
use std::sync::Arc;

#[test]
fn no_occurrence_is_claimed_after_a_deregistration_returned_o3() {
    model(|| {
        let world = World::concurrent();
        let token = world.fd(1);
        let source = world.event_loop.fd_source(token);
        let deregistered = Arc::new(AtomicBool::new(false));
        let dispatching = {
            let deregistered = deregistered.clone();
            thread::spawn(move || {
                let too_late = deregistered.load(Ordering::Acquire);
                let made = source.ready(Readiness::IN);
                assert!(!(made && too_late), "claimed after the deregistration returned");
            })
        };
        world.call(|registry| registry.deregister_fd(token.to_handle(), 1)).unwrap();
        deregistered.store(true, Ordering::Release);
        dispatching.join().unwrap();
        world.finish();
    });
}

#[test]
fn a_serialized_client_gets_no_occurrence_after_a_deregistration_returned_o3() {
    model(|| {
        let world = World::serialized();
        let token = world.fd(1);
        let source = world.event_loop.fd_source(token);
        let dispatching = thread::spawn(move || {
            source.ready(Readiness::IN);
        });
        {
            let call = world.registry.enter().unwrap();
            call.client().use_library();
            world.registry.deregister_fd(token.to_handle(), 1).unwrap();
            // As 4.2.0 does: what an occurrence would touch is gone.
            call.client().no_more_fds();
        }
        dispatching.join().unwrap();
        world.finish();
    });
}

#[test]
fn a_serialized_client_gets_no_timeout_after_its_deregistration_o5() {
    model(|| {
        let world = World::serialized();
        let token = world.timeout();
        let dispatching = {
            let event_loop = world.event_loop.clone();
            thread::spawn(move || event_loop.expire_due(Deadline::from_micros(i64::MAX)))
        };
        let before = {
            let call = world.registry.enter().unwrap();
            world.registry.deregister_timeout(token.to_handle()).unwrap();
            call.client().timeouts()
        };
        dispatching.join().unwrap();
        assert_eq!(world.registry.client().timeouts(), before);
        world.finish();
    });
}

#[test]
fn expiry_and_a_doubled_cancellation_make_one_occurrence_o5_r14() {
    model(|| {
        let world = World::concurrent();
        let token = world.timeout();
        // The deadline comes on one thread, while another cancels twice and works that off.
        let expiring = {
            let event_loop = world.event_loop.clone();
            thread::spawn(move || event_loop.expire_due(Deadline::from_micros(i64::MAX)))
        };
        for _ in 0..2 {
            world.call(|registry| registry.modify_timeout(token.to_handle(), Deadline::ASAP)).unwrap();
            world.event_loop.expire_due(Deadline::ASAP);
        }
        expiring.join().unwrap();
        world.event_loop.expire_due(Deadline::from_micros(i64::MAX));
        assert_eq!(world.registry.client().timeouts(), 1);
        world.finish();
    });
}

#[test]
fn expiry_and_unwatch_take_a_timer_once_o5() {
    model(|| {
        let world = World::concurrent();
        let token = world.registry.watch_deadline(Deadline::ASAP, ClientValue(0)).unwrap();
        let expiring = {
            let event_loop = world.event_loop.clone();
            thread::spawn(move || event_loop.expire_due(Deadline::ASAP))
        };
        let unwatched = world.registry.unwatch(token);
        expiring.join().unwrap();
        assert_eq!(world.registry.client().own_timeouts() + u32::from(unwatched), 1);
        world.finish();
    });
}

#[test]
fn expiry_against_a_close_occurs_or_is_swept_x6() {
    model(|| {
        let world = World::concurrent();
        world.timeout();
        let expiring = {
            let event_loop = world.event_loop.clone();
            thread::spawn(move || event_loop.expire_due(Deadline::from_micros(i64::MAX)))
        };
        world.registry.close();
        expiring.join().unwrap();
        world.assert_closed();
    });
}

#[test]
fn a_close_from_outside_frees_the_client_once_and_under_no_call_x4() {
    for world in [World::concurrent, World::serialized] {
        model(move || {
            let world = world();
            let source = world.event_loop.fd_source(world.fd(1));
            let dispatching = thread::spawn(move || {
                source.ready(Readiness::IN);
            });
            let caller = {
                let registry = world.registry.clone();
                thread::spawn(move || {
                    if let Ok(call) = registry.enter() {
                        call.client().use_library();
                    }
                })
            };
            world.registry.close();
            dispatching.join().unwrap();
            caller.join().unwrap();
            world.assert_closed();
        });
    }
}

#[test]
fn a_close_from_inside_an_occurrence_against_another_occurrence_x5() {
    for world in [World::concurrent, World::serialized] {
        model(move || {
            let world = world();
            let source = world.event_loop.fd_source(world.fd(1));
            let closing = world.event_loop.fd_source(world.fd(2));
            world.registry.client().close_in_fd(2);
            let dispatching = thread::spawn(move || {
                source.ready(Readiness::IN);
            });
            assert!(closing.ready(Readiness::IN));
            dispatching.join().unwrap();
            world.assert_closed();
        });
    }
}

#[test]
fn a_close_here_frees_the_client_on_this_thread_or_is_told_when_to_try_again_x4() {
    model(|| {
        let world = World::concurrent();
        let registry = world.registry.clone();
        let calling = thread::spawn(move || {
            // Refused, once it is closed.
            if let Ok(call) = registry.enter() {
                call.client().use_library();
                assert_eq!(call.client().releases(), 0);
            }
            assert!(!registry.is_inside(), "this thread frees it");
        });
        world.registry.close_here();
        let closed_at_once = world.registry.client().releases() == 1;
        calling.join().unwrap();
        let idle = world.registry.client().idles();
        assert_eq!(idle, u32::from(!closed_at_once), "nobody says when to try again");
        if !closed_at_once {
            world.registry.close_here();
        }
        world.assert_closed();
    });
}

#[test]
fn two_closes_free_the_client_once_x4() {
    for world in [World::concurrent, World::serialized] {
        model(move || {
            let world = world();
            let closer = {
                let registry = world.registry.clone();
                thread::spawn(move || registry.close())
            };
            if let Ok(call) = world.registry.enter() {
                call.client().use_library();
                world.registry.close();
            }
            closer.join().unwrap();
            world.assert_closed();
        });
    }
}

#[test]
fn the_last_reference_dropped_in_a_hook_frees_the_registration_and_nothing_else_r15() {
    model(|| {
        let world = World::concurrent();
        let token = world.fd(1);
        let source = world.event_loop.fd_source(token);
        // An occurrence in flight on one side, the hook on the other: either may be the last.
        let dispatching = thread::spawn(move || {
            source.ready(Readiness::IN);
            drop(source);
        });
        world.call(|registry| registry.deregister_fd(token.to_handle(), 1)).unwrap();
        dispatching.join().unwrap();
        assert_eq!(world.registry.census().alive, 0);
        world.finish();
    });
}

#[test]
fn the_client_dies_in_no_hook_when_its_owner_lets_go_in_closed() {
    model(|| {
        let world = World::concurrent();
        let token = world.fd(1);
        let source = world.event_loop.fd_source(token);
        let event_loop = world.event_loop.clone();
        let dropped = world.registry.client().dropped();
        let registry = Arc::downgrade(&world.registry);
        world.registry.client().owner_lets_go_in_closed(world.registry.clone());
        drop(world);
        let closer = {
            let registry = registry.clone();
            thread::spawn(move || {
                // The hook of a call in progress, then the close, by whoever still has the client.
                if let Some(registry) = registry.upgrade() {
                    if let Ok(call) = registry.enter() {
                        call.client().in_hook(|| registry.deregister_fd(token.to_handle(), 1)).unwrap();
                    }
                    registry.close();
                }
            })
        };
        source.ready(Readiness::IN);
        closer.join().unwrap();
        // The loop's last source of it is no reference to the client.
        assert_eq!(dropped.load(Ordering::Acquire), 1);
        assert!(registry.upgrade().is_none());
        drop(source);
        assert_eq!(event_loop.len(), 0);
    });
}

#[test]
fn a_wish_for_idle_is_answered_once_against_calls_that_leave() {
    for world in [World::concurrent, World::serialized] {
        model(move || {
            let world = world();
            let caller = {
                let registry = world.registry.clone();
                thread::spawn(move || registry.enter().unwrap().client().use_library())
            };
            let outermost = world.registry.enter().unwrap();
            world.registry.when_idle();
            drop(outermost);
            caller.join().unwrap();
            assert_eq!(world.registry.client().idles(), 1);
            world.finish();
        });
    }
}

#[test]
fn idle_means_that_what_was_inside_has_left() {
    model(|| {
        let world = World::concurrent();
        let inside = world.registry.enter().unwrap();
        let asked = {
            let registry = world.registry.clone();
            thread::spawn(move || registry.when_idle())
        };
        world.registry.client().use_library();
        assert_eq!(world.registry.client().idles(), 0, "told while a call is in progress");
        drop(inside);
        asked.join().unwrap();
        assert_eq!(world.registry.client().idles(), 1);
        world.finish();
    });
}

#[test]
fn a_watch_against_the_close_is_refused_or_swept_x6() {
    model(|| {
        let world = World::concurrent();
        let watching = {
            let registry = world.registry.clone();
            thread::spawn(move || {
                let _ = registry.watch_fd(1, Interest::IN, ClientValue(1));
            })
        };
        world.registry.close();
        watching.join().unwrap();
        world.assert_closed();
    });
}

#[test]
fn registrations_on_two_threads_are_all_there_while_the_table_grows_r1() {
    model(|| {
        let world = World::concurrent();
        // The table has room for 14, so both threads find it full.
        for fd in 1..15 {
            world.fd(fd);
        }
        let register = |registry: &Registry<_>, fd: i32| {
            registry.register_fd(fd, Interest::IN, ClientValue(0)).unwrap();
        };
        let other = {
            let registry = world.registry.clone();
            thread::spawn(move || register(&registry, 101))
        };
        register(&world.registry, 102);
        other.join().unwrap();
        assert_eq!(world.registry.census().registered, 16);
        assert_eq!(world.event_loop.len(), 16);
        world.finish();
    });
}

#[test]
fn nested_calls_and_a_close_end_in_one_release_o3() {
    model(|| {
        let world = World::concurrent();
        let caller = {
            let registry = world.registry.clone();
            thread::spawn(move || {
                if let Ok(outer) = registry.enter() {
                    if let Ok(inner) = registry.enter() {
                        inner.client().use_library();
                        drop(inner);
                    }
                    outer.client().use_library();
                    assert_eq!(outer.client().releases(), 0);
                }
            })
        };
        world.registry.close();
        caller.join().unwrap();
        world.assert_closed();
    });
}

#[test]
fn a_thread_knows_whether_it_is_inside_whatever_others_do_x5() {
    model(|| {
        let world = World::concurrent();
        let in_and_out = |registry: &Registry<_>| {
            assert!(!registry.is_inside());
            if let Ok(call) = registry.enter() {
                assert!(registry.is_inside());
                drop(call);
                assert!(!registry.is_inside());
            }
        };
        let other = {
            let registry = world.registry.clone();
            thread::spawn(move || in_and_out(&registry))
        };
        in_and_out(&world.registry);
        world.registry.close();
        assert!(!world.registry.is_inside());
        other.join().unwrap();
        world.finish();
    });
}

#[test]
fn of_a_call_and_a_look_at_the_gate_one_is_first() {
    model(|| {
        let world = World::concurrent();
        let (by_look, by_call) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let caller = {
            let (registry, by_look, by_call) = (world.registry.clone(), by_look.clone(), by_call.clone());
            thread::spawn(move || {
                let _call = registry.enter().unwrap();
                by_call.store(1, Ordering::Relaxed);
                by_look.load(Ordering::Relaxed)
            })
        };
        by_look.store(1, Ordering::Relaxed);
        let inside = world.registry.census().in_flight;
        let seen_of_call = by_call.load(Ordering::Relaxed);
        let seen_of_look = caller.join().unwrap();
        assert!(inside == 1 || seen_of_look == 1 || seen_of_call == 1, "neither is first");
        world.finish();
    });
}

#[test]
fn who_finds_somebody_inside_sees_what_was_before_the_call() {
    model(|| {
        let world = World::concurrent();
        let before = Arc::new(AtomicU32::new(0));
        let caller = {
            let (registry, before) = (world.registry.clone(), before.clone());
            thread::spawn(move || {
                before.store(1, Ordering::Relaxed);
                let _call = registry.enter().unwrap();
            })
        };
        if world.registry.census().in_flight == 1 {
            assert_eq!(before.load(Ordering::Relaxed), 1);
        }
        caller.join().unwrap();
        world.finish();
    });
}
