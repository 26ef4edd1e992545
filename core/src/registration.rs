//! One registration: what the client asked for with one hook call.
//!
//! # References
//! A registration lives as long as anybody refers to it: the client, from the hook that registers
//! until it deregisters or its timeout is taken (the registry's table is that reference); the loop, from
//! entering it until it has really let go (a source is that reference); each occurrence in flight
//! (the source that it was made through). The last one frees it, wherever that happens, hooks and
//! the loop's own locks included. That is harmless there: a registration is plain data, and it refers to
//! its registry weakly, so its end calls neither client nor loop, and runs nothing of the user's. For the time of
//! an occurrence the reference is made strong: the client does not die under its own feet, and if
//! its owner lets go meanwhile it dies in the dispatch, where no lock is held.
//!
//! # Ended
//! One word of state holds the interest and the mark `ENDED`, which is never cleared. Setting it is
//! an atomic exchange, so that of expiry, deregistration and sweep exactly one *takes* a timeout
//! ([O5], [R14]); `{0,0}` takes nothing, it only makes the expiry come soon. An fd's occurrence is
//! *claimed* by reading the word, a timeout's by taking it; none is claimed after deregistration
//! has returned, because deregistration has set the mark.
//!
//! All accesses to the word are relaxed: it publishes no other memory (everything else here is
//! written before the registration is shared, and never again); uniqueness of the taker needs only
//! that each exchange is one modification; and on a thread that knows that a deregistration
//! returned, because something synchronized the two, coherence makes the read find the mark.

#[cfg(doc)]
use crate::contract::*;
use crate::sync::{AtomicU32, Ordering};
use crate::{ClientValue, Interest, Readiness, Token};
use alloc::sync::{Arc, Weak};
use core::fmt;

/// Whose registration it is: the client's, dispatched inside the gate, or one of the host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fd(i32),
    Timeout,
}

const ENDED: u32 = 1 << 16;

pub(crate) struct Registration {
    pub(crate) token: Token,
    pub(crate) side: Side,
    pub(crate) kind: Kind,
    pub(crate) value: ClientValue,
    /// The interest's bits and `ENDED`.
    state: AtomicU32,
    registry: Weak<dyn Dispatcher>,
    /// Counted for the census.
    _alive: Arc<()>,
}

/// The registry, as a source sees it: without the client's type.
pub(crate) trait Dispatcher: Send + Sync {
    fn dispatch_fd(&self, registration: &Registration, readiness: Readiness) -> bool;
    fn dispatch_timeout(&self, registration: &Arc<Registration>) -> bool;
}

impl Registration {
    pub(crate) fn new(
        token: Token,
        side: Side,
        kind: Kind,
        value: ClientValue,
        interest: Interest,
        registry: Weak<dyn Dispatcher>,
        alive: Arc<()>,
    ) -> Self {
        let state = AtomicU32::new(interest.bits().into());
        Self { token, side, kind, value, state, registry, _alive: alive }
    }

    /// The interest, unless the registration has ended.
    pub(crate) fn claim(&self) -> Option<Interest> {
        let state = self.state.load(Ordering::Relaxed);
        (state & ENDED == 0).then(|| Interest::from_bits(state as u16))
    }

    /// Ends it. True for the one caller that did.
    pub(crate) fn end(&self) -> bool {
        self.state.fetch_or(ENDED, Ordering::Relaxed) & ENDED == 0
    }

    pub(crate) fn set_interest(&self, interest: Interest) {
        // The update never fails: the closure always has a next state.
        let _ = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            Some(state & ENDED | u32::from(interest.bits()))
        });
    }
}

/// The loop's reference to an fd registration. Keep it as long as the loop may still report the fd. A loop that collects ready
/// fds and handles them later can keep clones. It may be dropped anywhere, also under the loop's own locks. It keeps neither
/// the client nor the loop alive.
#[derive(Clone)]
pub struct FdSource(pub(crate) Arc<Registration>);

impl FdSource {
    /// The token of the registration.
    pub fn token(&self) -> Token {
        self.0.token
    }

    /// The fd to watch: the client's own number, not a duplicate ([O11]). The client closes it.
    pub fn fd(&self) -> i32 {
        match self.0.kind {
            Kind::Fd(fd) => fd,
            Kind::Timeout => unreachable!("an FdSource is made for fds only"),
        }
    }

    /// Makes an occurrence on the calling thread and returns true, if the registration has not ended, the gate is open, and
    /// poll(2) would report a bit of `readiness` for the interest. Otherwise it returns false.
    ///
    /// This can take seconds, because the client works in it and waits for its own lock ([O12], [O8]). It calls the loop's
    /// registration methods. It frees the client if a close waits for this call. So hold no lock that these calls take ([O2]).
    /// It must not be called inside a hook ([O1]). A panic of a client written in Rust unwinds through this call, which has left
    /// the gate by then.
    ///
    /// If the gate is closed, this sets the interest of the source in the loop to none, so that a level-triggered loop does not
    /// spin until the client is freed.
    pub fn ready(&self, readiness: Readiness) -> bool {
        self.0.registry.upgrade().is_some_and(|registry| registry.dispatch_fd(&self.0, readiness))
    }
}

/// The loop's reference to a timeout registration. Like an [`FdSource`], it may be dropped anywhere.
pub struct TimerSource(pub(crate) Arc<Registration>);

impl TimerSource {
    /// The token of the registration.
    pub fn token(&self) -> Token {
        self.0.token
    }

    /// Makes the only occurrence of the timer on the calling thread and returns true, unless the timer has been taken before
    /// ([O5]). The rules of [`FdSource::ready`] apply.
    pub fn expire(self) -> bool {
        self.0.registry.upgrade().is_some_and(|registry| registry.dispatch_timeout(&self.0))
    }
}

impl fmt::Debug for FdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FdSource({}, fd {})", self.token(), self.fd())
    }
}

impl fmt::Debug for TimerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimerSource({})", self.token())
    }
}
