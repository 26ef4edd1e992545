//! The hooks in the client's own numbers, and what their owner is told.
#![cfg(not(loom))]

mod scripted;

use osevent_core::{
    Client, ClientValue, Deadline, HookCall, Interest, LockRule, LoopError, Owner, Readiness, RegistrationError,
    Registry, Token,
};
use scripted::{LoopCall, ScriptedLock, ScriptedLoop, Shared, current_thread};
use std::sync::{Arc, Mutex};

/// What its owner is told of a hook: the call, then the answer.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Called(HookCall),
    Returns(HookCall, Result<u64, RegistrationError>),
    Timeout(u64),
}

#[derive(Default)]
struct Noting(Mutex<Vec<Told>>);

impl Client for Noting {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {
        unreachable!("no fd shows anything here");
    }
    fn occurred_timeout(&self, value: ClientValue) {
        self.0.lock().unwrap().push(Told::Timeout(value.0));
    }
    fn release(&self) {}
}

impl Owner for Noting {
    fn hook_called(&self, call: HookCall) {
        self.0.lock().unwrap().push(Told::Called(call));
    }
    fn hook_returns(&self, call: HookCall, answer: Result<u64, &RegistrationError>) {
        self.0.lock().unwrap().push(Told::Returns(call, answer.map_err(Clone::clone)));
    }
}

struct World {
    registry: Arc<Registry<Noting>>,
    event_loop: Arc<ScriptedLoop>,
}

impl World {
    fn new(rule: LockRule) -> Self {
        let event_loop = Arc::<ScriptedLoop>::default();
        Self { registry: Registry::new(event_loop.clone(), rule, current_thread, |_| Noting::default()), event_loop }
    }

    fn concurrent() -> Self {
        Self::new(LockRule::Concurrent)
    }

    /// As with libxl 4.2.0 and 4.2.1.
    fn serialized() -> Self {
        Self::new(LockRule::Serialized(Box::new(Shared(Arc::<ScriptedLock>::default()))))
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.registry.client().0.lock().unwrap())
    }

    /// Both steps of one hook were told, and nothing else.
    #[track_caller]
    fn assert_told(&self, call: HookCall, answer: Result<u64, RegistrationError>) {
        assert_eq!(self.told(), [Told::Called(call), Told::Returns(call, answer)]);
    }
}

const VALUE: ClientValue = ClientValue(7);

#[test]
fn each_hook_takes_the_clients_numbers_and_its_owner_is_told_before_and_after_r3() {
    let world = World::concurrent();
    let hooks = world.registry.hooks();

    let fd = hooks.fd_register(3, Interest::IN.to_poll(), VALUE).unwrap();
    world.assert_told(HookCall::FdRegister { fd: 3, events: 1, value: VALUE }, Ok(fd));
    let token = Token::from_handle(fd).expect("it is a handle");
    assert_eq!(world.event_loop.interest(token), Some(Interest::IN));

    hooks.fd_modify(fd, 3, Interest::OUT.to_poll()).unwrap();
    world.assert_told(HookCall::FdModify { handle: fd, fd: 3, events: 4 }, Ok(fd));
    assert_eq!(world.event_loop.interest(token), Some(Interest::OUT));

    hooks.fd_deregister(fd, 3);
    world.assert_told(HookCall::FdDeregister { handle: fd, fd: 3 }, Ok(fd));
    assert_eq!(world.event_loop.interest(token), None);

    let timeout = hooks.timeout_register(0, 5, 6, VALUE).unwrap();
    world.assert_told(HookCall::TimeoutRegister { secs: 5, micros: 6, value: VALUE }, Ok(timeout));
    hooks.timeout_modify(timeout, 0, 0).unwrap();
    world.assert_told(HookCall::TimeoutModify { handle: timeout, secs: 0, micros: 0 }, Ok(timeout));
    let moved = LoopCall::ModifyTimer(Token::from_handle(timeout).expect("it is a handle"), Deadline::ASAP);
    assert_eq!(world.event_loop.calls().last(), Some(&moved));
    assert_eq!(world.event_loop.advance_to(0), 1);
    assert_eq!(world.told(), [Told::Timeout(7)]);

    hooks.timeout_deregister(timeout);
    world.assert_told(HookCall::TimeoutDeregister { handle: timeout }, Ok(timeout));
}

