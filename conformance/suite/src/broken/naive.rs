//! A host as a program writes it that needs one: a list, a lock, a thread in poll(2), a pipe to wake it.
//!
//! It owes osevent-core nothing. Without a fault it is correct, if slow. A [`Fault`] changes what a few places here
//! and in the loop do, each marked by the fault's name.

use super::clock::{self, Distance};
use super::fault::Fault;
use super::memory::{Asked, Memory, Reading, Registration};
use super::reentrant::{Held, Reentrant};
use super::set::Set;
use super::turn;
use crate::boundary::{Client, Hooks, Hosting, Integration, Rule, WallTime};
#[cfg(doc)]
use crate::contract::*;
use anyhow::Context;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle, ThreadId};

/// `ERROR_OSEVENT_REG_FAIL`.
const REFUSED: i32 = -12;

/// The naive host, with at most one fault. Dropping it ends its loop and waits for the end.
pub struct Naive {
    shared: Arc<Shared>,
    running: Option<JoinHandle<()>>,
    thread: ThreadId,
}

/// What all threads have in common.
pub(super) struct Shared {
    pub(super) fault: Option<Fault>,
    state: Mutex<State>,
    wakes: UnixStream,
    pub(super) woken: UnixStream,
    thread: Mutex<Option<ThreadId>>,
    /// A turn of the loop has ended: with `state`.
    turned: Condvar,
    /// The loop makes an occurrence. Relaxed: only `DrainsInDeregister` waits for it, and nothing is read after.
    pub(super) occurring: AtomicBool,
    /// Only for `LockAcrossCallOut`.
    pub(super) everywhere: Reentrant,
    /// In the place of poll(2). Only the loop's thread takes the lock.
    pub(super) set: Mutex<Option<Set>>,
}

pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) ended: bool,
    pub(super) turns: u64,
    /// Numbers that `RemovesByNumber` has yet to remove.
    pub(super) removals: Vec<RawFd>,
    /// What `StaysInSet` polls though it was deregistered, and for what.
    pub(super) left: Vec<(RawFd, i16)>,
    /// Until when `AlarmNotPutOff` sleeps, on the monotonic clock.
    pub(super) alarm: Option<i64>,
    /// How many there have been.
    pub(super) registered: u64,
    distance: Distance,
}

impl Naive {
    /// Creates the host and starts its loop.
    ///
    /// # Errors
    /// The thread, or the fds for the wake-up, could not be created.
    pub fn start(fault: Option<Fault>) -> anyhow::Result<Self> {
        let (wakes, woken) = UnixStream::pair().context("no socket pair for the wake-up")?;
        for end in [&wakes, &woken] {
            end.set_nonblocking(true)?;
            if fault == Some(Fault::FdWithoutCloexec) {
                // SAFETY: a command without pointers, on an open fd of our own.
                unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, 0) };
            }
        }
        let state = State {
            memory: Memory::default(),
            ended: false,
            turns: 0,
            removals: Vec::new(),
            left: Vec::new(),
            alarm: None,
            registered: 0,
            distance: Distance::default(),
        };
        let shared = Arc::new(Shared {
            fault,
            state: Mutex::new(state),
            wakes,
            woken,
            thread: Mutex::new(None),
            turned: Condvar::new(),
            occurring: AtomicBool::new(false),
            everywhere: Reentrant::default(),
            set: Mutex::new(Set::of(fault)?),
        });
        let its = shared.clone();
        let running = thread::Builder::new().name("loop".into()).spawn(move || turn::run(&its))?;
        let thread = running.thread().id();
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self { shared, running: Some(running), thread })
    }
}

impl Integration for Naive {
    fn host(&self, client: Arc<dyn Client>, rule: Rule) -> anyhow::Result<Arc<dyn Hosting>> {
        Ok(Arc::new_cyclic(|me| HostedClient {
            me: me.clone(),
            shared: self.shared.clone(),
            client,
            rule,
            outer: Reentrant::default(),
            gate: Mutex::default(),
        }))
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.wake();
        if let Some(running) = self.running.take() {
            running.join().expect("the loop does not panic");
        }
    }
}

impl Shared {
    pub(super) fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        // Full: it will wake as it is.
        let _ = (&self.wakes).write(&[0]);
    }

    pub(super) fn turn_ended(&self) {
        self.lock().turns += 1;
        self.turned.notify_all();
    }

    fn on_loop_thread(&self) -> bool {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) == Some(thread::current().id())
    }

    /// How the hooks read handles.
    fn reading(&self) -> Reading {
        if self.is(Fault::PointerHandles) { Reading::Address } else { Reading::Name }
    }

    /// The lock that `LockAcrossCallOut` holds too much.
    fn everywhere(&self) -> Option<Held<'_>> {
        self.is(Fault::LockAcrossCallOut).then(|| self.everywhere.hold())
    }
}

