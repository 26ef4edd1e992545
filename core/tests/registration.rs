//! The fd hooks, and the occurrences that they lead to.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{Client, ClientValue, Deadline, Interest, LoopError, Readiness, RegistrationError, Token};
use scripted::{Call, LoopCall, World, hook, on_another_thread};

#[test]
fn a_handle_comes_back_and_names_its_registration_alone_r2_r10() {
    for world in World::both() {
        // The client reuses its value, the fd and all: only the handle tells them apart.
        let first = world.fd(3, Interest::IN, 7);
        let second = world.fd(3, Interest::IN, 7);
        assert_ne!(first, second);
        assert_eq!(Token::from_handle(first.to_handle()), Some(first));
        world.call(|registry| registry.deregister_fd(first.to_handle(), 3)).unwrap();
        assert_eq!(world.event_loop.interest(first), None);
        assert_eq!(world.event_loop.interest(second), Some(Interest::IN));
    }
}

#[test]
fn an_ended_handle_is_never_given_out_again_r2() {
    let world = World::concurrent();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1_000 {
        let token = world.fd(3, Interest::IN, 7);
        assert!(seen.insert(token));
        world.call(|registry| registry.deregister_fd(token.to_handle(), 3)).unwrap();
    }
    world.assert_empty();
}

#[test]
fn no_pointer_looks_like_a_handle_r2_r13() {
    assert_eq!(Token::from_handle(0), None);
    assert_eq!(Token::from_handle(0x7fff_ffff_f000), None, "the highest user address of 47 bits");
    assert_eq!(Token::from_handle(0x00ff_ffff_ffff_f000), None, "and of 56");
    let world = World::concurrent();
    let unknown = |handle| Err(RegistrationError::UnknownHandle(handle));
    for handle in [0, 1, 0x7fff_ffff_f000, u64::MAX, 1 << 63] {
        world.call(|registry| {
            assert_eq!(registry.modify_fd(handle, 3, Interest::IN), unknown(handle));
            assert_eq!(registry.deregister_fd(handle, 3), unknown(handle));
            assert_eq!(registry.modify_timeout(handle, Deadline::ASAP), unknown(handle));
            assert_eq!(registry.deregister_timeout(handle), unknown(handle));
        });
    }
}

#[test]
fn another_registrys_handle_is_unknown_r2() {
    let (world, foreign) = (World::concurrent(), World::concurrent());
    let here = world.fd(3, Interest::IN, 1);
    let there = foreign.fd(3, Interest::IN, 1);
    let handle = there.to_handle();
    let unknown = Err(RegistrationError::UnknownHandle(handle));
    world.call(|registry| {
        assert_eq!(registry.modify_fd(handle, 3, Interest::OUT), unknown);
        assert_eq!(registry.deregister_fd(handle, 3), unknown);
    });
    assert!(!world.registry.unwatch(there));
    assert_eq!(world.event_loop.interest(here), Some(Interest::IN));
}

#[test]
fn a_doubled_deregistration_is_found_out_and_harms_nothing_r2() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    let other = world.fd(3, Interest::IN, 2);
    let deregister = || world.call(|registry| registry.deregister_fd(token.to_handle(), 3));
    assert_eq!(deregister(), Ok(()));
    assert_eq!(deregister(), Err(RegistrationError::Ended(token)));
    assert_eq!(world.event_loop.interest(other), Some(Interest::IN));
}

