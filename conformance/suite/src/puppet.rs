//! A simulated client that a case controls. It behaves like libxl at the boundary, and does in each occurrence what the case says.
//!
//! Like libxl, it has a recursive ctx lock, which it holds in each hook and takes in each occurrence ([R1], [R15]). Its values come
//! from pools that reuse the value that was freed last ([R10]). When a hook is called, the place for the handle contains garbage, or
//! the handle of the last registration ([R2]). A value can belong to an fd and to a timeout at the same time: it does not identify a
//! registration.
//!
//! Like libxl, it does not survive an occurrence inside a hook ([O1]), an occurrence of a timeout that has ended ([O5]), or anything
//! after the end ([X4]). Instead of aborting, it keeps the first such violation, and every wait of the case ends with it.

mod ctx_lock;
mod pool;
mod state;

use crate::boundary::{Client, Hosting, Rule, WallTime};
#[cfg(doc)]
use crate::contract::*;
use crate::violation::{Violation, breaks};
use anyhow::{Context, bail};
use ctx_lock::{CtxGuard, CtxLock};
use pool::Slot;
use state::{Failure, Inside, State};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A closure that runs in an occurrence, after the occurrence has taken and released the ctx lock. So the lock is free, as in
/// libxl's callbacks.
pub type Act = Arc<dyn Fn(&Puppet) -> anyhow::Result<()> + Send + Sync>;

/// Identifies a registration of the puppet, which may have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration(usize);

/// A call from the host.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence {
    /// Its registration. `None` if the registration of the value had ended.
    pub registration: Option<Registration>,
    /// The value.
    pub value: u64,
    /// The fd, with the interest and the readiness that the host passed. `None` for a timeout.
    pub fd: Option<(RawFd, i16, i16)>,
    /// The thread.
    pub thread: ThreadId,
    /// When it began, in microseconds of the wall clock.
    pub began: i64,
}

/// The puppet.
pub struct Puppet {
    rule: Rule,
    patience: Duration,
    lock: CtxLock,
    hosting: OnceLock<Weak<dyn Hosting>>,
    /// Never held across a call, an act or a wait.
    state: Mutex<State>,
    changed: Condvar,
}

impl Puppet {
    /// Creates a puppet that follows `rule` and waits at most for `patience`.
    pub fn new(rule: Rule, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            rule,
            patience,
            lock: CtxLock::default(),
            hosting: OnceLock::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Sets its host. The puppet does not keep the host alive.
    pub fn set_hosting(&self, hosting: &Arc<dyn Hosting>) {
        let _first = self.hosting.set(Arc::downgrade(hosting));
    }

    /// Takes the ctx lock, which is recursive.
    pub fn ctx_lock(&self) -> CtxGuard<'_> {
        self.lock.lock()
    }

    /// Sets the closure that runs in each occurrence of the registration from now on.
    pub fn on(&self, registration: Registration, act: impl Fn(&Self) -> anyhow::Result<()> + Send + Sync + 'static) {
        self.state().acts.insert(registration, Arc::new(act));
    }

    // Calls to the host.

    /// Makes a call into the client, as a thread of the application does. On a thread that is inside already, it only calls `act`.
    ///
    /// # Errors
    /// The host refused, or `act` failed.
    pub fn call<T>(&self, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        if self.is_inside() {
            return act();
        }
        let (mut act, mut result) = (Some(act), None);
        let called = self.hosting()?.call(&mut || {
            let Some(act) = act.take() else {
                self.fail(Failure::Violation(Violation::new("X4", "the host made one call into the client twice")));
                return;
            };
            let overlap = self.state().overlap(self.rule, std::thread::current().id());
            if let Some(violation) = overlap {
                self.fail(Failure::Violation(violation));
            }
            self.enter(Inside::Call);
            result = Some(act());
            self.leave();
        });
        match result {
            Some(result) if called => result,
            Some(_) => bail!(breaks("X4", "the host says that it refused a call which it has made")),
            None if called => bail!(breaks("X4", "the host says that it has made a call which never ran")),
            None => bail!(breaks("X4", "the host refuses a call into a client that is not closed")),
        }
    }

    /// The same as [`call`](Self::call), with the ctx lock held. Occurrences of new registrations may begin at once, but their closures
    /// do not run before this returns.
    ///
    /// # Errors
    /// The same as for [`call`](Self::call).
    pub fn undisturbed<T>(&self, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.call(|| {
            let _lock = self.ctx_lock();
            act()
        })
    }

