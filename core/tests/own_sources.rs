//! Sources of the host's own, beside the client's.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{ClientValue, Deadline, Interest, LoopError, Readiness, RegistrationError};
use scripted::{Call, LoopCall, World, hook, on_another_thread};
use std::sync::{Arc, Mutex};

#[test]
fn own_sources_are_dispatched_outside_the_gate_and_the_outer_lock() {
    for world in World::both() {
        let outer = world.outer.clone();
        world.client().at_each_call(move |registry, _| {
            assert!(!registry.is_inside());
            assert!(!outer.is_held_here());
        });
        world.registry.watch_fd(4, Interest::IN, ClientValue(1)).unwrap();
        world.registry.watch_deadline(Deadline::from_micros(10), ClientValue(2)).unwrap();
        world.event_loop.show(4, Readiness::IN | Readiness::HUP);
        assert_eq!(world.event_loop.dispatch(), 1);
        assert_eq!(world.event_loop.advance_to(10), 1);
        let calls = [Call::OwnFd(1, Readiness::IN | Readiness::HUP), Call::OwnTimeout(2)];
        assert_eq!(world.client().calls(), calls);
    }
}

#[test]
fn own_sources_need_no_client_call_even_where_hooks_do_o2() {
    let world = World::serialized();
    let token = world.registry.watch_fd(4, Interest::IN, ClientValue(1)).unwrap();
    assert!(world.registry.unwatch(token));
    world.assert_empty();
}

#[test]
fn own_sources_go_on_while_the_client_is_closing() {
    let world = World::concurrent();
    world.registry.watch_fd(4, Interest::IN, ClientValue(1)).unwrap();
    world.event_loop.show(4, Readiness::IN);
    let call = world.registry.enter().unwrap();
    world.registry.close();
    assert_eq!(world.event_loop.dispatch(), 1);
    drop(call);
    assert_eq!(world.event_loop.dispatch(), 0);
    world.assert_empty();
}

#[test]
fn own_sources_are_swept_at_the_end_of_the_close() {
    for world in World::both() {
        let fd = world.registry.watch_fd(4, Interest::IN, ClientValue(1)).unwrap();
        world.registry.watch_deadline(Deadline::ASAP, ClientValue(2)).unwrap();
        world.registry.close();
        world.assert_empty();
        assert!(!world.registry.unwatch(fd));
    }
}

#[test]
fn unwatch_is_true_once_and_never_after_the_expiry_o5() {
    let world = World::concurrent();
    let fd = world.registry.watch_fd(4, Interest::IN, ClientValue(1)).unwrap();
    assert!(world.registry.unwatch(fd));
    assert!(!world.registry.unwatch(fd));
    let timeout = world.registry.watch_deadline(Deadline::ASAP, ClientValue(2)).unwrap();
    assert_eq!(world.event_loop.advance_to(0), 1);
    assert!(!world.registry.unwatch(timeout));
    world.assert_empty();
}

#[test]
fn hooks_do_not_touch_own_sources_nor_unwatch_the_clients() {
    let world = World::concurrent();
    let fd = world.registry.watch_fd(4, Interest::IN, ClientValue(1)).unwrap();
    let timeout = world.registry.watch_deadline(Deadline::ASAP, ClientValue(2)).unwrap();
    world.call(|registry| {
        let (fd_handle, timeout_handle) = (fd.to_handle(), timeout.to_handle());
        let mismatched = |token| Err(RegistrationError::Mismatched(token));
        assert_eq!(registry.modify_fd(fd_handle, 4, Interest::OUT), mismatched(fd));
        assert_eq!(registry.deregister_fd(fd_handle, 4), mismatched(fd));
        assert_eq!(registry.modify_timeout(timeout_handle, Deadline::ASAP), mismatched(timeout));
        assert_eq!(registry.deregister_timeout(timeout_handle), mismatched(timeout));
    });
    let clients = world.fd(5, Interest::IN, 3);
    assert!(!world.registry.unwatch(clients));
    assert_eq!(world.census().registered, 3);
}

#[test]
fn a_refused_watch_leaves_nothing() {
    let world = World::concurrent();
    world.event_loop.refuse(Some(LoopError::BadFd(4)));
    let refused = Err(RegistrationError::Loop(LoopError::BadFd(4)));
    assert_eq!(world.registry.watch_fd(4, Interest::IN, ClientValue(1)), refused);
    assert_eq!(world.registry.watch_deadline(Deadline::ASAP, ClientValue(1)), refused);
    world.assert_empty();
}

#[test]
fn a_watch_that_the_close_overtakes_is_swept_all_the_same() {
    for world in World::both() {
        // The close comes in the middle of the watch: after the registry's part, before the loop's.
        let registry = Mutex::new(Some(world.registry.clone()));
        world.event_loop.at_each_call(move |_, call| {
            if let LoopCall::AddFd(_) = call {
                let registry = registry.lock().unwrap().take().expect("one is added");
                on_another_thread(move || registry.close());
            }
        });
        let _ = world.registry.watch_fd(4, Interest::IN, ClientValue(1));
        world.assert_empty();
        assert_eq!(world.registry.watch_fd(4, Interest::IN, ClientValue(1)), Err(RegistrationError::Closed));
        let too_late = world.registry.watch_deadline(Deadline::ASAP, ClientValue(1));
        assert_eq!(too_late, Err(RegistrationError::Closed));
        world.assert_empty();
    }
}

#[test]
fn a_watch_during_the_release_is_swept_too() {
    for world in World::both() {
        let token = Arc::new(Mutex::new(None));
        let kept = token.clone();
        world.client().at_each_call(move |registry, call| {
            if call == Call::Release {
                *kept.lock().unwrap() = Some(registry.watch_fd(4, Interest::IN, ClientValue(1)));
                hook(|| registry.register_timeout(Deadline::ASAP, ClientValue(2))).expect("answered (X2)");
            }
        });
        world.registry.close();
        assert!(matches!(*token.lock().unwrap(), Some(Ok(_))));
        world.assert_empty();
    }
}