#[test]
fn a_wrong_fd_or_kind_is_found_out_and_changes_nothing_r2() {
    let world = World::concurrent();
    let fd = world.fd(3, Interest::IN, 1);
    let timeout = world.timeout(10, 2);
    let mismatched = |token| Err(RegistrationError::Mismatched(token));
    world.call(|registry| {
        assert_eq!(registry.modify_fd(fd.to_handle(), 4, Interest::OUT), mismatched(fd));
        assert_eq!(registry.deregister_fd(fd.to_handle(), 4), mismatched(fd));
        assert_eq!(registry.modify_fd(timeout.to_handle(), 3, Interest::OUT), mismatched(timeout));
        assert_eq!(registry.deregister_fd(timeout.to_handle(), 3), mismatched(timeout));
        assert_eq!(registry.modify_timeout(fd.to_handle(), Deadline::ASAP), mismatched(fd));
        assert_eq!(registry.deregister_timeout(fd.to_handle()), mismatched(fd));
    });
    assert_eq!(world.event_loop.calls(), [LoopCall::AddFd(fd), LoopCall::AddTimer(timeout)]);
    assert_eq!(world.census().registered, 2);
}

#[test]
fn a_negative_fd_is_refused_before_the_loop_hears_of_it_r3() {
    let world = World::concurrent();
    let refused = world.call(|registry| registry.register_fd(-1, Interest::IN, ClientValue(1)));
    assert_eq!(refused, Err(RegistrationError::NegativeFd(-1)));
    assert_eq!(world.event_loop.calls(), []);
    world.assert_empty();
}

#[test]
fn a_refused_registration_leaves_nothing_r3() {
    for world in World::both() {
        world.event_loop.refuse(Some(LoopError::Os(24)));
        let refused = world.call(|registry| registry.register_fd(3, Interest::IN, ClientValue(1)));
        assert_eq!(refused, Err(RegistrationError::Loop(LoopError::Os(24))));
        let refused = world.call(|registry| registry.register_timeout(Deadline::ASAP, ClientValue(1)));
        assert_eq!(refused, Err(RegistrationError::Loop(LoopError::Os(24))));
        world.assert_empty();
        world.event_loop.refuse(None);
        world.fd(3, Interest::IN, 1);
        assert_eq!(world.census().registered, 1);
    }
}

#[test]
fn a_refused_modify_keeps_the_old_interest_r3() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 1);
        let source = world.event_loop.fd_source(token);
        world.event_loop.refuse(Some(LoopError::Os(12)));
        let refused = world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::OUT));
        assert_eq!(refused, Err(RegistrationError::Loop(LoopError::Os(12))));
        assert!(!source.ready(Readiness::OUT));
        assert!(source.ready(Readiness::IN));
    }
}

#[test]
fn a_failing_hooks_code_is_never_zero_nor_another_negative_one_r3() {
    let token = World::concurrent().fd(3, Interest::IN, 1);
    let errors = [
        RegistrationError::NegativeFd(-1),
        RegistrationError::UnknownInterest(0x40),
        RegistrationError::InvalidDeadline { secs: 1, micros: -1 },
        RegistrationError::UnknownHandle(1),
        RegistrationError::Ended(token),
        RegistrationError::Mismatched(token),
        RegistrationError::Closed,
        RegistrationError::TokensSpent,
        RegistrationError::OutsideClientCall,
        RegistrationError::Loop(LoopError::BadFd(3)),
        RegistrationError::Loop(LoopError::UnknownToken(token)),
        RegistrationError::Loop(LoopError::Os(0)),
        RegistrationError::Loop(LoopError::Os(-5)),
        RegistrationError::Loop(LoopError::Unsupported("wait")),
    ];
    for error in errors {
        assert_eq!(error.code(), -12, "{error}");
    }
    assert_eq!(RegistrationError::Loop(LoopError::Os(24)).code(), 24);
}

#[test]
fn each_registration_of_an_fd_has_its_own_interest_r4() {
    for world in World::both() {
        let reads = world.fd(3, Interest::IN, 1);
        world.fd(3, Interest::OUT, 2);
        world.event_loop.show(3, Readiness::IN | Readiness::OUT);
        assert_eq!(world.event_loop.dispatch(), 2);
        let calls = [
            Call::Fd { value: 1, fd: 3, asked: Interest::IN, readiness: Readiness::IN },
            Call::Fd { value: 2, fd: 3, asked: Interest::OUT, readiness: Readiness::OUT },
        ];
        assert_eq!(world.client().calls(), calls);
        world.call(|registry| registry.deregister_fd(reads.to_handle(), 3)).unwrap();
        assert_eq!(world.event_loop.dispatch(), 1);
        assert_eq!(world.client().fds(), [1, 2, 2]);
    }
}