impl State {
    fn register(&mut self, hosted: &HostedClient, value: u64, asked: Asked, watched: RawFd) -> u64 {
        let shared = &hosted.shared;
        if shared.is(Fault::KeyedByValue) {
            self.release_all(|old| old.value == value);
        }
        if shared.is(Fault::SecondReplacesFirst) {
            self.release_number(watched);
        }
        self.left.retain(|(fd, _)| *fd != watched);
        self.registered += 1;
        // The loop sees what comes from its own thread in any case.
        let seen = shared.on_loop_thread().then_some(asked);
        let order = self.registered;
        let hosted = hosted.me.clone();
        self.memory.allocate(Registration { hosted, value, asked, seen, order, watched, was_ready: false, kept: 0 })
    }

    /// The registrations of an fd.
    pub(super) fn of_number(&mut self, fd: RawFd) -> impl Iterator<Item = (u64, &mut Registration)> {
        self.memory.live().filter(move |(_, registration)| registration.fd() == Some(fd))
    }

    pub(super) fn release_number(&mut self, fd: RawFd) {
        self.release_all(|registration| registration.fd() == Some(fd));
    }

    pub(super) fn release_all(&mut self, which: impl Fn(&Registration) -> bool) {
        let all = self.memory.live().filter_map(|(handle, registration)| which(registration).then_some(handle));
        for handle in all.collect::<Vec<_>>() {
            self.memory.release(handle, Reading::Name);
        }
    }
}

impl Registration {
    pub(super) fn fd(&self) -> Option<RawFd> {
        match self.asked {
            Asked::Fd { fd, .. } => Some(fd),
            Asked::Timeout { .. } => None,
        }
    }

    /// What is asked of the fd.
    fn interest(&self) -> Option<i16> {
        match self.asked {
            Asked::Fd { events, .. } => Some(events),
            Asked::Timeout { .. } => None,
        }
    }
}

/// One client of this host.
pub(super) struct HostedClient {
    me: Weak<HostedClient>,
    shared: Arc<Shared>,
    pub(super) client: Arc<dyn Client>,
    pub(super) rule: Rule,
    /// The lock of [`Rule::Serialized`].
    outer: Reentrant,
    gate: Mutex<Gate>,
}

#[derive(Default)]
struct Gate {
    /// The thread of each call in progress.
    inside: Vec<ThreadId>,
    closing: bool,
    freed: bool,
}

impl HostedClient {
    /// Begins a call. False where no call may begin any more.
    pub(super) fn enter(&self) -> bool {
        let mut gate = self.gate();
        // `LateCalls` lets anybody in, these two those that they have left in the loop.
        let lets_in = match self.shared.fault {
            Some(Fault::LateCalls) => true,
            Some(Fault::TimeoutsOutliveCtx | Fault::FdsOutliveCtx) => gate.freed && self.shared.on_loop_thread(),
            _ => false,
        };
        if gate.closing && !lets_in {
            return false;
        }
        gate.inside.push(thread::current().id());
        true
    }

    /// Ends a call; the last one frees the client that is being closed ([X4], [X5]).
    pub(super) fn leave(&self) {
        let me = thread::current().id();
        let mut gate = self.gate();
        let at = gate.inside.iter().rposition(|thread| *thread == me);
        gate.inside.remove(at.expect("what ends has begun"));
        self.free_when_empty(gate);
    }

