//! The registry: the client's hooks on one side, the loop's sources on the other.
//!
//! # Walk
//! Hook → registry → [`EventLoop`]; and back: loop → [`FdSource::ready`] → (ended? gate?) →
//! [`Client`](crate::Client). No lock is held across any of these arrows, but for the outer lock of serialized clients ([O2]).
//!
//! # Who owns whom
//! The registry owns the client, the table holds the registrations that stand, and the loop holds its
//! sources, which refer to the registry weakly: no circle, and a loop that lets go late keeps
//! nothing but a few words. The owner of the client keeps the registry until [`Owner::closed`], so
//! that the hooks find it and the last reference never goes in one.
//!
//! # Registered in the table first, in the loop second
//! A source can be ready on another thread before the loop's method has returned, so the table must
//! know the registration before. That leaves a gap in which a sweep finds the registration in the
//! table while the loop does not have it yet. So whoever registers looks at the table again afterwards.
//! If that is before the sweep emptied it, the sweep ends what the loop already has; if it is after, the
//! one who registered does it. Only sources of the host's own and misplaced hooks get there ([X4]).

use crate::addresses::Addresses;
#[cfg(doc)]
use crate::contract::*;
use crate::gate::{Closed, Due, Gate, LockRule, ThreadId};
use crate::registration::{Dispatcher, Kind, Registration, Side};
use crate::table::Table;
use crate::{
    ClientValue, Deadline, EventLoop, FdSource, Interest, LoopError, Owner, Readiness, RegistrationError, TimerSource,
    Token,
};
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::marker::PhantomData;

/// The registrations of one client with one loop, and the gate to the client.
///
/// All methods may be called on any thread. None waits for more than a few instructions of another thread, with one exception:
/// with a serialized client, [`enter`](Self::enter) and the close wait for the outer lock.
///
/// The owner has to keep the registry until [`Owner::closed`] has been called. A registry that is dropped without a close
/// removes its sources from the loop and does not call [`Client::release`](crate::Client::release).
pub struct Registry<C: Owner> {
    gate: Gate,
    table: Table,
    addresses: Addresses,
    /// Each registration that somebody still refers to has a clone.
    alive: Arc<()>,
    event_loop: Arc<dyn EventLoop>,
    client: C,
    this: Weak<Self>,
}

/// Counts for diagnosis. Another thread may have changed them meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts add up those of several registries")]
pub struct Census {
    /// Registrations that have not ended, of the client and of the host itself.
    pub registered: usize,
    /// Registrations that are still referenced, also by the loop and by calls in progress.
    pub alive: usize,
    /// Threads inside the client, without the one that releases it.
    pub in_flight: usize,
}

/// A guard for a call into the client. While it exists, the client is not freed. It belongs to its thread.
///
/// Dropping it frees the client if the gate was closed meanwhile. So at that moment nothing of the client may be in use, and no
/// lock may be held that a hook takes.
#[must_use = "the client may only be called while this lives"]
pub struct ClientCall<'a, C: Owner> {
    registry: &'a Registry<C>,
    // The gate counts by thread.
    not_send: PhantomData<*const ()>,
}