#[test]
fn interest_zero_makes_no_occurrence_not_even_for_errors_r5() {
    for world in World::both() {
        let token = world.fd(3, Interest::NONE, 1);
        let source = world.event_loop.fd_source(token);
        assert!(!source.ready(Readiness::ERR | Readiness::HUP | Readiness::NVAL | Readiness::IN));
        world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::IN)).unwrap();
        assert!(source.ready(Readiness::IN));
        world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::NONE)).unwrap();
        assert!(!source.ready(Readiness::ERR | Readiness::HUP | Readiness::NVAL | Readiness::IN));
        assert_eq!(world.census().registered, 1, "the registration stays");
        assert_eq!(world.client().fds(), [1]);
    }
}

#[test]
fn an_unchanged_interest_may_be_set_again_r5() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::IN)).unwrap();
    assert!(world.event_loop.fd_source(token).ready(Readiness::IN));
}

#[test]
fn errors_and_hangups_are_implied_and_unasked_bits_kept_back_r6() {
    let world = World::concurrent();
    let token = world.fd(3, Interest::PRI, 1);
    let source = world.event_loop.fd_source(token);
    assert!(!source.ready(Readiness::IN | Readiness::OUT));
    for readiness in [Readiness::PRI, Readiness::ERR, Readiness::HUP, Readiness::NVAL] {
        assert!(source.ready(readiness | Readiness::IN));
        let call = Call::Fd { value: 1, fd: 3, asked: Interest::PRI, readiness };
        assert_eq!(world.client().calls().pop(), Some(call));
    }
    assert!(!source.ready(Readiness::default()), "nothing observed is no occurrence");
}

#[test]
fn a_loop_that_reports_added_interest_at_once_makes_its_occurrence_r9_o10() {
    // An edge-triggered loop reports only once: before fd_modify has returned, perhaps.
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    world.event_loop.at_each_call(move |event_loop, call| {
        if let LoopCall::ModifyFd(token, Interest::OUT) = call {
            let source = event_loop.fd_source(*token);
            assert!(on_another_thread(move || source.ready(Readiness::OUT)), "the edge is lost");
        }
    });
    world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::OUT)).unwrap();
    assert!(!world.event_loop.fd_source(token).ready(Readiness::IN), "the old interest is over");
}

#[test]
fn an_occurrence_may_come_on_another_thread_before_register_has_returned_r9() {
    let world = World::concurrent();
    world.event_loop.show(3, Readiness::IN);
    world.event_loop.after_each_call(|event_loop, call| {
        let made = match call {
            LoopCall::AddFd(token) => {
                let source = event_loop.fd_source(*token);
                on_another_thread(move || source.ready(Readiness::IN))
            }
            LoopCall::AddTimer(token) => {
                let source = event_loop.take_timer(*token);
                on_another_thread(move || source.expire())
            }
            _ => return,
        };
        assert!(made);
    });
    let fd = world.fd(3, Interest::IN, 1);
    let timeout = world.timeout(0, 2);
    assert_eq!((world.client().fds(), world.client().timeouts()), (vec![1], vec![2]));
    assert_eq!(world.census().registered, 1, "the fd stands, the timeout is over");
    assert_ne!(fd, timeout);
}

#[test]
fn an_fd_deregistered_in_its_own_occurrence_may_come_back_in_it_r16() {
    for world in World::both() {
        let token = world.fd(3, Interest::IN, 7);
        world.event_loop.show(3, Readiness::IN);
        let stale = world.event_loop.fd_source(token);
        world.client().at_each_call(move |registry, call| {
            if let Call::Fd { value: 7, .. } = call
                && hook(|| registry.deregister_fd(token.to_handle(), 3)).is_ok()
            {
                let again = hook(|| registry.register_fd(3, Interest::IN, ClientValue(7))).unwrap();
                assert_ne!(again, token);
            }
        });
        assert_eq!(world.event_loop.dispatch(), 1);
        assert!(!stale.ready(Readiness::IN), "readiness of the old one is not the new one's (R8)");
        assert_eq!(world.event_loop.dispatch(), 1, "the new one stands");
        assert_eq!(world.census().registered, 1);
    }
}

