//! Registers, dispatches and deregisters a thousand times, in functions of these names, so that valgrind can count the instructions of
//! each: `./x test --only instructions`.
//!
//! The core is driven by a loop that does as little as a loop can, and by the reactor. Nothing here depends on time or on chance.

use osevent_core::{
    Client, ClientValue, Deadline, EventLoop, FdSource, GoneId, Interest, LockRule, LoopError, Owner, Readiness,
    Registry, TimerSource, Token, current_thread,
};
use osevent_epoll::Reactor;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

const TIMES: u32 = 1_000;

/// What `dispatch` is for: the reactor, or a source of the least loop.
enum Driven {
    Least(Arc<Least>),
    Reactor(Arc<Reactor>),
}

fn main() -> ExitCode {
    let driven = match std::env::args().nth(1).as_deref() {
        Some("core") => Driven::Least(Arc::default()),
        Some("reactor") => Driven::Reactor(Reactor::new().expect("fds are free")),
        _ => {
            eprintln!("osevent-instructions: name what is to be driven: core or reactor");
            return ExitCode::from(2);
        }
    };
    let event_loop: Arc<dyn EventLoop> = match &driven {
        Driven::Least(least) => least.clone(),
        Driven::Reactor(reactor) => reactor.clone(),
    };
    let registry = Registry::new(event_loop, LockRule::Concurrent, current_thread, |_| Silent);
    let ready = eventfd(1, EventfdFlags::CLOEXEC).expect("fds are free");
    (0..TIMES).for_each(|_| cycle(&registry, &driven, &ready));
    ExitCode::SUCCESS
}

fn cycle(registry: &Registry<Silent>, driven: &Driven, ready: &OwnedFd) {
    let fd = ready.as_raw_fd();
    let token = register(registry, fd);
    dispatch(driven);
    deregister(registry, token, fd);
    let token = register_timeout(registry);
    cancel(registry, token);
    expire(driven);
}

#[inline(never)]
fn register(registry: &Registry<Silent>, fd: i32) -> Token {
    registry.register_fd(fd, Interest::IN, ClientValue(1)).expect("it is accepted")
}

#[inline(never)]
fn dispatch(driven: &Driven) {
    match driven {
        Driven::Least(least) => {
            let source = least.fd.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert!(source.expect("it is registered").ready(Readiness::IN));
        }
        Driven::Reactor(reactor) => assert_eq!(reactor.dispatch(), Ok(1)),
    }
}

#[inline(never)]
fn deregister(registry: &Registry<Silent>, token: Token, fd: i32) {
    registry.deregister_fd(token.to_handle(), fd).expect("it is registered");
}

#[inline(never)]
fn register_timeout(registry: &Registry<Silent>) -> Token {
    registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(2)).expect("it is accepted")
}

#[inline(never)]
fn cancel(registry: &Registry<Silent>, token: Token) {
    registry.modify_timeout(token.to_handle(), Deadline::ASAP).expect("it is registered");
}

#[inline(never)]
fn expire(driven: &Driven) {
    match driven {
        Driven::Least(least) => {
            let source = least.timer.lock().unwrap_or_else(PoisonError::into_inner).take();
            assert!(source.expect("it is registered").expire());
        }
        Driven::Reactor(reactor) => assert_eq!(reactor.dispatch(), Ok(1)),
    }
}

/// Has room for one fd and one timer.
#[derive(Default)]
struct Least {
    fd: Mutex<Option<FdSource>>,
    timer: Mutex<Option<TimerSource>>,
}

impl EventLoop for Least {
    fn add_fd(&self, source: FdSource, _: Interest) -> Result<(), LoopError> {
        *self.fd.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        Ok(())
    }

    fn modify_fd(&self, _: Token, _: Interest) -> Result<(), LoopError> {
        Ok(())
    }

    fn remove_fd(&self, _: Token) {
        *self.fd.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn add_timer(&self, source: TimerSource, _: Deadline) -> Result<(), LoopError> {
        *self.timer.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        Ok(())
    }

    fn modify_timer(&self, _: Token, _: Deadline) {}

    fn remove_timer(&self, _: Token) {
        *self.timer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn turn(&self, _: Option<i32>) -> Result<(), LoopError> {
        Err(LoopError::Unsupported("wait"))
    }

    /// It never ends.
    fn on_gone(&self, _: Box<dyn FnOnce() + Send>) -> GoneId {
        GoneId::new(0)
    }

    fn forget_gone(&self, _: GoneId) {}
}

struct Silent;

impl Client for Silent {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {}
    fn occurred_timeout(&self, _: ClientValue) {}
    fn release(&self) {}
}

impl Owner for Silent {}
