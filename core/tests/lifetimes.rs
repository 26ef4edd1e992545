//! What dies where: references of the client, of the loop and of occurrences in flight.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{ClientValue, Interest, Readiness};
use scripted::{Call, ScriptedLoop, World, hook, on_another_thread};
use std::sync::Arc;

#[test]
fn a_registration_lives_until_the_loop_has_let_go() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 1);
        let late = world.event_loop.fd_source(token);
        world.call(|registry| registry.deregister_fd(token.to_handle(), 3)).unwrap();
        assert_eq!((world.census().registered, world.census().alive), (0, 1));
        assert!(!late.ready(Readiness::IN), "disabled (O3)");
        drop(late);
        world.assert_empty();
    }
}

#[test]
fn an_occurrence_in_flight_keeps_its_registration_r16() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 1);
        world.event_loop.show(3, Readiness::IN);
        world.client().at_each_call(move |registry, call| {
            if let Call::Fd { .. } = call {
                hook(|| registry.deregister_fd(token.to_handle(), 3)).unwrap();
                assert_eq!((registry.census().registered, registry.census().alive), (0, 1));
            }
        });
        assert_eq!(world.event_loop.dispatch(), 1);
        world.assert_empty();
    }
}

#[test]
fn a_source_that_the_loop_keeps_does_not_keep_the_client() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 1);
        let late = world.event_loop.fd_source(token);
        world.registry.close();
        let client = Arc::downgrade(&world.registry);
        drop(world.registry);
        assert!(client.upgrade().is_none(), "the client would die where the loop lets go, in a hook perhaps");
        assert!(!late.ready(Readiness::IN));
    }
}

#[test]
fn a_registry_dropped_unclosed_takes_its_sources_out_of_the_loop() {
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.timeout(10, 2);
        world.registry.watch_fd(4, Interest::IN, ClientValue(3)).unwrap();
        drop(world.registry);
        assert_eq!(world.event_loop.len(), 0);
    }
}

#[test]
fn the_owner_may_drop_its_reference_in_closed() {
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.event_loop.show(3, Readiness::IN);
        let client = Arc::downgrade(&world.registry);
        let owner = std::sync::Mutex::new(None);
        let owner = Arc::new(owner);
        let kept = owner.clone();
        world.client().at_each_call(move |registry, call| match call {
            Call::Fd { .. } => registry.close(),
            Call::Closed => drop(kept.lock().unwrap().take().expect("the owner has it")),
            _ => {}
        });
        *owner.lock().unwrap() = Some(world.registry);
        assert_eq!(world.event_loop.dispatch(), 1);
        assert!(client.upgrade().is_none());
        assert_eq!(world.event_loop.len(), 0);
    }
}

#[test]
fn no_lock_of_the_core_is_held_in_any_call_to_loop_or_client_o2() {
    let world = World::concurrent();
    // Both locks of the core are needed for a census.
    let probe = {
        let registry = Arc::downgrade(&world.registry);
        move || {
            let registry = registry.upgrade().expect("the test holds it");
            on_another_thread(move || registry.census());
        }
    };
    let in_loop = probe.clone();
    world.event_loop.at_each_call(move |_: &ScriptedLoop, _| in_loop());
    world.client().at_each_call(move |_, _| probe());
    let fd = world.fd(3, Interest::IN, 1);
    let timeout = world.timeout(10, 2);
    let own = world.registry.watch_fd(4, Interest::IN, ClientValue(3)).unwrap();
    world.call(|registry| registry.modify_fd(fd.to_handle(), 3, Interest::IN | Interest::OUT)).unwrap();
    world.call(|registry| registry.modify_timeout(timeout.to_handle(), osevent_core::Deadline::ASAP)).unwrap();
    world.event_loop.show(3, Readiness::IN);
    world.event_loop.show(4, Readiness::IN);
    assert_eq!(world.event_loop.dispatch(), 2);
    assert_eq!(world.event_loop.advance_to(10), 1);
    world.registry.unwatch(own);
    world.registry.when_idle();
    world.registry.close();
    assert_eq!(world.client().calls().len(), 6);
    assert_eq!(world.event_loop.calls().len(), 7);
    world.assert_empty();
}
