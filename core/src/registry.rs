//! The registry: the guest's hooks on one side, the loop's sources on the other.
//!
//! # Walk
//! Hook → registry → [`EventLoop`]; and back: loop → [`FdSource::ready`] → (ended? gate?) →
//! [`Guest`]. No lock is held across any of these arrows, but for the outer lock of serialized guests (O2).
//!
//! # Who may free what
//! The registry owns the guest, every registration refers to the registry, the table holds the guest's
//! registrations, and the loop holds its sources: a circle, broken by the sweep at the end of a close.
//! The owner of the guest keeps its own reference until [`Guest::closed`], so that the last one
//! never goes in a hook.

use crate::gate::{Closed, Due, Gate, LockRule, ThreadId};
use crate::registration::{Dispatcher, Kind, Owner, Registration};
use crate::sync::{AtomicUsize, Lock, Ordering};
use crate::{
    Deadline, EventLoop, FdSource, Guest, GuestValue, Interest, Readiness, RegistrationError, TimerSource, Token,
};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::hash::{BuildHasherDefault, Hasher};
use core::marker::PhantomData;
use hashbrown::HashMap;

/// The registrations of one guest with one loop, and the gate to the guest.
///
/// All methods may be called from any thread. None waits, except for a few instructions, and
/// [`enter`](Self::enter) for the outer lock of a serialized guest.
pub struct Registry<G: Guest> {
    number: u32,
    gate: Gate,
    table: Lock<Table>,
    /// Registrations that somebody still refers to; publishes nothing.
    alive: AtomicUsize,
    event_loop: Arc<dyn EventLoop>,
    guest: G,
    this: Weak<Self>,
}

/// How much is there, for diagnosis: another thread may have changed it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Registrations that stand: the guest's and the host's own.
    pub registered: usize,
    /// Registrations that still have a reference, the loop's and those in flight included.
    pub alive: usize,
    /// Threads inside the guest.
    pub in_flight: usize,
}

/// A call into the guest: while it lives, the guest is not freed. It belongs to its thread.
///
/// Dropping it can free the guest, if the gate was closed meanwhile; so nothing of the guest may be
/// in use then, and no lock that a hook takes.
#[must_use = "the guest may only be called while this lives"]
pub struct GuestCall<'a, G: Guest> {
    registry: &'a Registry<G>,
    // The gate counts by thread.
    not_send: PhantomData<*const ()>,
}

struct Table {
    next_serial: u64,
    standing: HashMap<u64, Arc<Registration>, BuildHasherDefault<SerialHasher>>,
}

// Not loom's: it only has to be different for each registry, and statics outlive a loom model.
static NEXT_NUMBER: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(1);

