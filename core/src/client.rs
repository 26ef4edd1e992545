#[cfg(doc)]
use crate::contract::*;
use crate::{Interest, Readiness, RegistrationError};
use core::fmt;

/// The client's own value for a registration (`for_libxl`). It is passed back unchanged and never interpreted. It is not unique
/// ([R10]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number, which is all that it can be")]
pub struct ClientValue(pub u64);

/// The hosted library: the three calls that the core makes to it.
///
/// No lock of this crate is held in these calls, except the outer lock of
/// [`LockRule::Serialized`](crate::LockRule::Serialized) where documented. A call that unwinds leaves the gate and releases the
/// outer lock, the same as a call that returns.
pub trait Client: Send + Sync + 'static {
    /// The fd is ready (`libxl_osevent_occurred_fd`). The calling thread is inside the gate, and holds the outer lock if there
    /// is one. `asked` is the interest at the moment when the occurrence was claimed; while an `fd_modify` is in progress, it
    /// is the union of the old and the new interest. The call can arrive after the deregistration, unless there is an outer
    /// lock ([O3]).
    fn occurred_fd(&self, value: ClientValue, fd: i32, asked: Interest, readiness: Readiness);

    /// The timeout has expired or was cancelled with `{0,0}` (`libxl_osevent_occurred_timeout`). Called once for each
    /// registration ([O5]), with gate and lock as for [`occurred_fd`](Self::occurred_fd).
    fn occurred_timeout(&self, value: ClientValue);

    /// Frees the client (`libxl_ctx_free`): the gate is closed, and no call is in progress. Called once, on the thread that
    /// closed the gate or was the last to leave it, outside all calls into the client ([X4], [X5]), with the outer lock held if
    /// there is one. Hooks are still answered ([X2]); new calls into the client are refused.
    fn release(&self);
}

/// The code that owns and hosts the client: the notifications that it gets from its [`Registry`](crate::Registry).
///
/// All methods have defaults. `impl Owner for … {}` is enough for an owner that has no sources of its own, keeps the registry
/// elsewhere and does not use [`when_idle`](crate::Registry::when_idle). No lock of this crate is held in these calls.
pub trait Owner: Client {
    /// [`release`](Client::release) has returned or unwound, and the registrations that it left have been removed ([X6]), so
    /// nothing is registered any more. Called once, on the thread of `release`, without the outer lock. The owner may drop its
    /// reference to the registry here.
    fn closed(&self) {}

    /// No call into the client was in progress for a moment; requested by
    /// [`Registry::when_idle`](crate::Registry::when_idle). Called outside the gate and the outer lock, so another thread may
    /// have entered or closed the gate meanwhile.
    fn idle(&self) {}

    /// Whether the calling thread is inside a hook of this client, or of another client during whose hooks this one must not be
    /// called. No occurrence is made there ([O1]). If a hook runs the loop again and the loop reports a source, nothing happens
    /// and the source stays due.
    ///
    /// With the feature `std` the default knows every hook that is called through [`Registry::hooks`](crate::Registry::hooks).
    /// Without it, the owner has to implement this with [`hook_called`](Self::hook_called) and
    /// [`hook_returns`](Self::hook_returns).
    fn is_in_hook(&self) -> bool {
        #[cfg(feature = "std")]
        let inside = crate::is_in_hook();
        #[cfg(not(feature = "std"))]
        let inside = false;
        inside
    }

    /// The client calls a hook, through [`Registry::hooks`](crate::Registry::hooks), on any thread, and holds its own lock. The
    /// rules for the registration methods of [`EventLoop`](crate::EventLoop) apply: this must not wait for another thread, call
    /// the client, or panic. The registration does not exist yet. Once it exists, an occurrence may be made on another thread
    /// before [`hook_returns`](Self::hook_returns).
    fn hook_called(&self, call: HookCall) {
        let _ = call;
    }

    /// The hook is about to return to the client, on the same thread. `answer` is the handle of the registration or the reason
    /// for a refusal ([R3]). The two hooks that end a registration have no result, so a wrong handle is only reported here.
    fn hook_returns(&self, call: HookCall, answer: Result<u64, &RegistrationError>) {
        let _ = (call, answer);
    }

    /// A source of the host itself, added with [`Registry::watch_fd`](crate::Registry::watch_fd), is ready. Called outside the
    /// gate, so a call that was claimed earlier can arrive after [`unwatch`](crate::Registry::unwatch),
    /// [`release`](Client::release) and [`closed`](Self::closed).
    fn own_fd(&self, value: ClientValue, readiness: Readiness) {
        let _ = (value, readiness);
    }

    /// A timer of the host itself, added with [`Registry::watch_deadline`](crate::Registry::watch_deadline), has expired. Called
    /// once, and never if [`unwatch`](crate::Registry::unwatch) returned true for it. Called outside the gate, as
    /// [`own_fd`](Self::own_fd).
    fn own_timeout(&self, value: ClientValue) {
        let _ = value;
    }
}

/// A call of a hook, with the client's own numbers, for [`Owner::hook_called`] and [`Owner::hook_returns`].
///
/// The displayed text begins with the name of the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "libxl has these six hooks; a seventh is another contract")]
pub enum HookCall {
    /// `fd_register`
    FdRegister {
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
        /// The value that occurrences pass.
        value: ClientValue,
    },
    /// `fd_modify`
    FdModify {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
    },
    /// `fd_deregister`
    FdDeregister {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
    },
    /// `timeout_register`
    TimeoutRegister {
        /// Seconds of the wall clock.
        secs: i64,
        /// Additional microseconds.
        micros: i64,
        /// The value that the occurrence passes.
        value: ClientValue,
    },
    /// `timeout_modify`
    TimeoutModify {
        /// The registration.
        handle: u64,
        /// Seconds of the wall clock. Seconds and microseconds are both 0 to cancel ([R13]).
        secs: i64,
        /// Additional microseconds.
        micros: i64,
    },
    /// `timeout_deregister`
    TimeoutDeregister {
        /// The registration. It is also given where the client passed the address of the handle ([R13]).
        handle: u64,
    },
}

impl HookCall {
    /// Whether the hook has a result. The two hooks that end a registration have none.
    pub const fn has_result(&self) -> bool {
        !matches!(self, Self::FdDeregister { .. } | Self::TimeoutDeregister { .. })
    }
}

impl fmt::Display for HookCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FdRegister { fd, events, .. } => write!(f, "fd_register of fd {fd} for {events:#x}"),
            Self::FdModify { handle, fd, events } => write!(f, "fd_modify of {handle:#x}, fd {fd}, to {events:#x}"),
            Self::FdDeregister { handle, fd } => write!(f, "fd_deregister of {handle:#x}, fd {fd}"),
            Self::TimeoutRegister { secs, micros, .. } => write!(f, "timeout_register of {{{secs}, {micros}}}"),
            Self::TimeoutModify { handle, secs, micros } => {
                write!(f, "timeout_modify of {handle:#x} to {{{secs}, {micros}}}")
            }
            Self::TimeoutDeregister { handle } => write!(f, "timeout_deregister of {handle:#x}"),
        }
    }
}
