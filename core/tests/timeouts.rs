//! The timeout hooks, and the one occurrence of each registration.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{ClientValue, Deadline, Interest, LoopError, Readiness, RegistrationError};
use scripted::{Call, LoopCall, World, hook, on_another_thread};

#[test]
fn a_timeout_occurs_once_and_that_ends_it_o5_o6() {
    for world in World::both() {
        let token = world.timeout(100, 1);
        assert_eq!(world.event_loop.advance_to(99), 0);
        assert_eq!(world.event_loop.advance_to(100), 1);
        assert_eq!(world.event_loop.advance_to(1_000), 0);
        assert_eq!(world.client().timeouts(), [1]);
        world.assert_empty();
        assert!(!world.event_loop.calls().contains(&LoopCall::RemoveTimer(token)), "the loop took it itself");
    }
}

#[test]
fn due_timeouts_occur_by_deadline_then_registration_o7() {
    for world in World::both() {
        for (deadline, value) in [(300, 3), (100, 1), (200, 2), (100, 11)] {
            world.timeout(deadline, value);
        }
        assert_eq!(world.event_loop.advance_to(300), 4);
        assert_eq!(world.client().timeouts(), [1, 11, 2, 3]);
    }
}

#[test]
fn the_past_is_due_at_once_but_not_within_the_hook_r11_o1() {
    for world in World::both() {
        world.event_loop.advance_to(1_000);
        // The scripted client asserts O1.
        world.timeout(0, 1);
        world.timeout(999, 2);
        assert_eq!(world.client().timeouts(), []);
        assert_eq!(world.event_loop.advance_to(1_000), 2);
    }
}

#[test]
fn a_cancelled_timeout_occurs_once_and_soon_o5_r13() {
    for world in World::both() {
        let token = world.timeout(1_000, 1);
        world.call(|registry| registry.modify_timeout(token.to_handle(), Deadline::ASAP)).unwrap();
        assert_eq!(world.event_loop.advance_to(0), 1);
        assert_eq!(world.event_loop.advance_to(2_000), 0);
        world.assert_empty();
    }
}

#[test]
fn a_timeout_cancelled_twice_occurs_once_r14() {
    for world in World::both() {
        let token = world.timeout(1_000, 1);
        for _ in 0..2 {
            world.call(|registry| registry.modify_timeout(token.to_handle(), Deadline::ASAP)).unwrap();
        }
        assert_eq!(world.event_loop.advance_to(2_000), 1);
        world.assert_empty();
    }
}

#[test]
fn a_modify_after_the_loop_took_the_timeout_is_answered_and_makes_no_second_occurrence_r14() {
    for world in World::both() {
        let token = world.timeout(100, 1);
        let taken = world.event_loop.take_timer(token);
        for _ in 0..2 {
            world.call(|registry| registry.modify_timeout(token.to_handle(), Deadline::ASAP)).unwrap();
        }
        assert!(taken.expire());
        world.call(|registry| registry.modify_timeout(token.to_handle(), Deadline::ASAP)).unwrap();
        assert_eq!(world.event_loop.advance_to(1_000), 0);
        assert_eq!(world.client().timeouts(), [1]);
        world.assert_empty();
    }
}

#[test]
fn a_modify_from_inside_the_own_occurrence_is_answered_twice_over_r14() {
    for world in World::both() {
        let token = world.timeout(100, 1);
        world.client().at_each_call(move |registry, _| {
            for _ in 0..2 {
                assert_eq!(hook(|| registry.modify_timeout(token.to_handle(), Deadline::ASAP)), Ok(()));
            }
        });
        assert_eq!(world.event_loop.advance_to(100), 1);
        assert_eq!(world.event_loop.advance_to(1_000), 0);
        assert_eq!(world.event_loop.calls(), [LoopCall::AddTimer(token)], "the loop is not asked for what it took");
        world.assert_empty();
    }
}

#[test]
fn a_modify_on_another_thread_during_the_occurrence_waits_for_nothing_r14_r15() {
    let world = World::concurrent();
    let token = world.timeout(100, 1);
    let registry = world.registry.clone();
    world.client().at_each_call(move |_, _| {
        let registry = registry.clone();
        on_another_thread(move || hook(|| registry.modify_timeout(token.to_handle(), Deadline::ASAP))).unwrap();
    });
    assert_eq!(world.event_loop.advance_to(100), 1);
    assert_eq!(world.event_loop.advance_to(100), 0);
}

#[test]
fn a_deregistered_timeout_does_not_occur_r13_o5() {
    for world in World::both() {
        let token = world.timeout(100, 1);
        world.call(|registry| registry.deregister_timeout(token.to_handle())).unwrap();
        assert_eq!(world.event_loop.advance_to(1_000), 0);
        world.assert_empty();
        // And again, of one that is over.
        assert_eq!(world.call(|registry| registry.deregister_timeout(token.to_handle())), Ok(()));
    }
}