    /// Calls `fd_register`. Returns the registration, or the code of the refusal.
    ///
    /// # Errors
    /// The call into the client was refused.
    pub fn try_fd(&self, fd: RawFd, events: i16) -> anyhow::Result<Result<Registration, i32>> {
        self.register(Some(fd), |hosting, slot, value| {
            // SAFETY: the hook is called under the ctx lock.
            hosting.fd_register(fd, unsafe { slot.handle() }, events, value)
        })
    }

    /// Calls `fd_register` for an fd that the host must accept.
    ///
    /// # Errors
    /// It was refused.
    pub fn fd(&self, fd: RawFd, events: i16) -> anyhow::Result<Registration> {
        self.try_fd(fd, events)?.map_err(|code| {
            breaks(
                "R3",
                format!("fd_register({fd}, events {events:#x}) returned {code} although the fd can be watched"),
            )
        })
    }

    /// Calls `fd_modify` and returns its result. Does nothing if another thread has ended the registration.
    ///
    /// # Errors
    /// The call into the client was refused.
    pub fn try_modify(&self, registration: Registration, events: i16) -> anyhow::Result<i32> {
        self.hook(|hosting| {
            let Some((slot, fd)) = self.standing_fd(registration) else { return 0 };
            // SAFETY: the hook is called under the ctx lock.
            hosting.fd_modify(fd, unsafe { slot.handle() }, events)
        })
    }

    /// Calls `fd_modify`, which the host must accept.
    ///
    /// # Errors
    /// It was refused.
    pub fn modify(&self, registration: Registration, events: i16) -> anyhow::Result<()> {
        match self.try_modify(registration, events)? {
            0 => Ok(()),
            code => bail!(breaks(
                "R3",
                format!("fd_modify(events {events:#x}) returned {code} for a registration that stands")
            )),
        }
    }

    /// Calls `fd_deregister`. Does nothing if another thread has ended the registration.
    ///
    /// # Errors
    /// The call into the client was refused.
    pub fn deregister(&self, registration: Registration) -> anyhow::Result<()> {
        self.hook(|hosting| {
            let Some((slot, fd)) = self.standing_fd(registration) else { return };
            // SAFETY: the hook is called under the ctx lock.
            let handle = *unsafe { slot.handle() };
            // As libxl does: from now on an occurrence is one of the past.
            self.state().end(registration);
            hosting.fd_deregister(fd, handle);
        })
    }

    /// Calls `timeout_register`, which the host must accept.
    ///
    /// # Errors
    /// It was refused.
    pub fn timeout(&self, deadline: WallTime) -> anyhow::Result<Registration> {
        self.try_timeout(deadline)?.map_err(|code| {
            breaks("R3", format!("timeout_register({deadline:?}) returned {code} although nothing speaks against it"))
        })
    }

    /// Calls `timeout_register`. Returns the registration, or the code of the refusal.
    ///
    /// # Errors
    /// The call into the client was refused.
    pub fn try_timeout(&self, deadline: WallTime) -> anyhow::Result<Result<Registration, i32>> {
        self.register(None, |hosting, slot, value| {
            // SAFETY: the hook is called under the ctx lock.
            hosting.timeout_register(unsafe { slot.handle() }, deadline, value)
        })
    }

    /// Cancels a timeout as the release of the client does: with `{0,0}` ([R13]), after which it still occurs once ([O5]); or, for
    /// 4.2.0 and 4.2.1, with `timeout_deregister`. Both are allowed when the timeout has been taken or has ended ([R14]).
    ///
    /// # Errors
    /// The hook failed, which it must not.
    pub fn cancel(&self, registration: Registration) -> anyhow::Result<()> {
        let code = self.hook(|hosting| {
            let (slot, mut handle) = {
                let mut state = self.state();
                let handle = state.registrations[registration.0].handle;
                let slot = state.slot(registration);
                if self.rule == Rule::Serialized {
                    state.end(registration);
                }
                (slot, handle)
            };
            match (self.rule, slot) {
                (Rule::Serialized, _) => {
                    hosting.timeout_deregister(handle);
                    0
                }
                // SAFETY: the hook is called under the ctx lock.
                (Rule::Concurrent, Some(slot)) => hosting.timeout_modify(unsafe { slot.handle() }, (0, 0)),
                (Rule::Concurrent, None) => hosting.timeout_modify(&mut handle, (0, 0)),
            }
        })?;
        match code {
            0 => Ok(()),
            code => bail!(breaks(
                "R14",
                format!("timeout_modify({{0,0}}) returned {code}; libxl does not look, and the timeout is lost")
            )),
        }
    }

