//! The monitor's two sides: it is the client's hosting and the host's client.

use super::Witness;
use crate::boundary::{Client, Hooks, Hosting, Integration, Rule, WallTime};
#[cfg(doc)]
use crate::contract::*;
use crate::record::What;
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn host(
    witness: Witness,
    integration: &dyn Integration,
    client: Arc<dyn Client>,
    rule: Rule,
) -> anyhow::Result<Arc<dyn Hosting>> {
    let hosted = Arc::new(WatchedClient { witness: witness.clone(), client });
    let hosting = integration.host(hosted, rule)?;
    Ok(Arc::new(WatchedHosting { witness, hosting, rule, by_address: Mutex::default() }))
}

struct WatchedHosting {
    witness: Witness,
    hosting: Arc<dyn Hosting>,
    rule: Rule,
    /// The handles by where they were written to, for 4.2.0 ([R13]).
    by_address: Mutex<HashMap<u64, u64>>,
}

impl WatchedHosting {
    fn returned(&self, handle: u64, code: i32) {
        self.witness.saw(What::HookReturned { handle, code });
    }
}

impl Hooks for WatchedHosting {
    fn fd_register(&self, fd: RawFd, handle: &mut u64, events: i16, value: u64) -> i32 {
        self.witness.saw(What::FdRegister { fd, events, value });
        let code = self.hosting.fd_register(fd, handle, events, value);
        self.returned(if code == 0 { *handle } else { 0 }, code);
        code
    }

    fn fd_modify(&self, fd: RawFd, handle: &mut u64, events: i16) -> i32 {
        self.witness.saw(What::FdModify { fd, handle: *handle, events });
        let code = self.hosting.fd_modify(fd, handle, events);
        self.returned(*handle, code);
        code
    }

    fn fd_deregister(&self, fd: RawFd, handle: u64) {
        self.witness.saw(What::FdDeregister { fd, handle });
        self.hosting.fd_deregister(fd, handle);
        self.returned(handle, 0);
    }

    fn timeout_register(&self, handle: &mut u64, deadline: WallTime, value: u64) -> i32 {
        self.witness.saw(What::TimeoutRegister { deadline, value });
        let code = self.hosting.timeout_register(handle, deadline, value);
        if code == 0 && self.rule == Rule::Serialized {
            let address = ptr::from_mut(handle).addr() as u64;
            self.by_address.lock().unwrap_or_else(PoisonError::into_inner).insert(address, *handle);
        }
        self.returned(if code == 0 { *handle } else { 0 }, code);
        code
    }

    fn timeout_modify(&self, handle: &mut u64, deadline: WallTime) -> i32 {
        self.witness.saw(What::TimeoutModify { handle: *handle, deadline });
        let code = self.hosting.timeout_modify(handle, deadline);
        self.returned(*handle, code);
        code
    }

    fn timeout_deregister(&self, handle: u64) {
        // Not removed: a blocking call of 4.2.0 deregisters a timeout that its own loop took twice (R14).
        let by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner).get(&handle).copied();
        let meant = by_address.unwrap_or(handle);
        self.witness.saw(What::TimeoutDeregister { handle: meant });
        self.hosting.timeout_deregister(handle);
        self.returned(meant, 0);
    }
}

impl Hosting for WatchedHosting {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        self.hosting.call(&mut || {
            let _returns = begin(&self.witness, What::Call, What::CallReturned);
            call();
        })
    }

    fn close(&self) {
        self.hosting.close();
    }
}

struct WatchedClient {
    witness: Witness,
    client: Arc<dyn Client>,
}

impl Client for WatchedClient {
    fn occurred_fd(&self, value: u64, fd: RawFd, events: i16, revents: i16) {
        let what = What::FdOccurrence { value, fd, events, revents };
        let _returns = begin(&self.witness, what, What::OccurrenceReturned);
        self.client.occurred_fd(value, fd, events, revents);
    }

    fn occurred_timeout(&self, value: u64) {
        let _returns = begin(&self.witness, What::TimeoutOccurrence { value }, What::OccurrenceReturned);
        self.client.occurred_timeout(value);
    }

    fn free(&self) {
        let _returns = begin(&self.witness, What::Free, What::Freed);
        self.client.free();
    }
}

/// Writes down that something begins, and that it returns when the guard goes: also where the client panics.
fn begin(witness: &Witness, what: What, returned: What) -> Returns<'_> {
    witness.saw(what);
    Returns { witness, returned: Some(returned) }
}

struct Returns<'a> {
    witness: &'a Witness,
    returned: Option<What>,
}

impl Drop for Returns<'_> {
    fn drop(&mut self) {
        if let Some(returned) = self.returned.take() {
            self.witness.saw(returned);
        }
    }
}