#[test]
fn a_deregistration_after_the_loop_took_the_timeout_still_prevents_it_r14_o5() {
    for world in World::both() {
        let token = world.timeout(100, 1);
        let taken = world.event_loop.take_timer(token);
        world.call(|registry| registry.deregister_timeout(token.to_handle())).unwrap();
        assert!(!taken.expire());
        assert_eq!(world.client().timeouts(), []);
        world.assert_empty();
    }
}

#[test]
fn a_deregistration_from_inside_the_own_occurrence_is_answered_r14() {
    for world in World::both() {
        let token = world.timeout(100, 1);
        world.client().at_each_call(move |registry, _| {
            assert_eq!(hook(|| registry.deregister_timeout(token.to_handle())), Ok(()));
        });
        assert_eq!(world.event_loop.advance_to(100), 1);
        world.assert_empty();
    }
}

#[test]
fn a_new_timeout_may_be_registered_from_inside_an_occurrence_with_the_same_value_o6_r10() {
    for world in World::both() {
        world.timeout(100, 7);
        world.client().at_each_call(move |registry, call| {
            if registry.client().count(call) < 3 {
                hook(|| registry.register_timeout(Deadline::from_micros(100), ClientValue(7))).unwrap();
            }
        });
        assert_eq!(world.event_loop.advance_to(100), 3);
        assert_eq!(world.client().timeouts(), [7, 7, 7]);
        world.assert_empty();
    }
}

#[test]
fn a_modify_moves_the_deadline_both_ways_r13() {
    let world = World::concurrent();
    let token = world.timeout(100, 1);
    let modify = |micros| {
        let deadline = Deadline::from_micros(micros);
        world.call(|registry| registry.modify_timeout(token.to_handle(), deadline)).unwrap();
    };
    modify(200);
    assert_eq!(world.event_loop.advance_to(199), 0);
    modify(150);
    assert_eq!(world.event_loop.advance_to(199), 1);
}

#[test]
fn a_loop_that_refuses_everything_still_lets_a_timeout_be_cancelled_r3_o5() {
    let world = World::concurrent();
    let token = world.timeout(1_000, 1);
    world.event_loop.refuse(Some(LoopError::Os(28)));
    world.call(|registry| registry.modify_timeout(token.to_handle(), Deadline::ASAP)).unwrap();
    assert_eq!(world.event_loop.advance_to(0), 1);
    let refused = world.call(|registry| registry.register_timeout(Deadline::ASAP, ClientValue(2)));
    assert_eq!(refused, Err(RegistrationError::Loop(LoopError::Os(28))));
    world.assert_empty();
}

#[test]
fn a_timer_of_the_hosts_and_a_timeout_with_the_same_value_are_apart_o5() {
    let world = World::concurrent();
    world.registry.watch_deadline(Deadline::from_micros(100), ClientValue(1)).unwrap();
    world.timeout(100, 1);
    assert_eq!(world.event_loop.advance_to(100), 2);
    assert_eq!(world.client().calls(), [Call::OwnTimeout(1), Call::Timeout(1)]);
}

#[test]
fn o1_a_loop_that_runs_inside_a_hook_makes_no_occurrence_and_loses_none() {
    for world in World::both() {
        let (fd, timeout) = (world.fd(4, Interest::IN, 1), world.timeout(10, 2));
        let own = world.registry.watch_fd(5, Interest::IN, ClientValue(3)).unwrap();
        world.event_loop.show(4, Readiness::IN);
        world.event_loop.show(5, Readiness::IN);
        world.call(|_| {
            assert_eq!(world.event_loop.dispatch(), 0);
            assert!(!world.event_loop.take_timer(timeout).expire());
        });
        assert_eq!(world.client().calls(), []);
        // An edge-triggered loop reports them again.
        let again =
            [LoopCall::ModifyFd(fd, Interest::IN), LoopCall::ModifyFd(own, Interest::IN), LoopCall::AddTimer(timeout)];
        assert!(world.event_loop.calls().ends_with(&again), "{:?}", world.event_loop.calls());
        assert_eq!(world.event_loop.dispatch(), 2);
        assert_eq!(world.event_loop.advance_to(0), 1);
        assert_eq!((world.client().fds(), world.client().timeouts()), (vec![1], vec![2]));
    }
}

#[test]
fn o1_a_timeout_that_was_put_off_can_be_deregistered() {
    let world = World::concurrent();
    let timeout = world.timeout(10, 2);
    world.call(|registry| {
        assert!(!world.event_loop.take_timer(timeout).expire());
        registry.deregister_timeout(timeout.to_handle()).unwrap();
    });
    assert_eq!(world.event_loop.advance_to(10), 0);
    world.registry.close();
    world.assert_empty();
}
