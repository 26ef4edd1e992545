#[cfg(doc)]
use crate::contract::*;
use crate::{Interest, Readiness, RegistrationError};
use core::fmt;

/// The hosted library's number for a registration (`for_libxl`): given back verbatim, never
/// interpreted, not unique ([R10]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number, which is all that it can be")]
pub struct ClientValue(pub u64);

/// The library that is hosted, seen from the core: the three things that are done to it.
///
/// No lock of this crate is held in any of these calls, except the outer lock of
/// [`LockRule::Serialized`](crate::LockRule::Serialized) where that is said. A call that unwinds
/// leaves gate and outer lock as one that returns.
pub trait Client: Send + Sync + 'static {
    /// The fd is ready (`libxl_osevent_occurred_fd`). The calling thread is inside the gate, and
    /// under the outer lock if there is one. `asked` is the interest in force when the occurrence was
    /// claimed; while an fd_modify runs, old and new both are. It can arrive after its
    /// deregistration, unless there is an outer lock ([O3]).
    fn occurred_fd(&self, value: ClientValue, fd: i32, asked: Interest, readiness: Readiness);

    /// The timeout has expired or was cancelled with `{0,0}` (`libxl_osevent_occurred_timeout`):
    /// once for each registration ([O5]). Gate and lock as for [`occurred_fd`](Self::occurred_fd).
    fn occurred_timeout(&self, value: ClientValue);

    /// The gate is closed and empty: free the client (`libxl_ctx_free`). Called once, on the thread
    /// that closed the gate or left it last, outside every call into the client ([X4], [X5]), under the
    /// outer lock if there is one. Hooks are still answered ([X2]); new calls into the client are
    /// refused.
    fn release(&self);
}

/// Whoever owns the client and hosts it, seen from the core: what its [`Registry`](crate::Registry) tells it.
///
/// Nothing here is about the client's own work, so each method has a default, and `impl Owner for … {}` does for whoever
/// has no sources of its own, keeps the registry elsewhere and never asks for an idle moment. No lock of this crate is held
/// in any of these calls.
pub trait Owner: Client {
    /// Nothing is registered any more: [`release`](Client::release) has returned or unwound, and what it left
    /// behind is swept ([X6]). Called once, after it, on the same thread, without the outer lock. The
    /// owner may drop its reference to the registry here.
    fn closed(&self) {}

    /// There was a moment without any call into the client, as
    /// [`Registry::when_idle`](crate::Registry::when_idle) asked to be told. Outside the gate and the
    /// outer lock, so another thread may be inside again, or have closed the gate, by now.
    fn idle(&self) {}

    /// Whether the calling thread is inside a hook of this client, or of any other that this one must not be called under. Nothing is
    /// dispatched there ([O1]): a source that a loop reports all the same, run again by a hook, does nothing now, and stays due.
    ///
    /// With the feature `std` this is known of every hook that comes through [`Registry::hooks`](crate::Registry::hooks).
    /// Without it the owner answers, by what [`hook_called`](Self::hook_called) and [`hook_returns`](Self::hook_returns) tell it.
    fn is_in_hook(&self) -> bool {
        #[cfg(feature = "std")]
        let inside = crate::is_in_hook();
        #[cfg(not(feature = "std"))]
        let inside = false;
        inside
    }

    /// The client calls a hook, through [`Registry::hooks`](crate::Registry::hooks): on any thread, with the client's own
    /// lock held by its caller. The same rules hold as for the [`EventLoop`](crate::EventLoop)'s registration methods: it must not
    /// wait for another thread, call the client, or panic. Nothing is registered yet, and once it is, an occurrence may come
    /// on another thread before [`hook_returns`](Self::hook_returns).
    fn hook_called(&self, call: HookCall) {
        let _ = call;
    }

    /// The hook is about to return to the client, on the same thread: with the registration's handle, or because of what it
    /// refuses ([R3]). For the two hooks that end a registration, which have no result, this is the only place
    /// where a wrong handle shows.
    fn hook_returns(&self, call: HookCall, answer: Result<u64, &RegistrationError>) {
        let _ = (call, answer);
    }

    /// A source of the host's own, added with [`Registry::watch_fd`](crate::Registry::watch_fd), is
    /// ready. Outside the gate, so a call that was claimed before can arrive after
    /// [`unwatch`](crate::Registry::unwatch), [`release`](Client::release) and [`closed`](Self::closed).
    fn own_fd(&self, value: ClientValue, readiness: Readiness) {
        let _ = (value, readiness);
    }

    /// A timer of the host's own, added with
    /// [`Registry::watch_deadline`](crate::Registry::watch_deadline), has expired: once, and never if
    /// [`unwatch`](crate::Registry::unwatch) was true for it. Outside the gate, as [`own_fd`](Self::own_fd).
    fn own_timeout(&self, value: ClientValue) {
        let _ = value;
    }
}

/// One call of a hook, in the client's own numbers, as [`Owner::hook_called`] and [`Owner::hook_returns`] see it.
///
/// Displayed with the hook's name first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "libxl has these six hooks; a seventh is another contract")]
pub enum HookCall {
    /// `fd_register`
    FdRegister {
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
        /// What occurrences have to pass.
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
        /// Microseconds beside them.
        micros: i64,
        /// What the occurrence has to pass.
        value: ClientValue,
    },
    /// `timeout_modify`
    TimeoutModify {
        /// The registration.
        handle: u64,
        /// Seconds of the wall clock; 0 with no microseconds to cancel ([R13]).
        secs: i64,
        /// Microseconds beside them.
        micros: i64,
    },
    /// `timeout_deregister`
    TimeoutDeregister {
        /// The registration, also where the client passed the address of its handle ([R13]).
        handle: u64,
    },
}

impl HookCall {
    /// Whether the client is told the answer: the two hooks that end a registration have no result.
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
