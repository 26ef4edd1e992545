#[cfg(doc)]
use crate::contract::*;

/// One step at the boundary between libxl and its event loop, for diagnosis: what libxl asks, or is told.
///
/// Each thread's steps nest: what a hook, an occurrence or the ctx's end begins, it ends with its return. Handles are what
/// `for_app_registration` holds; they name a registration for ever. Values are libxl's `for_libxl`, which come again ([R10]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trace {
    /// Libxl calls fd_register.
    FdRegister {
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
        /// What occurrences have to pass.
        value: u64,
    },
    /// Libxl calls fd_modify.
    FdModify {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
    },
    /// Libxl calls fd_deregister.
    FdDeregister {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
    },
    /// Libxl calls timeout_register.
    TimeoutRegister {
        /// Seconds and microseconds of the wall clock.
        deadline: (i64, i64),
        /// What the occurrence has to pass.
        value: u64,
    },
    /// Libxl calls timeout_modify.
    TimeoutModify {
        /// The registration.
        handle: u64,
        /// Seconds and microseconds of the wall clock; both 0 to cancel ([R13]).
        deadline: (i64, i64),
    },
    /// Libxl calls timeout_deregister (4.2.0 and 4.2.1).
    TimeoutDeregister {
        /// The registration, also where libxl passes the handle's address ([R13]).
        handle: u64,
    },
    /// The thread's innermost hook returns.
    HookReturned {
        /// The registration; 0 where it was refused.
        handle: u64,
        /// What it returns: 0, or why it refused ([R3]).
        code: i32,
    },
    /// `libxl_osevent_occurred_fd` is about to be called.
    FdOccurrence {
        /// What libxl registered the fd with.
        value: u64,
        /// The fd.
        fd: i32,
        /// What was asked.
        events: i16,
        /// What was observed.
        revents: i16,
    },
    /// `libxl_osevent_occurred_timeout` is about to be called.
    TimeoutOccurrence {
        /// What libxl registered the timeout with.
        value: u64,
    },
    /// The thread's innermost occurrence has returned.
    OccurrenceReturned,
    /// `libxl_ctx_free` is about to be called.
    Free,
    /// It has returned: no step follows.
    Freed,
}

/// Obeys [R15]: it is called from inside hooks.
pub(crate) type Tracer = Box<dyn Fn(Trace) + Send + Sync>;
