#[cfg(doc)]
use crate::contract::*;

/// A step between libxl and its event loop, for diagnosis: a call of libxl to the loop, or of the loop to libxl.
///
/// On each thread the steps nest: each hook, occurrence and `libxl_ctx_free` has one step for its call and one for its return.
/// A handle is the value of `for_app_registration`; it identifies a registration and is never reused. A value is libxl's
/// `for_libxl`, which libxl does reuse ([R10]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trace {
    /// libxl calls `fd_register`.
    FdRegister {
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
        /// The value that occurrences pass.
        value: u64,
    },
    /// libxl calls `fd_modify`.
    FdModify {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
    },
    /// libxl calls `fd_deregister`.
    FdDeregister {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
    },
    /// libxl calls `timeout_register`.
    TimeoutRegister {
        /// Seconds and microseconds of the wall clock.
        deadline: (i64, i64),
        /// The value that the occurrence passes.
        value: u64,
    },
    /// libxl calls `timeout_modify`.
    TimeoutModify {
        /// The registration.
        handle: u64,
        /// Seconds and microseconds of the wall clock; both 0 to cancel ([R13]).
        deadline: (i64, i64),
    },
    /// libxl calls `timeout_deregister` (4.2.0 and 4.2.1).
    TimeoutDeregister {
        /// The registration. It is also given where libxl passes the address of the handle ([R13]).
        handle: u64,
    },
    /// The thread's innermost hook returns.
    HookReturned {
        /// The registration; 0 if it was refused.
        handle: u64,
        /// The result of the hook: 0, or the code of the refusal ([R3]).
        code: i32,
    },
    /// `libxl_osevent_occurred_fd` is about to be called.
    FdOccurrence {
        /// The value that libxl registered the fd with.
        value: u64,
        /// The fd.
        fd: i32,
        /// The requested events, as poll(2)'s bits.
        events: i16,
        /// The observed events, as poll(2)'s bits.
        revents: i16,
    },
    /// `libxl_osevent_occurred_timeout` is about to be called.
    TimeoutOccurrence {
        /// The value that libxl registered the timeout with.
        value: u64,
    },
    /// The thread's innermost occurrence has returned.
    OccurrenceReturned,
    /// `libxl_ctx_free` is about to be called.
    Free,
    /// `libxl_ctx_free` has returned. No step follows.
    Freed,
}

/// Obeys [R15]: it is called from inside hooks.
pub(crate) type Tracer = Box<dyn Fn(Trace) + Send + Sync>;