impl<C: Owner> Registry<C> {
    /// Creates a registry on `event_loop`, for the client that `client` returns.
    ///
    /// `current_thread` identifies the calling thread. It returns a different value for each thread that exists.
    pub fn new(
        event_loop: Arc<dyn EventLoop>,
        rule: LockRule,
        current_thread: fn() -> ThreadId,
        client: impl FnOnce(&Weak<Self>) -> C,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            gate: Gate::new(current_thread, rule),
            table: Table::new(),
            addresses: Addresses::new(),
            alive: Arc::new(()),
            event_loop,
            client: client(this),
            this: this.clone(),
        })
    }

    /// The client.
    pub fn client(&self) -> &C {
        &self.client
    }

    /// The event loop that hosts the client.
    pub fn event_loop(&self) -> &Arc<dyn EventLoop> {
        &self.event_loop
    }

    /// The current counts.
    pub fn census(&self) -> Census {
        Census {
            registered: self.table.len(),
            alive: Arc::strong_count(&self.alive) - 1,
            in_flight: self.gate.in_flight(),
        }
    }

    // The gate.

    /// Begins a call into the client on this thread. Every call into the client needs one ([X4]); occurrences have their own.
    /// Calls nest.
    ///
    /// # Errors
    /// [`Closed`] after [`close`](Self::close), also for a nested call.
    pub fn enter(&self) -> Result<ClientCall<'_, C>, Closed> {
        self.gate.enter()?;
        Ok(ClientCall { registry: self, not_send: PhantomData })
    }

    /// Whether the calling thread is inside the client. If so, it must not wait for a close.
    pub fn is_inside(&self) -> bool {
        self.gate.current_is_inside()
    }

    /// Calls [`Owner::idle`] when no call into the client is in progress: now, or later on the thread whose call ends last.
    /// Several requests result in one call. A request inside [`Owner::idle`] recurses. After [`close`](Self::close) there are
    /// no more such calls.
    pub fn when_idle(&self) {
        if self.gate.when_idle() == Due::Idle {
            self.client.idle();
        }
    }

    /// Closes the gate: from now on no call into the client can begin. When the calls in progress have ended,
    /// [`Client::release`](crate::Client::release) is called. Then all remaining registrations are removed ([X6]), including those
    /// of the host itself, and [`Owner::closed`] is called. If no call is in progress, this happens now, on this thread.
    /// Otherwise it happens on the thread whose call ends last, when that call returns ([X5]). A second close does nothing.
    pub fn close(&self) {
        if self.gate.close() == Due::Release {
            self.release();
        }
    }

    /// Closes on this thread or not at all. If a call is in progress, nothing is closed; [`Owner::idle`] is then called when
    /// there is none, as after [`when_idle`](Self::when_idle), so that the owner can try again. Otherwise this is the same as
    /// [`close`](Self::close). Use it for a client that takes long to free, or that has to be freed on a certain thread. The
    /// owner has to prevent new calls; otherwise every try may fail.
    pub fn close_here(&self) {
        if self.gate.close_here() == Due::Release {
            self.release();
        }
    }

    fn release(&self) {
        let _finish = Finish(self);
        self.client.release();
    }

    fn sweep(&self) {
        for registration in self.table.sweep().iter() {
            self.end(registration);
        }
    }

    // The hooks; `hooks` has them in the client's own numbers.

    /// The `fd_register` hook.
    ///
    /// # Errors
    /// Nothing is registered. Return [`RegistrationError::code`] to the client ([R3]).
    pub fn register_fd(&self, fd: i32, interest: Interest, value: ClientValue) -> Result<Token, RegistrationError> {
        self.check_hook()?;
        self.add_fd(Side::Client, fd, interest, value)
    }

    /// The `fd_modify` hook. The handle remains the same ([R2]).
    ///
    /// # Errors
    /// The old interest remains.
    pub fn modify_fd(&self, handle: u64, fd: i32, interest: Interest) -> Result<(), RegistrationError> {
        self.check_hook()?;
        let registration = self.find(handle)?;
        Self::check_fd(&registration, Side::Client, fd)?;
        let Some(old) = registration.claim() else { return Err(RegistrationError::Ended(registration.token)) };
        // Both count meanwhile: a loop may report the new one before it returns, and an
        // edge-triggered one not again (O10).
        registration.set_interest(old | interest);
        let modified = self.event_loop.modify_fd(registration.token, interest);
        registration.set_interest(if modified.is_ok() { interest } else { old });
        Ok(modified?)
    }

    /// The `fd_deregister` hook. No occurrence is claimed after it has returned. An occurrence that was claimed before may still
    /// reach the client ([O3]), unless there is an outer lock.
    ///
    /// # Errors
    /// The client passed a wrong handle; nothing has changed. The hook itself has no result.
    pub fn deregister_fd(&self, handle: u64, fd: i32) -> Result<(), RegistrationError> {
        self.check_hook()?;
        let registration = self.find(handle)?;
        Self::check_fd(&registration, Side::Client, fd)?;
        if self.remove(&registration) { Ok(()) } else { Err(RegistrationError::Ended(registration.token)) }
    }

    /// The `timeout_register` hook.
    ///
    /// # Errors
    /// Nothing is registered. Return [`RegistrationError::code`] to the client ([R3]).
    pub fn register_timeout(&self, deadline: Deadline, value: ClientValue) -> Result<Token, RegistrationError> {
        self.check_hook()?;
        self.add_timeout(Side::Client, deadline, value)
    }

    /// The `timeout_modify` hook, in practice with `{0,0}` ([R13]). A timeout that has already been taken is ignored, without an
    /// error ([R14]).
    ///
    /// # Errors
    /// The handle is not that of a timeout of this registry; nothing has changed.
    pub fn modify_timeout(&self, handle: u64, deadline: Deadline) -> Result<(), RegistrationError> {
        self.check_hook()?;
        if let Some(registration) = self.find_timeout(handle)? {
            self.event_loop.modify_timer(registration.token, deadline);
        }
        Ok(())
    }

    /// The `timeout_deregister` hook of 4.2.0 and 4.2.1 ([R13]). A timeout that has already been taken is ignored, without an
    /// error ([R14]).
    ///
    /// # Errors
    /// The handle is not that of a timeout of this registry; nothing has changed.
    pub fn deregister_timeout(&self, handle: u64) -> Result<(), RegistrationError> {
        self.check_hook()?;
        if let Some(registration) = self.find_timeout(handle)? {
            self.remove(&registration);
        }
        Ok(())
    }

    /// The handle of the timeout will be at that address; it is needed for serialized clients only ([R13]).
    pub(crate) fn note_address(&self, address: u64, token: Token) {
        if self.gate.is_serialized() {
            self.addresses.note(address, token);
        }
    }

    /// The handle of the timeout that the client names by it, or by the address that it was written to.
    pub(crate) fn timeout_named(&self, named: u64) -> u64 {
        let token = Token::from_handle(named).or_else(|| self.addresses.find(named));
        token.map_or(named, Token::to_handle)
    }

    // Sources of the host's own.

    /// Watches an fd of the host itself. [`Owner::own_fd`] is called while it is ready, outside the gate.
    /// [`unwatch`](Self::unwatch) it before the fd is closed ([S5]).
    ///
    /// # Errors
    /// Nothing is watched.
    pub fn watch_fd(&self, fd: i32, interest: Interest, value: ClientValue) -> Result<Token, RegistrationError> {
        self.add_fd(Side::Owner, fd, interest, value)
    }

    /// Calls [`Owner::own_timeout`] once when `deadline` has passed, outside the gate.
    ///
    /// # Errors
    /// Nothing is watched.
    pub fn watch_deadline(&self, deadline: Deadline, value: ClientValue) -> Result<Token, RegistrationError> {
        self.add_timeout(Side::Owner, deadline, value)
    }

    /// Ends a watch of `watch_fd` or `watch_deadline`. Returns true unless it had ended before. For a timer, true means that
    /// [`Owner::own_timeout`] is never called for it. For an fd, a call of [`Owner::own_fd`] that was claimed earlier may still
    /// be in progress, or about to begin, on another thread.
    pub fn unwatch(&self, token: Token) -> bool {
        match self.find(token.to_handle()) {
            Ok(registration) if registration.side == Side::Owner => self.remove(&registration),
            _ => false,
        }
    }

    // Parts of the above.

    fn add_fd(&self, side: Side, fd: i32, interest: Interest, value: ClientValue) -> Result<Token, RegistrationError> {
        if fd < 0 {
            return Err(RegistrationError::NegativeFd(fd));
        }
        let registration = self.insert(side, Kind::Fd(fd), interest, value)?;
        let added = self.event_loop.add_fd(FdSource(registration.clone()), interest);
        self.settle(&registration, added)
    }

    fn add_timeout(&self, side: Side, deadline: Deadline, value: ClientValue) -> Result<Token, RegistrationError> {
        let registration = self.insert(side, Kind::Timeout, Interest::NONE, value)?;
        let added = self.event_loop.add_timer(TimerSource(registration.clone()), deadline);
        self.settle(&registration, added)
    }

    fn insert(
        &self,
        side: Side,
        kind: Kind,
        interest: Interest,
        value: ClientValue,
    ) -> Result<Arc<Registration>, RegistrationError> {
        let token = self.table.next_token()?;
        let (this, alive) = (self.this.clone(), self.alive.clone());
        let registration = Arc::new(Registration::new(token, side, kind, value, interest, this, alive));
        self.table.insert(&registration).map_err(|Closed| RegistrationError::Closed)?;
        Ok(registration)
    }

    /// After the loop has accepted or refused it: the second look at the table.
    fn settle(&self, registration: &Registration, added: Result<(), LoopError>) -> Result<Token, RegistrationError> {
        if let Err(refusal) = added {
            registration.end();
            self.table.remove(registration);
            return Err(refusal.into());
        }
        if self.table.is_swept() {
            self.end(registration);
        }
        Ok(registration.token)
    }

    /// Ends it, also for the loop. True for the one caller that did.
    fn end(&self, registration: &Registration) -> bool {
        let ended = registration.end();
        match registration.kind {
            Kind::Fd(_) => self.event_loop.remove_fd(registration.token),
            Kind::Timeout => self.event_loop.remove_timer(registration.token),
        }
        ended
    }

    /// The same for one that may still be in the table.
    fn remove(&self, registration: &Registration) -> bool {
        let ended = self.end(registration);
        if ended {
            self.table.remove(registration);
        }
        ended
    }

    fn find(&self, handle: u64) -> Result<Arc<Registration>, RegistrationError> {
        let token = Token::from_handle(handle).ok_or(RegistrationError::UnknownHandle(handle))?;
        self.table.find(token)
    }

    /// The client's timeout, unless it has been taken ([R14]).
    fn find_timeout(&self, handle: u64) -> Result<Option<Arc<Registration>>, RegistrationError> {
        match self.find(handle) {
            Err(RegistrationError::Ended(_)) => Ok(None),
            Ok(found) if found.kind != Kind::Timeout || found.side != Side::Client => {
                Err(RegistrationError::Mismatched(found.token))
            }
            found => found.map(Some),
        }
    }

    fn check_hook(&self) -> Result<(), RegistrationError> {
        if self.gate.is_serialized() && !self.gate.current_is_inside() {
            return Err(RegistrationError::OutsideClientCall);
        }
        Ok(())
    }

    fn check_fd(registration: &Registration, side: Side, fd: i32) -> Result<(), RegistrationError> {
        if registration.side != side || registration.kind != Kind::Fd(fd) {
            return Err(RegistrationError::Mismatched(registration.token));
        }
        Ok(())
    }
}