    /// Cancels a timeout as 4.2.0 does: with the address of its handle instead of the handle ([R13]).
    ///
    /// # Errors
    /// The call into the client was refused.
    pub fn cancel_by_address(&self, registration: Registration) -> anyhow::Result<()> {
        self.hook(|hosting| {
            let address = {
                let mut state = self.state();
                let address = state.slot(registration).map(|slot| slot.address());
                state.end(registration);
                address.expect("4.2.0 cancels what stands")
            };
            hosting.timeout_deregister(address);
        })
    }

    /// Writes the handle of this registration to the place for the next handle, as the most misleading garbage ([R2]).
    pub fn leave_handle_of(&self, registration: Registration) {
        let mut state = self.state();
        state.garbage = Some(state.registrations[registration.0].handle);
    }

    // What has happened.

    /// The value of the registration, which is not unique ([R10]).
    pub fn value_of(&self, registration: Registration) -> u64 {
        let state = self.state();
        state.registrations[registration.0].value
    }

    /// Whether the calling thread is inside the client.
    pub fn is_inside(&self) -> bool {
        let me = std::thread::current().id();
        self.state().inside.iter().any(|(thread, _)| *thread == me)
    }

    /// All occurrences so far.
    pub fn occurrences(&self) -> Vec<Occurrence> {
        self.state().occurrences.clone()
    }

    /// The occurrences of a registration.
    pub fn occurrences_of(&self, registration: Registration) -> Vec<Occurrence> {
        self.state().of(registration).copied().collect()
    }

    /// How many occurrences of a registration have begun.
    pub fn count(&self, registration: Registration) -> usize {
        self.state().count(registration).0
    }

    /// How often the host has freed the client.
    pub fn frees(&self) -> usize {
        self.state().frees.1
    }

    /// Waits until an occurrence of the registration has begun.
    ///
    /// # Errors
    /// None has, which breaks `clause`.
    pub fn wait_for(&self, clause: &'static str, registration: Registration, what: &str) -> anyhow::Result<()> {
        self.wait_for_more(clause, registration, 1, what)
    }

    /// Waits until the given number of occurrences have begun.
    ///
    /// # Errors
    /// They have not, which breaks `clause`.
    pub fn wait_for_more(
        &self,
        clause: &'static str,
        registration: Registration,
        count: usize,
        what: &str,
    ) -> anyhow::Result<()> {
        self.wait(clause, what, |state| state.count(registration).0 >= count)
    }

    /// Waits until the given number of occurrences have begun and none is in progress.
    ///
    /// # Errors
    /// They have not, which breaks `clause`.
    pub fn wait_for_return(
        &self,
        clause: &'static str,
        registration: Registration,
        count: usize,
        what: &str,
    ) -> anyhow::Result<()> {
        self.wait(clause, what, |state| {
            let (begun, returned) = state.count(registration);
            begun >= count && begun == returned
        })
    }

    /// Waits until the host has freed the client.
    ///
    /// # Errors
    /// It has not, which breaks `clause`.
    pub fn wait_for_free(&self, clause: &'static str, what: &str) -> anyhow::Result<()> {
        self.wait(clause, what, |state| state.frees.1 > 0)
    }