#[test]
fn what_is_refused_has_a_code_and_its_owner_is_told_why_r3() {
    let world = World::concurrent();
    let hooks = world.registry.hooks();

    assert_eq!(hooks.fd_register(3, 0x40, VALUE), Err(-12));
    let unknown = Err(RegistrationError::UnknownInterest(0x40));
    world.assert_told(HookCall::FdRegister { fd: 3, events: 0x40, value: VALUE }, unknown);

    assert_eq!(hooks.timeout_register(0, 1, 1_000_000, VALUE), Err(-12));
    let invalid = RegistrationError::InvalidDeadline { secs: 1, micros: 1_000_000 };
    world.assert_told(HookCall::TimeoutRegister { secs: 1, micros: 1_000_000, value: VALUE }, Err(invalid.clone()));

    world.event_loop.refuse(Some(LoopError::Os(24)));
    assert_eq!(hooks.fd_register(3, 1, VALUE), Err(24));
    let refused = Err(RegistrationError::Loop(LoopError::Os(24)));
    world.assert_told(HookCall::FdRegister { fd: 3, events: 1, value: VALUE }, refused);
    world.event_loop.refuse(None);

    let timeout = hooks.timeout_register(0, 1, 0, VALUE).unwrap();
    world.told();
    assert_eq!(hooks.timeout_modify(timeout, 1, 1_000_000), Err(-12));
    world.assert_told(HookCall::TimeoutModify { handle: timeout, secs: 1, micros: 1_000_000 }, Err(invalid));
    assert_eq!(hooks.fd_modify(9, 3, 1), Err(-12));
    world.assert_told(HookCall::FdModify { handle: 9, fd: 3, events: 1 }, Err(RegistrationError::UnknownHandle(9)));
}

/// These two hooks have no result: only the owner can hear of it.
#[test]
fn a_wrong_handle_is_told_also_where_the_hook_has_no_result_r3() {
    let world = World::concurrent();
    let hooks = world.registry.hooks();
    let unknown = Err(RegistrationError::UnknownHandle(9));
    hooks.fd_deregister(9, 3);
    world.assert_told(HookCall::FdDeregister { handle: 9, fd: 3 }, unknown.clone());
    hooks.timeout_deregister(9);
    world.assert_told(HookCall::TimeoutDeregister { handle: 9 }, unknown);
}

#[test]
fn a_serialized_clients_timeout_is_also_named_by_where_its_handle_was_written_to_r13() {
    let world = World::serialized();
    let hooks = world.registry.hooks();
    let call = world.registry.enter().unwrap();
    // More than the places that there is room for at first.
    let timeouts: Vec<u64> = (1..=100).map(|n| hooks.timeout_register(16 * n, 1, 0, VALUE).unwrap()).collect();
    for (n, handle) in (1..).zip(timeouts) {
        world.told();
        hooks.timeout_deregister(16 * n);
        world.assert_told(HookCall::TimeoutDeregister { handle }, Ok(handle));
    }
    // The place is used again: it names the newer one.
    let newer = hooks.timeout_register(16, 1, 0, VALUE).unwrap();
    world.told();
    hooks.timeout_deregister(16);
    world.assert_told(HookCall::TimeoutDeregister { handle: newer }, Ok(newer));
    drop(call);
    assert_eq!(world.event_loop.len(), 0);
    assert_eq!(world.event_loop.advance_to(i64::MAX), 0);
}