impl<C: Owner> Dispatcher for Registry<C> {
    fn dispatch_fd(&self, registration: &Registration, readiness: Readiness) -> bool {
        if self.client.is_in_hook() {
            // A loop that is told once only is told anew. Fails only for a token that the loop has forgotten meanwhile.
            if let Some(asked) = registration.claim() {
                let _ = self.event_loop.modify_fd(registration.token, asked);
            }
            return false;
        }
        if registration.side == Side::Owner {
            let Some(asked) = registration.claim() else { return false };
            let readiness = readiness.for_interest(asked);
            if !readiness.is_empty() {
                self.client.own_fd(registration.value, readiness);
            }
            return !readiness.is_empty();
        }
        // Claimed only inside the gate and the outer lock: under the latter no deregistration can
        // come between claim and occurrence.
        let Ok(_call) = self.enter() else {
            if registration.claim().is_some() {
                // Fails only for a token that the loop has forgotten meanwhile.
                let _ = self.event_loop.modify_fd(registration.token, Interest::NONE);
            }
            return false;
        };
        let Some(asked) = registration.claim() else { return false };
        let Kind::Fd(fd) = registration.kind else { unreachable!("only an FdSource gets here") };
        let mut readiness = readiness.for_interest(asked);
        if !readiness.is_empty() && self.gate.is_serialized() {
            // Whoever had the outer lock before may have served the fd, and this client believes what it is told (O4). A loop
            // that is level-triggered comes again when there is something.
            readiness = self.event_loop.confirm(fd, asked, readiness).for_interest(asked).with_interest_on_error(asked);
        }
        if readiness.is_empty() {
            return false;
        }
        self.client.occurred_fd(registration.value, fd, asked, readiness);
        true
    }

