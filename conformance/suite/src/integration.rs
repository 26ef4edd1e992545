//! osevent-core as a host at the boundary, for any loop.

use crate::boundary::{Client, Hooks, Hosting, Integration, Rule, WallTime};
#[cfg(doc)]
use crate::contract::*;
use crate::hosts::{Attached, Host};
use osevent_core::{
    ClientValue, Exclusion, HookCall, Interest, LockRule, Readiness, RegistrationError, Registry, current_thread,
};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// osevent-core on the loop of a program. Each client gets its own [`Registry`] and attachment, which remain until the client has
/// been closed and freed.
pub struct CoreIntegration {
    host: Box<dyn Host>,
}

impl CoreIntegration {
    /// Creates an integration on the loop of this program. The loop ends when the integration is dropped.
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
        Ok(Arc::new(Core(registry)))
    }

    fn thread(&self) -> ThreadId {
        self.host.thread()
    }
}

struct Core(Arc<Registry<Hosted>>);

impl Hooks for Core {
    fn fd_register(&self, fd: RawFd, handle: &mut u64, events: i16, value: u64) -> i32 {
        written(handle, self.0.hooks().fd_register(fd, events, ClientValue(value)))
    }

    fn fd_modify(&self, fd: RawFd, handle: &mut u64, events: i16) -> i32 {
        self.0.hooks().fd_modify(*handle, fd, events).err().unwrap_or(0)
    }

    fn fd_deregister(&self, fd: RawFd, handle: u64) {
        self.0.hooks().fd_deregister(handle, fd);
    }

    fn timeout_register(&self, handle: &mut u64, (secs, micros): WallTime, value: u64) -> i32 {
        let place = ptr::from_mut(handle).addr() as u64;
        written(handle, self.0.hooks().timeout_register(place, secs, micros, ClientValue(value)))
    }

    fn timeout_modify(&self, handle: &mut u64, (secs, micros): WallTime) -> i32 {
        self.0.hooks().timeout_modify(*handle, secs, micros).err().unwrap_or(0)
    }

    fn timeout_deregister(&self, handle: u64) {
        self.0.hooks().timeout_deregister(handle);
    }
}

/// What a registering hook does with its answer ([R2], [R3]).
fn written(handle: &mut u64, answer: Result<u64, i32>) -> i32 {
    match answer {
        Ok(given) => {
            *handle = given;
            0
        }
        Err(code) => code,
    }
}

impl Hosting for Core {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        let Ok(_inside) = self.0.enter() else { return false };
        call();
        true
    }

    fn close(&self) {
        self.0.close();
    }
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

    fn hook_returns(&self, call: HookCall, answer: Result<u64, &RegistrationError>) {
        if let Err(error) = answer
            && !call.has_result()
        {
            log::error!("{call}: {error}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
