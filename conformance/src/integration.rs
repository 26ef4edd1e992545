//! osevent-core between a client and any loop: the host that this project offers, seen from the boundary.

use crate::boundary::{Client, Hooks, Hosting, Integration, Rule, WallTime};
use crate::hosts::{Attached, Host};
use osevent_core::{
    ClientValue, Deadline, Interest, LockRule, OuterLock, Readiness, RegistrationError, Registry, Token, current_thread,
};
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// osevent-core on the loop of a program. Each client gets a [`Registry`] and an attachment of its own.
///
/// A client and its attachment stay until the client has been closed and freed.
pub struct CoreIntegration {
    host: Box<dyn Host>,
}

impl CoreIntegration {
    /// On this program's loop, which ends when the integration is dropped.
    pub fn new(host: Box<dyn Host>) -> Self {
        Self { host }
    }
}

impl Integration for CoreIntegration {
    fn host(&self, client: Arc<dyn Client>, rule: Rule) -> anyhow::Result<Arc<dyn Hosting>> {
        let attached = self.host.attach()?;
        let event_loop = attached.event_loop.clone();
        let lock_rule = match rule {
            Rule::Concurrent => LockRule::Concurrent,
            Rule::Serialized => LockRule::Serialized(Box::new(Exclusion::default())),
        };
        let registry =
            Registry::new(event_loop, lock_rule, current_thread, |_| Hosted { client, keep: Mutex::default() });
        *lock(&registry.client().keep) = Some((registry.clone(), attached));
        Ok(Arc::new(Core { registry, rule, by_address: Mutex::default() }))
    }

    fn thread(&self) -> ThreadId {
        self.host.thread()
    }
}

struct Core {
    registry: Arc<Registry<Hosted>>,
    rule: Rule,
    /// 4.2.0 passes timeout_deregister the address of the handle, and 4.2.1 the handle (R13): each is also found by where it
    /// was written to.
    by_address: Mutex<HashMap<u64, Token>>,
}

impl Hooks for Core {
    fn fd_register(&self, fd: RawFd, handle: &mut u64, events: i16, value: u64) -> i32 {
        let registered = Interest::from_poll(events)
            .and_then(|interest| self.registry.register_fd(fd, interest, ClientValue(value)))
            .map(|token| *handle = token.to_handle());
        code(registered)
    }

    fn fd_modify(&self, fd: RawFd, handle: &mut u64, events: i16) -> i32 {
        let interest = Interest::from_poll(events);
        code(interest.and_then(|interest| self.registry.modify_fd(*handle, fd, interest)))
    }

    fn fd_deregister(&self, fd: RawFd, handle: u64) {
        if let Err(error) = self.registry.deregister_fd(handle, fd) {
            log::error!("fd_deregister: {error}");
        }
    }

    fn timeout_register(&self, handle: &mut u64, deadline: WallTime, value: u64) -> i32 {
        let registered = Deadline::from_timeval(deadline.0, deadline.1)
            .and_then(|deadline| self.registry.register_timeout(deadline, ClientValue(value)));
        code(registered.map(|token| {
            if self.rule == Rule::Serialized {
                lock(&self.by_address).insert(ptr::from_mut(handle).addr() as u64, token);
            }
            *handle = token.to_handle();
        }))
    }

    fn timeout_modify(&self, handle: &mut u64, deadline: WallTime) -> i32 {
        let deadline = Deadline::from_timeval(deadline.0, deadline.1);
        code(deadline.and_then(|deadline| self.registry.modify_timeout(*handle, deadline)))
    }

    fn timeout_deregister(&self, handle: u64) {
        // Not removed: a blocking call of 4.2.0 deregisters a timeout that its own loop took twice (R14).
        let by_address = || lock(&self.by_address).get(&handle).copied();
        let handle = Token::from_handle(handle).or_else(by_address).map_or(handle, Token::to_handle);
        if let Err(error) = self.registry.deregister_timeout(handle) {
            log::error!("timeout_deregister: {error}");
        }
    }
}

impl Hosting for Core {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        let Ok(_inside) = self.registry.enter() else { return false };
        call();
        true
    }

    fn close(&self) {
        self.registry.close();
    }
}

/// What a hook returns: 0, or the code of the refusal (R3).
fn code(result: Result<(), RegistrationError>) -> i32 {
    result.map_or_else(|error| error.code(), |()| 0)
}

/// The client, as the core sees it.
struct Hosted {
    client: Arc<dyn Client>,
    /// The registry's own, and the loop's end of it, until the client has been freed.
    keep: Mutex<Option<(Arc<Registry<Self>>, Attached)>>,
}

impl osevent_core::Client for Hosted {
    fn occurred_fd(&self, value: ClientValue, fd: i32, asked: Interest, readiness: Readiness) {
        self.client.occurred_fd(value.0, fd, asked.to_poll(), readiness.to_poll());
    }

    fn occurred_timeout(&self, value: ClientValue) {
        self.client.occurred_timeout(value.0);
    }

    fn release(&self) {
        self.client.free();
    }
}

impl osevent_core::Owner for Hosted {
    fn closed(&self) {
        // Not the last reference to the registry: whoever called into it has one.
        let kept = lock(&self.keep).take();
        drop(kept);
    }
}

/// The outer lock of rule (b) (O2), held for as long as the client works.
#[derive(Default)]
struct Exclusion {
    held: Mutex<bool>,
    freed: Condvar,
}

impl OuterLock for Exclusion {
    fn lock(&self) {
        let mut held = self.freed.wait_while(lock(&self.held), |held| *held).unwrap_or_else(PoisonError::into_inner);
        *held = true;
    }

    fn unlock(&self) {
        *lock(&self.held) = false;
        self.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