    /// Checks that nothing has happened that libxl would not survive.
    ///
    /// # Errors
    /// The first violation, or the error of a closure.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.state().failure {
            None => Ok(()),
            Some(Failure::Violation(violation)) => bail!(violation.clone()),
            Some(Failure::Other(reason)) => bail!("in an occurrence: {reason}"),
        }
    }

    fn wait(&self, clause: &'static str, what: &str, condition: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + self.patience;
        let mut state = self.state();
        loop {
            if state.failure.is_some() {
                drop(state);
                return self.check();
            }
            if condition(&state) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(breaks(clause, format!("not within {:?}: {what}", self.patience)));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    // Parts of the above.

    fn register(
        &self,
        fd: Option<RawFd>,
        hook: impl FnOnce(&dyn Hosting, &Slot, u64) -> i32,
    ) -> anyhow::Result<Result<Registration, i32>> {
        self.hook(|hosting| {
            let (registration, slot, value, garbage) = {
                let mut state = self.state();
                let (registration, slot, value) = state.begin(fd);
                (registration, slot, value, state.garbage.take())
            };
            if let Some(garbage) = garbage {
                // SAFETY: the ctx lock is held.
                *unsafe { slot.handle() } = garbage;
            }
            let code = hook(hosting, &slot, value);
            let mut state = self.state();
            if code != 0 {
                state.end(registration);
                return Err(code);
            }
            // SAFETY: the hook was called, and has returned, under the ctx lock.
            state.registrations[registration.0].handle = *unsafe { slot.handle() };
            Ok(registration)
        })
    }

    /// Calls a hook as libxl does: inside a call into the client, with the ctx lock held.
    fn hook<T>(&self, hook: impl FnOnce(&dyn Hosting) -> T) -> anyhow::Result<T> {
        let hosting = self.hosting()?;
        self.call(|| {
            let _lock = self.ctx_lock();
            self.enter(Inside::Hook);
            let result = hook(&*hosting);
            self.leave();
            Ok(result)
        })
    }

    fn hosting(&self) -> anyhow::Result<Arc<dyn Hosting>> {
        self.hosting.get().and_then(Weak::upgrade).context("the puppet has no host")
    }

    /// Under the ctx lock, so that it stays so.
    fn standing_fd(&self, registration: Registration) -> Option<(Arc<Slot>, RawFd)> {
        let state = self.state();
        state.slot(registration).zip(state.registrations[registration.0].fd)
    }

    /// An occurrence, from its beginning to its end.
    fn occurred(&self, value: u64, fd: Option<(RawFd, i16, i16)>) {
        let thread = std::thread::current().id();
        let at = {
            let mut state = self.state();
            let registration = state.meant(value, fd.map(|(fd, ..)| fd));
            let occurrence = Occurrence { registration, value, fd, thread, began: wall_micros() };
            if let Some(violation) = state.judge(self.rule, &occurrence) {
                state.fail(Failure::Violation(violation));
            }
            if let Some(registration) = registration {
                state.registrations[registration.0].occurrences.0 += 1;
            }
            state.occurrences.push(occurrence);
            let at = state.occurrences.len() - 1;
            state.inside.push((thread, Inside::Occurrence(at)));
            self.changed.notify_all();
            at
        };
        let act = {
            let _lock = self.ctx_lock();
            let mut state = self.state();
            let registration = state.occurrences[at].registration;
            let act = registration.and_then(|registration| state.acts.get(&registration).cloned());
            // A timeout's nexus is free before its callback runs (O6).
            if let Some(registration) = registration.filter(|_| fd.is_none()) {
                state.end(registration);
            }
            act
        };
        // A panic would unwind into the host's loop.
        let result = act.map(|act| catch_unwind(AssertUnwindSafe(|| act(self))));
        if let Some(Err(_)) = result {
            self.fail(Failure::Other("the case's act panicked".into()));
        } else if let Some(Ok(Err(error))) = result {
            let failure = match error.downcast::<Violation>() {
                Ok(violation) => Failure::Violation(violation),
                Err(error) => Failure::Other(format!("{error:#}")),
            };
            self.fail(failure);
        }
        let mut state = self.state();
        if let Some(registration) = state.occurrences[at].registration {
            state.registrations[registration.0].occurrences.1 += 1;
        }
        drop(state);
        self.leave();
    }

    fn enter(&self, inside: Inside) {
        self.state().inside.push((std::thread::current().id(), inside));
    }

    fn leave(&self) {
        let me = std::thread::current().id();
        let mut state = self.state();
        let innermost = state.inside.iter().rposition(|(thread, _)| *thread == me).expect("what returns has begun");
        state.inside.remove(innermost);
        self.changed.notify_all();
    }

    fn fail(&self, failure: Failure) {
        self.state().fail(failure);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client for Puppet {
    fn occurred_fd(&self, value: u64, fd: RawFd, events: i16, revents: i16) {
        self.occurred(value, Some((fd, events, revents)));
    }

    fn occurred_timeout(&self, value: u64) {
        self.occurred(value, None);
    }

    fn free(&self) {
        let me = std::thread::current().id();
        let left = {
            let mut state = self.state();
            state.frees.0 += 1;
            if state.frees.0 > 1 {
                state.fail(Failure::Violation(Violation::new("X4", "the client was freed twice")));
                return;
            }
            if let Some((_, inside)) = state.inside.iter().find(|(thread, _)| *thread == me) {
                let text = format!("the client was freed by a thread that is inside of it ({inside:?})");
                state.fail(Failure::Violation(Violation::new("X5", text)));
            } else if let Some((_, inside)) = state.inside.first() {
                let text = format!("the client was freed while another thread is inside of it ({inside:?})");
                state.fail(Failure::Violation(Violation::new("X4", text)));
            }
            state.inside.push((me, Inside::Free));
            state.standing_fds()
        };
        for registration in left {
            if let Err(error) = self.deregister(registration) {
                self.fail(Failure::Other(format!("{error:#}")));
            }
        }
        self.state().frees.1 += 1;
        self.leave();
    }
}

/// The wall clock in microseconds, as libxl reads it.
pub fn wall_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// Converts microseconds of the wall clock to the form that libxl passes to a hook.
pub const fn wall_time(micros: i64) -> WallTime {
    (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}