    /// The outer lock, where there is one ([O2]).
    pub(super) fn serialize(&self) -> Option<Held<'_>> {
        (self.rule == Rule::Serialized && !self.shared.is(Fault::RuleIgnored)).then(|| self.outer.hold())
    }

    /// Whether occurrences may still come.
    pub(super) fn open(&self) -> bool {
        let gate = self.gate();
        !gate.closing
            || (gate.freed && matches!(self.shared.fault, Some(Fault::TimeoutsOutliveCtx | Fault::FdsOutliveCtx)))
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free_when_empty(&self, mut gate: MutexGuard<'_, Gate>) {
        let me = thread::current().id();
        let empty = match self.shared.fault {
            Some(Fault::CtxFreedUnderEvents) => true,
            Some(Fault::FreedInCallback) => gate.inside.iter().all(|thread| *thread == me),
            _ => gate.inside.is_empty(),
        };
        let again = self.shared.is(Fault::FreedTwice);
        if !gate.closing || (gate.freed && !again) || !empty {
            return;
        }
        if self.shared.is(Fault::FreeWaitsForDeregistrations) && self.registered() {
            return;
        }
        gate.freed = true;
        drop(gate);
        let _outer = self.serialize();
        let state = self.shared.is(Fault::FreeUnderLock).then(|| self.shared.lock());
        self.client.free();
        drop(state);
        if !self.shared.is(Fault::TimeoutsOutliveCtx) && !self.shared.is(Fault::FdsOutliveCtx) {
            self.sweep();
        }
        self.shared.wake();
    }

    fn registered(&self) -> bool {
        self.shared.lock().memory.live().any(|(_, registration)| registration.hosted.ptr_eq(&self.me))
    }

    /// What the client has left ([X6]).
    fn sweep(&self) {
        self.shared.lock().release_all(|left| left.hosted.ptr_eq(&self.me));
    }

    /// After a change that the loop should know of ([R9]).
    fn tell_loop(&self, registers: bool) {
        match self.shared.fault {
            Some(Fault::RegistersWithoutWaking) if registers => {}
            Some(Fault::ModifiesWithoutWaking) if !registers => {}
            Some(Fault::AsksLoop) if registers && !self.shared.on_loop_thread() => {
                let state = self.shared.lock();
                let before = state.turns;
                self.shared.wake();
                let answered = self.shared.turned.wait_while(state, |state| state.turns == before);
                drop(answered);
            }
            _ => self.shared.wake(),
        }
    }

    fn refuses(&self, fd: RawFd) -> Option<i32> {
        if !turn::is_open(fd) {
            return Some(if self.shared.is(Fault::ReturnsErrno) { -libc::EBADF } else { REFUSED });
        }
        if self.shared.is(Fault::RegularFilesRefused) && turn::always_ready(fd) {
            return Some(REFUSED);
        }
        if self.shared.is(Fault::LoopThreadOnly) && !self.shared.on_loop_thread() {
            return Some(REFUSED);
        }
        None
    }

    fn due(&self, state: &mut State, wall: i64) -> i64 {
        let (now, now_wall) = (clock::monotonic(), clock::wall());
        let left = wall.saturating_sub(now_wall);
        match self.shared.fault {
            Some(Fault::WallClockDeadlines) => wall,
            Some(Fault::MillisecondsCutOff) => now + left.max(0) / 1_000_000 * 1_000_000,
            Some(Fault::SecondsOnly) => now + left.max(0) / 1_000_000_000 * 1_000_000_000,
            Some(Fault::PastIsNever) if left < 0 => i64::MAX,
            // What a 32-bit number of milliseconds cannot hold turns negative.
            Some(Fault::FarFutureOverflows) if left / 1_000_000 > i64::from(i32::MAX) => now,
            Some(Fault::TimeoutsNever) => i64::MAX,
            _ => state.distance.due(wall),
        }
    }
}

impl Hooks for HostedClient {
    fn fd_register(&self, fd: RawFd, handle: &mut u64, events: i16, value: u64) -> i32 {
        let _everywhere = self.shared.everywhere();
        if let Some(code) = self.refuses(fd) {
            return code;
        }
        let mut state = self.shared.lock();
        if self.shared.is(Fault::ReadsOutPointer) && state.memory.find(*handle, Reading::Name).is_some() {
            return 0;
        }
        let events = if self.shared.is(Fault::PriDropped) { events & !libc::POLLPRI } else { events };
        let copies = matches!(self.shared.fault, Some(Fault::WrongFd | Fault::CopiesLeak));
        let watched = if copies { turn::copy(fd) } else { fd };
        *handle = state.register(self, value, Asked::Fd { fd, events }, watched);
        drop(state);
        self.tell_loop(true);
        0
    }

    fn fd_modify(&self, fd: RawFd, handle: &mut u64, events: i16) -> i32 {
        let _everywhere = self.shared.everywhere();
        if self.shared.is(Fault::ModifyIgnored) {
            return 0;
        }
        let seen_at_once = self.shared.on_loop_thread();
        let mut state = self.shared.lock();
        if self.shared.is(Fault::ModifyReplaces) {
            let copy = turn::copy(fd);
            if copy < 0 {
                state.memory.release(*handle, Reading::Name);
                return REFUSED;
            }
            turn::close_copy(copy);
        }
        let Some(registration) = state.memory.find(*handle, self.shared.reading()) else { return REFUSED };
        if let Asked::Fd { fd, events: asked_before } = registration.asked {
            let events = if self.shared.is(Fault::PriDropped) { events & !libc::POLLPRI } else { events };
            if matches!(self.shared.fault, Some(Fault::KeptAfterModify | Fault::KeptAndThrottled)) {
                registration.kept |= asked_before;
            }
            registration.asked = Asked::Fd { fd, events };
            if seen_at_once {
                registration.seen = Some(registration.asked);
            }
        }
        drop(state);
        self.tell_loop(false);
        0
    }