impl<G: Guest> Registry<G> {
    /// A registry for the guest that `guest` makes, hosted by `event_loop`.
    ///
    /// `current_thread` names the calling thread: a different value for each thread that is alive.
    pub fn new(
        event_loop: Arc<dyn EventLoop>,
        rule: LockRule,
        current_thread: fn() -> ThreadId,
        guest: impl FnOnce(&Weak<Self>) -> G,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            // Relaxed: only the value matters.
            number: NEXT_NUMBER.fetch_add(1, core::sync::atomic::Ordering::Relaxed),
            gate: Gate::new(current_thread, rule),
            table: Lock::new(Table { next_serial: 1, standing: HashMap::default() }),
            alive: AtomicUsize::new(0),
            event_loop,
            guest: guest(this),
            this: this.clone(),
        })
    }

    /// The guest.
    pub fn guest(&self) -> &G {
        &self.guest
    }

    /// The loop that hosts it.
    pub fn event_loop(&self) -> &Arc<dyn EventLoop> {
        &self.event_loop
    }

    /// What is there now.
    pub fn census(&self) -> Census {
        Census {
            registered: self.table.lock().standing.len(),
            alive: self.alive.load(Ordering::Relaxed),
            in_flight: self.gate.in_flight(),
        }
    }

    // The gate.

    /// Begins a call into the guest on this thread. Calls nest.
    ///
    /// # Errors
    /// [`Closed`] once [`close`](Self::close) was called, also for a nested call.
    pub fn enter(&self) -> Result<GuestCall<'_, G>, Closed> {
        self.gate.enter()?;
        Ok(GuestCall { registry: self, not_send: PhantomData })
    }

    /// Whether the calling thread is inside the guest: there it must not wait for a close.
    pub fn is_inside(&self) -> bool {
        self.gate.current_is_inside()
    }

    /// Calls [`Guest::idle`] when no call into the guest is in progress: now, or when the last one
    /// leaves. Asking twice before it came is asking once; after `close` it may not come at all.
    pub fn when_idle(&self) {
        if self.gate.when_idle() == Due::Idle {
            self.guest.idle();
        }
    }

    /// Closes the gate. No call into the guest begins any more; when those in progress are over
    /// ([`Guest::release`] is called, what it left registered is swept (X6), and [`Guest::closed`]
    /// is called): on this thread, now, where none is in progress; on that of the last one otherwise.
    /// Calling it again does nothing.
    pub fn close(&self) {
        if self.gate.close() == Due::Release {
            self.release();
        }
    }

    fn release(&self) {
        self.guest.release();
        self.gate.released();
        let swept: Vec<_> = self.table.lock().standing.drain().collect();
        for (_, registration) in swept {
            self.withdraw(&registration);
        }
        self.guest.closed();
    }

    // The hooks.

    /// The fd_register hook.
    ///
    /// # Errors
    /// Nothing is registered; return [`RegistrationError::code`] to the guest (R3).
    pub fn register_fd(&self, fd: i32, interest: Interest, value: GuestValue) -> Result<Token, RegistrationError> {
        self.check_hook()?;
        self.add_fd(Owner::Guest, fd, interest, value)
    }

    /// The fd_modify hook. The handle stays the same (R2).
    ///
    /// # Errors
    /// The old interest stays in force.
    pub fn modify_fd(&self, handle: u64, fd: i32, interest: Interest) -> Result<(), RegistrationError> {
        self.check_hook()?;
        let registration = self.find(handle)?;
        Self::check_fd(&registration, Owner::Guest, fd)?;
        self.event_loop.modify_fd(registration.token, interest)?;
        registration.set_interest(interest);
        Ok(())
    }

    /// The fd_deregister hook. No occurrence is claimed after it has returned; one that was
    /// claimed before may still reach the guest (O3), unless there is an outer lock.
    ///
    /// # Errors
    /// The guest passed a wrong handle; nothing has changed. The hook has no result to tell it by.
    pub fn deregister_fd(&self, handle: u64, fd: i32) -> Result<(), RegistrationError> {
        self.check_hook()?;
        let registration = self.find(handle)?;
        Self::check_fd(&registration, Owner::Guest, fd)?;
        self.remove(&registration);
        Ok(())
    }

    /// The timeout_register hook.
    ///
    /// # Errors
    /// Nothing is registered; return [`RegistrationError::code`] to the guest (R3).
    pub fn register_timeout(&self, deadline: Deadline, value: GuestValue) -> Result<Token, RegistrationError> {
        self.check_hook()?;
        self.add_timeout(Owner::Guest, deadline, value)
    }

    /// The timeout_modify hook, in practice `{0,0}` (R13). A timeout that has been taken already is
    /// left alone, without an error (R14).
    ///
    /// # Errors
    /// The handle is no timeout's of this registry; nothing has changed.
    pub fn modify_timeout(&self, handle: u64, deadline: Deadline) -> Result<(), RegistrationError> {
        self.check_hook()?;
        let registration = match self.find(handle) {
            Err(RegistrationError::Ended(_)) => return Ok(()),
            found => found?,
        };
        if registration.kind != Kind::Timeout || registration.owner != Owner::Guest {
            return Err(RegistrationError::Mismatched(registration.token));
        }
        self.event_loop.modify_timer(registration.token, deadline);
        Ok(())
    }

    /// The timeout_deregister hook of 4.2.0 and 4.2.1 (R13). One that has been taken already is
    /// left alone, without an error (R14).
    ///
    /// # Errors
    /// The handle is no timeout's of this registry; nothing has changed.
    pub fn deregister_timeout(&self, handle: u64) -> Result<(), RegistrationError> {
        self.check_hook()?;
        let registration = match self.find(handle) {
            Err(RegistrationError::Ended(_)) => return Ok(()),
            found => found?,
        };
        if registration.kind != Kind::Timeout || registration.owner != Owner::Guest {
            return Err(RegistrationError::Mismatched(registration.token));
        }
        self.remove(&registration);
        Ok(())
    }

    // Sources of the host's own.

    /// Watches an fd of the host's own beside the guest's: [`Guest::own_fd`] is called while it is
    /// ready, outside the gate. [`unwatch`](Self::unwatch) it before the fd is closed (S5).
    ///
    /// # Errors
    /// Nothing is watched.
    pub fn watch_fd(&self, fd: i32, interest: Interest, value: GuestValue) -> Result<Token, RegistrationError> {
        self.add_fd(Owner::Own, fd, interest, value)
    }

    /// Calls [`Guest::own_timeout`] once, when `deadline` has passed, outside the gate.
    ///
    /// # Errors
    /// Nothing is watched.
    pub fn watch_deadline(&self, deadline: Deadline, value: GuestValue) -> Result<Token, RegistrationError> {
        self.add_timeout(Owner::Own, deadline, value)
    }

    /// Ends what `watch_fd` or `watch_deadline` began; true unless it had ended before.
    pub fn unwatch(&self, token: Token) -> bool {
        match self.find(token.to_handle()) {
            Ok(registration) if registration.owner == Owner::Own => {
                self.remove(&registration);
                true
            }
            _ => false,
        }
    }

    // Parts of the above.

    fn add_fd(&self, owner: Owner, fd: i32, interest: Interest, value: GuestValue) -> Result<Token, RegistrationError> {
        if fd < 0 {
            return Err(RegistrationError::NegativeFd(fd));
        }
        let registration = self.insert(owner, Kind::Fd(fd), interest, value)?;
        self.event_loop
            .add_fd(FdSource(registration.clone()), interest)
            .map_err(|refusal| self.take_back(&registration, refusal))?;
        Ok(registration.token)
    }

    fn add_timeout(&self, owner: Owner, deadline: Deadline, value: GuestValue) -> Result<Token, RegistrationError> {
        let registration = self.insert(owner, Kind::Timeout, Interest::NONE, value)?;
        self.event_loop
            .add_timer(TimerSource(registration.clone()), deadline)
            .map_err(|refusal| self.take_back(&registration, refusal))?;
        Ok(registration.token)
    }

    /// Before the loop gets its source: the guest's reference must be there when an occurrence
    /// comes, which can be on another thread before the loop's method has returned.
    fn insert(
        &self,
        owner: Owner,
        kind: Kind,
        interest: Interest,
        value: GuestValue,
    ) -> Result<Arc<Registration>, RegistrationError> {
        let this = self.this.upgrade().ok_or(RegistrationError::Closed)?;
        if !self.gate.answers_hooks() {
            return Err(RegistrationError::Closed);
        }
        let serial = {
            let mut table = self.table.lock();
            table.next_serial += 1;
            table.next_serial - 1
        };
        let token = Token::new(self.number, serial);
        let registration = Arc::new(Registration::new(token, owner, kind, value, interest, this));
        self.table.lock().standing.insert(serial, registration.clone());
        Ok(registration)
    }

    fn take_back(&self, registration: &Registration, refusal: crate::LoopError) -> RegistrationError {
        registration.end();
        self.forget(registration);
        refusal.into()
    }

    fn forget(&self, registration: &Registration) {
        // Dropped after the lock is: the last reference may go here.
        let _forgotten = self.table.lock().standing.remove(&registration.token.serial());
    }

    fn remove(&self, registration: &Registration) {
        if registration.end() {
            self.forget(registration);
        }
        self.withdraw(registration);
    }

    fn withdraw(&self, registration: &Registration) {
        registration.end();
        match registration.kind {
            Kind::Fd(_) => self.event_loop.remove_fd(registration.token),
            Kind::Timeout => self.event_loop.remove_timer(registration.token),
        }
    }

    fn find(&self, handle: u64) -> Result<Arc<Registration>, RegistrationError> {
        let unknown = RegistrationError::UnknownHandle(handle);
        let Some(token) = Token::from_handle(handle) else { return Err(unknown) };
        if token.registry() != Token::new(self.number, 0).registry() {
            return Err(unknown);
        }
        let table = self.table.lock();
        match table.standing.get(&token.serial()) {
            Some(registration) => Ok(registration.clone()),
            None if token.serial() != 0 && token.serial() < table.next_serial => Err(RegistrationError::Ended(token)),
            None => Err(unknown),
        }
    }

    fn check_hook(&self) -> Result<(), RegistrationError> {
        if self.gate.is_serialized() && !self.gate.current_is_inside() {
            return Err(RegistrationError::OutsideGuestCall);
        }
        Ok(())
    }

    fn check_fd(registration: &Registration, owner: Owner, fd: i32) -> Result<(), RegistrationError> {
        if registration.owner != owner || registration.kind != Kind::Fd(fd) {
            return Err(RegistrationError::Mismatched(registration.token));
        }
        Ok(())
    }
}

