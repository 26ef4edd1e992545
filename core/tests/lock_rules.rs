//! The two rules for locks: concurrent, and serialized by one outer lock.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{ClientValue, Deadline, Interest, Readiness, RegistrationError};
use scripted::{Call, World, handshake, hook};

#[test]
fn a_concurrent_deregistration_waits_for_no_occurrence_in_flight_r15_o3() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    let source = world.event_loop.fd_source(token);
    let (inside, wait_inside) = handshake();
    let (deregistered, wait_deregistered) = handshake();
    world.client().at_each_call(move |_, _| {
        inside.send();
        wait_deregistered.wait();
    });
    let dispatching = {
        let source = source.clone();
        std::thread::spawn(move || source.ready(Readiness::IN))
    };
    wait_inside.wait();
    world.call(|registry| registry.deregister_fd(token.to_handle(), 3)).unwrap();
    assert!(!source.ready(Readiness::IN), "none is claimed any more");
    deregistered.send();
    assert!(dispatching.join().unwrap());
    drop(source);
    world.assert_empty();
}

#[test]
fn concurrent_occurrences_overlap_o8() {
    let world = World::concurrent();
    let tokens = [world.fd(3, Interest::IN, 1), world.fd(4, Interest::IN, 2)];
    let (first, wait_first) = handshake();
    let (second, wait_second) = handshake();
    world.client().at_each_call(move |registry, call| {
        let (here, there) =
            if let Call::Fd { value: 1, .. } = call { (&first, &wait_second) } else { (&second, &wait_first) };
        here.send();
        there.wait();
        assert!(registry.is_inside());
    });
    let threads = tokens.map(|token| {
        let source = world.event_loop.fd_source(token);
        std::thread::spawn(move || source.ready(Readiness::IN))
    });
    for thread in threads {
        assert!(thread.join().unwrap());
    }
}

#[test]
fn hooks_of_a_concurrent_client_need_no_entered_call_r1() {
    let world = World::concurrent();
    let token = hook(|| world.registry.register_fd(3, Interest::IN, ClientValue(1))).unwrap();
    hook(|| world.registry.deregister_fd(token.to_handle(), 3)).unwrap();
    world.assert_empty();
}

#[test]
fn a_serialized_hook_outside_every_client_call_fails_and_changes_nothing_o2() {
    let world = World::serialized();
    let fd = world.fd(3, Interest::IN, 1);
    let timeout = world.timeout(100, 2);
    let calls = world.event_loop.calls();
    let outside = RegistrationError::OutsideClientCall;
    let registry = &world.registry;
    hook(|| {
        assert_eq!(registry.register_fd(4, Interest::IN, ClientValue(3)), Err(outside.clone()));
        assert_eq!(registry.modify_fd(fd.to_handle(), 3, Interest::OUT), Err(outside.clone()));
        assert_eq!(registry.deregister_fd(fd.to_handle(), 3), Err(outside.clone()));
        assert_eq!(registry.register_timeout(Deadline::ASAP, ClientValue(3)), Err(outside.clone()));
        assert_eq!(registry.modify_timeout(timeout.to_handle(), Deadline::ASAP), Err(outside.clone()));
        assert_eq!(registry.deregister_timeout(timeout.to_handle()), Err(outside.clone()));
    });
    assert_eq!(world.event_loop.calls(), calls);
    assert_eq!(world.census().registered, 2);
}

#[test]
fn a_serialized_client_is_not_told_what_was_true_before_the_outer_lock_was_free_o4() {
    let world = World::serialized();
    let token = world.fd(3, Interest::IN, 1);
    let (waits, wait_waits) = handshake();
    world.outer.on_wait(waits);
    world.event_loop.show(3, Readiness::IN);
    let event_loop = world.event_loop.clone();
    let call = world.registry.enter().unwrap();
    let dispatching = std::thread::spawn(move || event_loop.dispatch());
    wait_waits.wait();
    // The client reads it empty.
    world.event_loop.show(3, Readiness::default());
    drop(call);
    assert_eq!(dispatching.join().unwrap(), 0);
    assert_eq!(world.client().fds(), []);
    world.event_loop.show(3, Readiness::IN | Readiness::OUT);
    assert_eq!(world.event_loop.dispatch(), 1);
    let asked = Interest::IN;
    assert_eq!(world.client().calls(), [Call::Fd { value: 1, fd: 3, asked, readiness: Readiness::IN }]);
    // What has come to be true instead is told.
    world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::OUT)).unwrap();
    world.event_loop.show(3, Readiness::HUP);
    assert!(world.event_loop.fd_source(token).ready(Readiness::OUT));
    let readiness = Readiness::OUT | Readiness::HUP;
    assert_eq!(world.client().count(Call::Fd { value: 1, fd: 3, asked: Interest::OUT, readiness }), 1);
}

#[test]
fn a_concurrent_client_looks_by_itself_o4() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    world.event_loop.show(3, Readiness::default());
    assert!(world.event_loop.fd_source(token).ready(Readiness::IN));
}

#[test]
fn a_hook_on_one_thread_is_outside_while_another_thread_is_inside_o2() {
    let world = World::serialized();
    let _call = world.registry.enter().unwrap();
    let registry = world.registry.clone();
    let refused = std::thread::spawn(move || hook(|| registry.register_fd(3, Interest::IN, ClientValue(1))));
    assert_eq!(refused.join().unwrap(), Err(RegistrationError::OutsideClientCall));
}