/// A blocking call of 4.2.0 deregisters the timeout that its own loop took, and then again.
#[test]
fn a_timeout_that_was_taken_is_deregistered_by_address_twice_without_an_error_r13_r14() {
    let world = World::serialized();
    let hooks = world.registry.hooks();
    let call = world.registry.enter().unwrap();
    let handle = hooks.timeout_register(16, 0, 0, VALUE).unwrap();
    drop(call);
    assert_eq!(world.event_loop.advance_to(1), 1);
    let _call = world.registry.enter().unwrap();
    world.told();
    for _ in 0..2 {
        hooks.timeout_deregister(16);
        world.assert_told(HookCall::TimeoutDeregister { handle }, Ok(handle));
    }
}

#[test]
fn a_concurrent_clients_timeout_is_named_by_its_handle_only_r13() {
    let world = World::concurrent();
    let hooks = world.registry.hooks();
    hooks.timeout_register(16, 1, 0, VALUE).unwrap();
    world.told();
    hooks.timeout_deregister(16);
    world.assert_told(HookCall::TimeoutDeregister { handle: 16 }, Err(RegistrationError::UnknownHandle(16)));
}

#[test]
fn a_hook_is_displayed_with_its_name_first() {
    let calls = [
        (HookCall::FdRegister { fd: 3, events: 1, value: VALUE }, "fd_register of fd 3 for 0x1"),
        (HookCall::FdModify { handle: 16, fd: 3, events: 4 }, "fd_modify of 0x10, fd 3, to 0x4"),
        (HookCall::FdDeregister { handle: 16, fd: 3 }, "fd_deregister of 0x10, fd 3"),
        (HookCall::TimeoutRegister { secs: 1, micros: 2, value: VALUE }, "timeout_register of {1, 2}"),
        (HookCall::TimeoutModify { handle: 16, secs: 0, micros: 0 }, "timeout_modify of 0x10 to {0, 0}"),
        (HookCall::TimeoutDeregister { handle: 16 }, "timeout_deregister of 0x10"),
    ];
    for (call, displayed) in calls {
        assert_eq!(call.to_string(), displayed);
        assert_eq!(call.has_result(), !displayed.contains("deregister"));
    }
}

/// A loop that an application can run again inside one of its registration methods.
#[cfg(feature = "std")]
#[test]
fn nothing_occurs_in_a_hook_of_any_client_and_what_is_due_stays_due_o1() {
    let (world, other) = (World::concurrent(), World::concurrent());
    other.registry.hooks().timeout_register(0, 0, 0, VALUE).unwrap();
    let run = other.event_loop.clone();
    world.event_loop.at_each_call(move |_, call| {
        if !matches!(call, LoopCall::AddTimer(_)) {
            return;
        }
        assert!(osevent_core::is_in_hook());
        let due = run.take_first_timer();
        assert!(!due.expire(), "it occurred in a hook");
    });
    world.registry.hooks().timeout_register(0, 1, 0, VALUE).unwrap();
    assert!(!osevent_core::is_in_hook());
    other.told();
    assert_eq!(other.event_loop.advance_to(1), 1);
    assert_eq!(other.told(), [Told::Timeout(7)]);
}

#[cfg(feature = "std")]
#[test]
fn hooks_nest_and_are_the_threads_own_r15() {
    let outer = osevent_core::InHook::begin();
    drop(osevent_core::InHook::begin());
    assert!(osevent_core::is_in_hook());
    assert!(!std::thread::spawn(osevent_core::is_in_hook).join().unwrap());
    drop(outer);
    assert!(!osevent_core::is_in_hook());
}

#[cfg(feature = "std")]
#[test]
fn the_outer_lock_of_std_lets_one_thread_in_at_a_time_o2() {
    use osevent_core::{Exclusion, OuterLock};
    use std::sync::atomic::{AtomicU32, Ordering};
    let (lock, inside, times) = (Exclusion::default(), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    lock.lock();
                    // SeqCst throughout: the test is not about orderings.
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    times.fetch_add(1, Ordering::SeqCst);
                    lock.unlock();
                }
            });
        }
    });
    assert_eq!(times.into_inner(), 4_000);
}