    fn fd_deregister(&self, fd: RawFd, handle: u64) {
        let _everywhere = self.shared.everywhere();
        if self.shared.is(Fault::FdsOutliveCtx) && self.gate().closing {
            return;
        }
        let mut state = self.shared.lock();
        match self.shared.fault {
            Some(Fault::RemovesByNumber) if self.shared.on_loop_thread() => {
                state.memory.release(handle, Reading::Name);
                state.removals.push(fd);
            }
            Some(Fault::DeregisterTakesBoth) => state.release_number(fd),
            _ => {
                let gone = state.memory.release(handle, self.shared.reading());
                match (gone, self.shared.fault) {
                    (Some(gone), Some(Fault::WrongFd)) => turn::close_copy(gone.watched),
                    (Some(gone), Some(Fault::StaysInSet)) => {
                        state.left.extend(gone.interest().map(|events| (fd, events)))
                    }
                    (Some(gone), Some(Fault::KeptAfterRemoval)) => {
                        let gone = gone.kept | gone.interest().unwrap_or_default();
                        state.of_number(fd).for_each(|(_, left)| left.kept |= gone);
                    }
                    _ => {}
                }
            }
        }
        drop(state);
        self.shared.wake();
        if self.shared.is(Fault::DrainsInDeregister) && !self.shared.on_loop_thread() {
            // Relaxed: see the field.
            while self.shared.occurring.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        }
    }

    fn timeout_register(&self, handle: &mut u64, deadline: WallTime, value: u64) -> i32 {
        let _everywhere = self.shared.everywhere();
        if self.shared.is(Fault::LoopThreadOnly) && !self.shared.on_loop_thread() {
            return REFUSED;
        }
        let wall = clock::nanoseconds(deadline);
        if self.shared.is(Fault::OccursInRegister) && wall <= clock::wall() {
            self.client.occurred_timeout(value);
            return 0;
        }
        let address = std::ptr::from_mut(handle).addr() as u64;
        let mut state = self.shared.lock();
        let due = self.due(&mut state, wall);
        *handle = state.register(self, value, Asked::Timeout { due, wall, address }, -1);
        drop(state);
        self.tell_loop(true);
        0
    }

    fn timeout_modify(&self, handle: &mut u64, deadline: WallTime) -> i32 {
        let _everywhere = self.shared.everywhere();
        if matches!(self.shared.fault, Some(Fault::ZeroLost | Fault::TimeoutsNever)) {
            return 0;
        }
        let wall = clock::nanoseconds(deadline);
        let seen_at_once = self.shared.on_loop_thread();
        let mut state = self.shared.lock();
        let due = state.distance.due(wall);
        let Some(registration) = state.memory.find(*handle, self.shared.reading()) else {
            // The loop has taken it (R14).
            return if self.shared.is(Fault::TakenIsUnknown) { REFUSED } else { 0 };
        };
        if let Asked::Timeout { address, .. } = registration.asked {
            registration.asked = Asked::Timeout { due, wall, address };
            if seen_at_once {
                registration.seen = Some(registration.asked);
            }
        }
        let value = registration.value;
        if self.shared.is(Fault::OccursInModify) {
            state.memory.release(*handle, Reading::Name);
            drop(state);
            self.client.occurred_timeout(value);
            return 0;
        }
        drop(state);
        self.tell_loop(false);
        0
    }

    fn timeout_deregister(&self, handle: u64) {
        let _everywhere = self.shared.everywhere();
        let mut state = self.shared.lock();
        // 4.2.0 passes the address of the handle (R13).
        let by_address = |(named, old): (u64, &mut Registration)| match old.asked {
            Asked::Timeout { address, .. } if address == handle && old.hosted.ptr_eq(&self.me) => Some(named),
            _ => None,
        };
        let named = if self.shared.is(Fault::AddressUnknown) { None } else { state.memory.live().find_map(by_address) };
        state.memory.release(named.unwrap_or(handle), self.shared.reading());
        drop(state);
        self.shared.wake();
    }
}

impl Hosting for HostedClient {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        if !self.enter() {
            return false;
        }
        let outer = self.serialize();
        call();
        drop(outer);
        self.leave();
        true
    }

    fn close(&self) {
        let mut gate = self.gate();
        gate.closing = true;
        self.free_when_empty(gate);
    }
}