#[test]
fn the_outer_lock_is_held_in_occurrences_and_in_the_release_and_not_in_closed_o2() {
    let world = World::serialized();
    world.fd(3, Interest::IN, 1);
    world.timeout(100, 2);
    world.event_loop.show(3, Readiness::IN);
    let outer = world.outer.clone();
    world.client().at_each_call(move |_, call| match call {
        Call::Fd { .. } | Call::Timeout(_) | Call::Release => assert!(outer.is_held_here(), "{call:?}"),
        Call::Closed | Call::Idle => assert!(outer.is_free(), "{call:?}"),
        Call::OwnFd(..) | Call::OwnTimeout(_) => unreachable!("there are no own sources"),
    });
    assert_eq!(world.event_loop.dispatch(), 1);
    assert_eq!(world.event_loop.advance_to(100), 1);
    world.registry.when_idle();
    world.registry.close();
    assert_eq!(world.client().calls().len(), 5);
    assert!(world.outer.is_free());
}

#[test]
fn the_outer_lock_is_held_in_a_release_that_the_last_to_leave_does_o2() {
    let world = World::serialized();
    let outer = world.outer.clone();
    world.client().at_each_call(move |_, call| match call {
        Call::Release => assert!(outer.is_held_here()),
        _ => assert!(outer.is_free()),
    });
    let call = world.registry.enter().unwrap();
    world.registry.close();
    drop(call);
    assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
}

#[test]
fn calls_nest_under_the_outer_lock_taken_once_o2() {
    let world = World::serialized();
    let outermost = world.registry.enter().unwrap();
    let nested = world.registry.enter().unwrap();
    drop(nested);
    assert!(world.outer.is_held_here(), "given back by the outermost alone");
    drop(outermost);
    assert!(world.outer.is_free());
}

#[test]
fn an_occurrence_may_be_dispatched_inside_a_client_call_o2() {
    // A nested main loop in a callback.
    for world in World::both() {
        world.fd(3, Interest::IN, 1);
        world.event_loop.show(3, Readiness::IN);
        let call = world.registry.enter().unwrap();
        assert_eq!(world.event_loop.dispatch(), 1);
        drop(call);
        assert!(world.outer.is_free());
        assert_eq!(world.census().in_flight, 0);
    }
}

#[test]
fn a_serialized_occurrence_waits_for_the_call_in_progress_and_then_finds_itself_deregistered_o3() {
    let world = World::serialized();
    let token = world.fd(3, Interest::IN, 1);
    let source = world.event_loop.fd_source(token);
    let call = world.registry.enter().unwrap();
    let (started, wait_started) = handshake();
    let dispatching = std::thread::spawn(move || {
        started.send();
        source.ready(Readiness::IN)
    });
    wait_started.wait();
    hook(|| world.registry.deregister_fd(token.to_handle(), 3)).unwrap();
    drop(call);
    assert!(!dispatching.join().unwrap());
    assert_eq!(world.client().fds(), []);
    world.assert_empty();
}

#[test]
fn a_serialized_client_sees_its_own_bits_beside_an_error_o4() {
    let world = World::serialized();
    let token = world.fd(3, Interest::IN | Interest::PRI, 1);
    let source = world.event_loop.fd_source(token);
    let asked = Interest::IN | Interest::PRI;
    for error in [Readiness::ERR, Readiness::HUP, Readiness::NVAL] {
        assert!(source.ready(error));
        let readiness = error | Readiness::IN | Readiness::PRI;
        assert_eq!(world.client().calls().pop(), Some(Call::Fd { value: 1, fd: 3, asked, readiness }));
    }
    assert!(source.ready(Readiness::HUP | Readiness::IN), "a bit of the interest that shows as well stays");
    let readiness = Readiness::HUP | Readiness::IN | Readiness::PRI;
    assert_eq!(world.client().calls().pop(), Some(Call::Fd { value: 1, fd: 3, asked, readiness }));
    assert!(source.ready(Readiness::IN));
    let readiness = Readiness::IN;
    assert_eq!(world.client().calls().pop(), Some(Call::Fd { value: 1, fd: 3, asked, readiness }), "no error, no more");
}

#[test]
fn a_concurrent_client_sees_what_was_observed_o4() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    assert!(world.event_loop.fd_source(token).ready(Readiness::HUP));
    let call = Call::Fd { value: 1, fd: 3, asked: Interest::IN, readiness: Readiness::HUP };
    assert_eq!(world.client().calls(), [call]);
}

#[test]
fn a_serialized_call_refused_at_the_lock_gives_it_back_x4() {
    let world = World::serialized();
    let (inside, wait_inside) = handshake();
    let (go, wait_go) = handshake();
    let registry = world.registry.clone();
    let holder = std::thread::spawn(move || {
        let call = registry.enter().unwrap();
        inside.send();
        wait_go.wait();
        drop(call);
    });
    wait_inside.wait();
    let (started, wait_started) = handshake();
    let registry = world.registry.clone();
    let waiter = std::thread::spawn(move || {
        started.send();
        registry.enter().is_err()
    });
    wait_started.wait();
    world.registry.close();
    go.send();
    holder.join().unwrap();
    // Refused whether it came before the close, and then waited for the lock, or after it.
    assert!(waiter.join().unwrap());
    assert!(world.outer.is_free());
    assert_eq!(world.client().calls(), [Call::Release, Call::Closed]);
}
