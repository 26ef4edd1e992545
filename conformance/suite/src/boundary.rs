//! The boundary between libxl and its host, as in libxl's C interface.
//!
//! Cases, monitors and faulty hosts work at this level, below xenlight and osevent-core: with numbers instead of pointers,
//! poll(2)'s bits, and gettimeofday(2)'s times. The host can be of any kind, and the client can be libxl or a model of it.

#[cfg(doc)]
use crate::contract::*;
use serde::{Deserialize, Serialize};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::thread::ThreadId;

/// A `struct timeval` of gettimeofday(2): seconds and microseconds ([R11]).
pub type WallTime = (i64, i64);

/// The functions of the host for the client: `libxl_osevent_hooks`. The client holds its ctx lock in each call ([R1], [R15]).
///
/// `handle` is `for_app_registration`, the host's value for the registration: the host writes it, and the client passes it back
/// unchanged ([R2]). `value` is `for_libxl`. The result is 0, or the code of a refusal ([R3]).
pub trait Hooks: Send + Sync {
    /// `fd_register`.
    fn fd_register(&self, fd: RawFd, handle: &mut u64, events: i16, value: u64) -> i32;
    /// `fd_modify`.
    fn fd_modify(&self, fd: RawFd, handle: &mut u64, events: i16) -> i32;
    /// `fd_deregister`.
    fn fd_deregister(&self, fd: RawFd, handle: u64);
    /// `timeout_register`.
    fn timeout_register(&self, handle: &mut u64, deadline: WallTime, value: u64) -> i32;
    /// `timeout_modify`.
    fn timeout_modify(&self, handle: &mut u64, deadline: WallTime) -> i32;
    /// `timeout_deregister` (4.2.0 and 4.2.1 only, [R13]). 4.2.0 passes as `handle` the address that `timeout_register` wrote to.
    fn timeout_deregister(&self, handle: u64);
}

/// The functions of the client for the host: those of libxl that the loop calls.
pub trait Client: Send + Sync {
    /// `libxl_osevent_occurred_fd`.
    fn occurred_fd(&self, value: u64, fd: RawFd, events: i16, revents: i16);
    /// `libxl_osevent_occurred_timeout`.
    fn occurred_timeout(&self, value: u64);
    /// `libxl_ctx_free`, which calls `fd_deregister` for the remaining fds ([X2]).
    fn free(&self);
}

/// A client that is hosted.
pub trait Hosting: Hooks {
    /// Makes a call into the client, as a thread of the application does. If the client is being closed, it returns false and makes
    /// no call.
    fn call(&self, call: &mut dyn FnMut()) -> bool;

    /// Closes the client: no new call begins, and when none is in progress, [`Client::free`] is called once ([X4], [X5]). This does
    /// not wait for it.
    fn close(&self);
}

/// A host, on a loop that runs on its own thread until this is dropped.
pub trait Integration: Send + Sync {
    /// Hosts the client. The client may call the hooks as soon as this has returned.
    ///
    /// # Errors
    /// The host could not do it, for instance because no fds are left.
    fn host(&self, client: Arc<dyn Client>, rule: Rule) -> anyhow::Result<Arc<dyn Hosting>>;

    /// The thread that makes the occurrences.
    fn thread(&self) -> ThreadId;
}

/// Whether occurrences and other calls into the client must exclude each other ([O2]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// They need not: rule (a), for 4.2.2 and later.
    Concurrent,
    /// One outer lock is held across every call: rule (b), which 4.2.0 and 4.2.1 need ([O3]).
    Serialized,
}