    fn dispatch_timeout(&self, registration: &Arc<Registration>) -> bool {
        if self.client.is_in_hook() {
            // The loop has let go of it. Should it end meanwhile, the loop keeps a source that does nothing. Should the loop refuse, the
            // timer never expires: there is no one left to ask.
            if registration.claim().is_some() {
                let _ = self.event_loop.add_timer(TimerSource(registration.clone()), Deadline::ASAP);
            }
            return false;
        }
        if registration.side == Side::Owner {
            if !registration.end() {
                return false;
            }
            self.table.remove(registration);
            self.client.own_timeout(registration.value);
            return true;
        }
        // Not taken where the gate is closed: the sweep takes it then (X6).
        let Ok(_call) = self.enter() else { return false };
        if !registration.end() {
            return false;
        }
        self.table.remove(registration);
        self.client.occurred_timeout(registration.value);
        true
    }
}

/// What follows the client's release, also when that unwinds: an outer lock held for ever would stop
/// the program, and an owner that waits for the close would wait for ever.
struct Finish<'a, C: Owner>(&'a Registry<C>);

impl<C: Owner> Drop for Finish<'_, C> {
    fn drop(&mut self) {
        self.0.gate.released();
        self.0.sweep();
        self.0.client.closed();
    }
}

impl<C: Owner> fmt::Debug for Registry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("census", &self.census()).finish_non_exhaustive()
    }
}

impl<C: Owner> fmt::Debug for ClientCall<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCall").field("registry", &self.registry).finish()
    }
}

impl<C: Owner> Drop for Registry<C> {
    fn drop(&mut self) {
        self.sweep();
    }
}

impl<C: Owner> ClientCall<'_, C> {
    /// The client. It may be called while this guard exists.
    pub fn client(&self) -> &C {
        &self.registry.client
    }
}

impl<C: Owner> Drop for ClientCall<'_, C> {
    fn drop(&mut self) {
        match self.registry.gate.leave() {
            Due::Nothing => {}
            Due::Idle => self.registry.client.idle(),
            Due::Release => self.registry.release(),
        }
    }
}