#[test]
fn a_batch_collected_before_a_deregistration_makes_no_occurrence_for_it_o3() {
    for world in World::both() {
        let first = world.fd(3, Interest::IN, 1);
        let second = world.fd(4, Interest::IN, 2);
        world.event_loop.show(3, Readiness::IN);
        world.event_loop.show(4, Readiness::IN);
        // Whichever comes first ends the other one.
        world.client().at_each_call(move |registry, call| {
            if let Call::Fd { value, .. } = call {
                let (token, fd) = if value == 1 { (second, 4) } else { (first, 3) };
                hook(|| registry.deregister_fd(token.to_handle(), fd)).unwrap();
            }
        });
        assert_eq!(world.event_loop.dispatch(), 1);
        assert_eq!(world.client().fds(), [1]);
    }
}

#[test]
fn what_ends_during_a_modify_stays_ended_o3() {
    // The client's lock keeps the two apart, unless somebody calls a hook around it.
    let world = World::concurrent();
    let token = world.fd(3, Interest::IN, 1);
    let source = world.event_loop.fd_source(token);
    let registry = world.registry.clone();
    world.event_loop.after_each_call(move |_, call| {
        if let LoopCall::ModifyFd(..) = call {
            let registry = registry.clone();
            on_another_thread(move || hook(|| registry.deregister_fd(token.to_handle(), 3))).unwrap();
        }
    });
    world.call(|registry| registry.modify_fd(token.to_handle(), 3, Interest::IN)).unwrap();
    assert!(!source.ready(Readiness::IN));
    drop(source);
    world.assert_empty();
}

#[test]
fn thousands_of_registrations_come_and_go_in_any_order() {
    let world = World::concurrent();
    let mut standing: Vec<Token> = (0..3_000).map(|n| world.fd(n % 50, Interest::IN, n as u64)).collect();
    let mut step = 1;
    while !standing.is_empty() {
        // A stride that visits all corners, with fresh ones between.
        step = (step * 31 + 7) % 10_007;
        let token = standing.swap_remove(step % standing.len());
        let fd = world.event_loop.fd_source(token).fd();
        world.call(|registry| registry.deregister_fd(token.to_handle(), fd)).unwrap();
        if step % 3 == 0 {
            standing.push(world.fd(fd, Interest::IN, 0));
        }
        assert_eq!(world.census().registered, standing.len());
    }
    world.assert_empty();
}

#[test]
#[should_panic(expected = "from inside a hook (O1)")]
fn the_scripted_client_notices_an_occurrence_from_inside_a_hook_o1() {
    // Around the core, which makes none there.
    World::concurrent().call(|registry| registry.client().occurred_fd(ClientValue(1), 3, Interest::IN, Readiness::IN));
}

#[test]
fn what_is_printed_names_token_and_fd() {
    let world = World::concurrent();
    let (fd, timeout) = (world.fd(3, Interest::IN, 1), world.timeout(1_000, 2));
    assert_eq!(format!("{:?}", world.event_loop.fd_source(fd)), format!("FdSource({fd}, fd 3)"));
    assert_eq!(format!("{:?}", world.event_loop.take_timer(timeout)), format!("TimerSource({timeout})"));
    assert_eq!(format!("{fd:?}"), format!("Token({fd})"));
    let numbers = fd.to_string();
    let numbers = numbers.split_once('.').expect("a registry and a place in it");
    assert!(numbers.0.parse::<u64>().is_ok() && numbers.1.parse::<u64>().is_ok(), "{numbers:?}");
    assert_eq!(osevent_core::Closed.to_string(), "the client is closed");
}
