//! The boundary between a libxl and its host, as libxl's C interface draws it.
//!
//! Everything that a case drives, a monitor watches and a faulty host gets wrong happens here, one level below xenlight
//! and osevent-core: numbers for pointers, poll(2)'s bits, gettimeofday(2)'s times. A host of any make can stand on one side, and a
//! model of libxl or libxl itself on the other.

#[cfg(doc)]
use crate::contract::*;
use serde::{Deserialize, Serialize};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::thread::ThreadId;

/// A `struct timeval` of gettimeofday(2): seconds and microseconds ([R11]).
pub type WallTime = (i64, i64);

/// What the host gives the client: `libxl_osevent_hooks`. The client holds its ctx lock in each call ([R1], [R15]).
///
/// `handle` is `for_app_registration`: the host's word for the registration, which the client keeps where the host can
/// write it and gives back verbatim ([R2]). `value` is `for_libxl`. What is returned is 0 or why not ([R3]).
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
    /// `timeout_deregister` (4.2.0 and 4.2.1 only, [R13]). 4.2.0 passes the address that `timeout_register` got as `handle`.
    fn timeout_deregister(&self, handle: u64);
}

/// What the client gives the host: libxl's functions that the loop calls.
pub trait Client: Send + Sync {
    /// `libxl_osevent_occurred_fd`.
    fn occurred_fd(&self, value: u64, fd: RawFd, events: i16, revents: i16);
    /// `libxl_osevent_occurred_timeout`.
    fn occurred_timeout(&self, value: u64);
    /// `libxl_ctx_free`, which calls `fd_deregister` for what is left ([X2]).
    fn free(&self);
}

/// One client in the care of a host.
pub trait Hosting: Hooks {
    /// Makes a call into the client as a thread of the application does. False, without having called, once the client is being closed.
    fn call(&self, call: &mut dyn FnMut()) -> bool;

    /// Lets go of the client: no call begins any more, and when none is in progress, [`Client::free`] is called once ([X4], [X5]). Does not
    /// wait for that.
    fn close(&self);
}

/// A way of hosting clients, on a loop that runs on a thread of its own until it is dropped.
pub trait Integration: Send + Sync {
    /// Takes the client in. Its hooks may be called as soon as this has returned.
    ///
    /// # Errors
    /// The host could not, for instance because fds have run out.
    fn host(&self, client: Arc<dyn Client>, rule: Rule) -> anyhow::Result<Arc<dyn Hosting>>;

    /// The thread that makes the occurrences.
    fn thread(&self) -> ThreadId;
}

/// How the client wants occurrences and other calls to exclude each other ([O2]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Not at all: rule (a), for 4.2.2 and later.
    Concurrent,
    /// One outer lock across every call: rule (b), which 4.2.0 and 4.2.1 need ([O3]).
    Serialized,
}