impl<G: Guest> Dispatcher for Registry<G> {
    fn dispatch_fd(&self, registration: &Registration, readiness: Readiness) -> bool {
        if registration.owner == Owner::Own {
            let Some(asked) = registration.claim() else { return false };
            let readiness = readiness.for_interest(asked);
            if !readiness.is_empty() {
                self.guest.own_fd(registration.value, readiness);
            }
            return !readiness.is_empty();
        }
        // Claimed only inside the gate and the outer lock: under the latter no deregistration can
        // come between claim and occurrence.
        let Ok(_call) = self.enter() else { return false };
        let Some(asked) = registration.claim() else { return false };
        let mut readiness = readiness.for_interest(asked);
        if readiness.is_empty() {
            return false;
        }
        if self.gate.is_serialized() {
            readiness = readiness.with_interest_on_error(asked);
        }
        let Kind::Fd(fd) = registration.kind else { unreachable!("only an FdSource gets here") };
        self.guest.occurred_fd(registration.value, fd, asked, readiness);
        true
    }

    fn dispatch_timeout(&self, registration: &Registration) -> bool {
        if registration.owner == Owner::Own {
            if !registration.end() {
                return false;
            }
            self.forget(registration);
            self.guest.own_timeout(registration.value);
            return true;
        }
        // Not taken where the gate is closed: the sweep takes it then (X6).
        let Ok(_call) = self.enter() else { return false };
        if !registration.end() {
            return false;
        }
        self.forget(registration);
        self.guest.occurred_timeout(registration.value);
        true
    }

    fn born(&self) {
        self.alive.fetch_add(1, Ordering::Relaxed);
    }

    fn disposed(&self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<G: Guest> GuestCall<'_, G> {
    /// The guest, to be called.
    pub fn guest(&self) -> &G {
        &self.registry.guest
    }
}

impl<G: Guest> Drop for GuestCall<'_, G> {
    fn drop(&mut self) {
        match self.registry.gate.leave() {
            Due::Nothing => {}
            Due::Idle => self.registry.guest.idle(),
            Due::Release => self.registry.release(),
        }
    }
}

/// Serial numbers are distinct already; this spreads them over hashbrown's high and low bits.
#[derive(Default)]
struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only serial numbers are hashed");
    }

    fn write_u64(&mut self, serial: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
