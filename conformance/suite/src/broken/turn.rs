//! The naive host's loop: each turn polls what is registered, then dispatches what is ready and what is due.

use super::clock;
use super::fault::Fault;
use super::memory::{Asked, Reading, Registration};
use super::naive::{HostedClient, Shared, State};
use super::set::Wanted;
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use std::collections::HashMap;
use std::io::Read;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What comes along with any interest ([R6]).
pub(super) const ALWAYS: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;

pub(super) fn run(shared: &Shared) {
    let mut was_busy = false;
    loop {
        let mut state = shared.lock();
        if state.ended || (shared.is(Fault::EndsWhenIdle) && was_busy && state.memory.live().next().is_none()) {
            return;
        }
        was_busy |= state.memory.live().next().is_some();
        let mut poll = Poll::of(shared, &mut state);
        drop(state);
        poll.wait(shared);
        let mut state = shared.lock();
        if matches!(shared.fault, Some(Fault::RegistersWithoutWaking | Fault::ModifiesWithoutWaking)) {
            state.see_all();
        }
        let ready = poll.ready(shared, &mut state);
        drop(state);
        let any = dispatch_fds(shared, &ready);
        if shared.is(Fault::KeptAndThrottled) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !(shared.is(Fault::TimeoutsStarve) && any) {
            dispatch_timeouts(shared);
        }
        let mut state = shared.lock();
        for fd in std::mem::take(&mut state.removals) {
            state.release_number(fd);
        }
        drop(state);
        shared.turn_ended();
    }
}

/// What the kernel is asked.
struct Poll {
    /// The wake-up first.
    fds: Vec<libc::pollfd>,
    /// Of `fds[1..]`, in order of registration.
    handles: Vec<u64>,
    /// On the monotonic clock.
    until: Option<i64>,
}

/// An fd that was ready when the kernel was asked.
#[derive(Clone)]
struct Ready {
    handle: u64,
    fd: RawFd,
    revents: i16,
    /// As the registration was then.
    then: Registration,
}

impl State {
    /// The loop sees what was asked for, as far as it looks there without being woken.
    fn see(&mut self, shared: &Shared) {
        match shared.fault {
            Some(Fault::RegistersWithoutWaking) => {}
            Some(Fault::ModifiesWithoutWaking) => {
                let new = self.memory.live().filter(|(_, registration)| registration.seen.is_none());
                new.for_each(|(_, registration)| registration.seen = Some(registration.asked));
            }
            _ => self.see_all(),
        }
    }

    fn see_all(&mut self) {
        self.memory.live().for_each(|(_, registration)| registration.seen = Some(registration.asked));
    }
}

impl Poll {
    fn of(shared: &Shared, state: &mut State) -> Self {
        state.see(shared);
        let wake = libc::pollfd { fd: shared.woken.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut poll = Self { fds: vec![wake], handles: Vec::new(), until: None };
        let mut all: Vec<_> = state.memory.live().collect();
        all.sort_by_key(|(_, registration)| registration.order);
        for (handle, registration) in all {
            let open = |hosted: &HostedClient| {
                hosted.open() || (shared.is(Fault::ClosingSpins) && registration.fd().is_some())
            };
            if !registration.hosted.upgrade().is_some_and(|hosted| open(&hosted)) {
                continue;
            }
            match registration.seen {
                Some(Asked::Fd { events, .. }) => {
                    let empty = matches!(shared.fault, Some(Fault::EmptyInterestOccurs | Fault::EmptyInterestSpins));
                    if (events == 0 && !empty) || (registration.was_ready && still_ready(registration, events)) {
                        continue;
                    }
                    if shared.is(Fault::AlwaysReadyForAnything) && always_ready(registration.watched) {
                        poll.until = Some(0);
                    }
                    registration.was_ready = false;
                    let events = events | registration.kept;
                    poll.fds.push(libc::pollfd { fd: registration.watched, events, revents: 0 });
                    poll.handles.push(handle);
                }
                Some(Asked::Timeout { due, .. }) => {
                    poll.until = Some(poll.until.map_or(due, |until| until.min(due)));
                }
                None => {}
            }
        }
        // Behind those that have a handle: nobody looks at what they say.
        state.left.retain(|(fd, _)| is_open(*fd));
        poll.fds.extend(state.left.iter().map(|&(fd, events)| libc::pollfd { fd, events, revents: 0 }));
        if shared.is(Fault::AlarmNotPutOff) {
            let earliest = state.alarm.unwrap_or(i64::MAX);
            state.alarm = poll.until.map(|until| until.min(earliest));
            poll.until = state.alarm;
        }
        poll
    }

    fn wait(&mut self, shared: &Shared) {
        let now = if shared.is(Fault::WallClockDeadlines) { clock::wall() } else { clock::monotonic() };
        // Rounded up, so that the timeout is due when the sleep has ended.
        let left = |until: i64| until.saturating_sub(now).max(0).saturating_add(999_999) / 1_000_000;
        let mut ms = self.until.map_or(-1, |until| i32::try_from(left(until)).unwrap_or(i32::MAX));
        if shared.is(Fault::EdgeTriggered) {
            // It has no other way to learn that an fd is no longer ready.
            ms = if ms < 0 { 5 } else { ms.min(5) };
        }
        let mut set = shared.set.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = &mut *set {
            set.update(&self.wanted());
            set.wait(&mut self.fds, ms);
        } else {
            drop(set);
            self.poll(ms);
        }
        // Nothing there: it is not blocking.
        let _ = (&shared.woken).read(&mut [0; 64]);
    }

    fn poll(&mut self, ms: i32) {
        // SAFETY: an array of our own, for the length of the call.
        unsafe { libc::poll(self.fds.as_mut_ptr(), self.fds.len() as libc::nfds_t, ms) };
    }

    /// What is asked of each number.
    fn wanted(&self) -> HashMap<RawFd, Wanted> {
        let mut wanted: HashMap<RawFd, Wanted> = HashMap::new();
        for (polled, newest) in self.fds.iter().zip(std::iter::once(0).chain(self.handles.iter().copied())) {
            let of_number = wanted.entry(polled.fd).or_default();
            of_number.events |= polled.events;
            of_number.newest = newest;
        }
        wanted
    }

    fn ready(&self, shared: &Shared, state: &mut State) -> Vec<Ready> {
        let mut ready = Vec::new();
        for (handle, polled) in self.handles.iter().zip(&self.fds[1..]) {
            if polled.revents == 0 {
                continue;
            }
            // One that was deregistered meanwhile is not found.
            let Some(registration) = state.memory.find(*handle, Reading::Name) else { continue };
            registration.was_ready = shared.is(Fault::EdgeTriggered);
            let Some(fd) = registration.fd() else { continue };
            ready.push(Ready { handle: *handle, fd, revents: polled.revents, then: registration.clone() });
        }
        ready
    }
}

/// Whether there was any.
fn dispatch_fds(shared: &Shared, ready: &[Ready]) -> bool {
    let turn = if shared.is(Fault::FirstFdOnly) { &ready[..ready.len().min(1)] } else { ready };
    for ready in turn {
        let Some(hosted) = ready.then.hosted.upgrade() else { continue };
        if !hosted.enter() {
            continue;
        }
        let outer = hosted.serialize();
        occur_fd(shared, &hosted, ready);
        drop(outer);
        hosted.leave();
    }
    !ready.is_empty()
}

fn occur_fd(shared: &Shared, hosted: &Arc<HostedClient>, ready: &Ready) {
    let mut state = shared.lock();
    // What the registration has become: nothing, where an occurrence of this turn has ended it (O3, R8, R16).
    let now = match shared.fault {
        Some(Fault::OneMoreAfterDeregister) => Some(ready.then.clone()),
        Some(Fault::EventFreedInBatch) => state.memory.find(ready.handle, Reading::Address).cloned(),
        Some(Fault::ReadinessByNumber) => state.of_number(ready.fd).next().map(|(_, now)| now.clone()),
        _ => state.memory.find(ready.handle, Reading::Name).cloned(),
    };
    let Some(now) = now else { return };
    let (value, asked) = (now.value, now.asked);
    let Asked::Fd { fd, events } = asked else { return };
    let fd = if shared.is(Fault::WrongFd) { now.watched } else { fd };
    let serialized = hosted.rule == Rule::Serialized;
    // 4.2.0 and 4.2.1 believe what they are told, and another thread may have read it while this one waited for the outer lock (O4).
    let looks_again = serialized && !shared.is(Fault::NotLookedAtAgain);
    let seen = if looks_again { look(now.watched, events) } else { ready.revents };
    let mut revents = seen & (events | ALWAYS);
    match shared.fault {
        Some(Fault::HangUpMasked) => revents &= events,
        Some(Fault::EmptyInterestSpins) if events == 0 => return,
        Some(Fault::EmptyInterestOccurs) => {}
        _ if events == 0 => return,
        _ => {}
    }
    if revents == 0 && !matches!(shared.fault, Some(Fault::EventFreedInBatch | Fault::ReadinessByNumber)) {
        return;
    }
    // They look at the bits of the interest alone.
    if serialized && revents & ALWAYS != 0 && !shared.is(Fault::ErrorsNotTranslated) {
        revents |= events;
    }
    drop(state);
    call_out(shared, || hosted.client.occurred_fd(value, fd, events, revents));
    if shared.is(Fault::RestoresAfterOccurrence) {
        let mut state = shared.lock();
        if let Some(now) = state.memory.find(ready.handle, Reading::Name) {
            now.asked = asked;
        }
    }
}

fn dispatch_timeouts(shared: &Shared) {
    let mut state = shared.lock();
    let now = if shared.is(Fault::WallClockDeadlines) { clock::wall() } else { clock::monotonic() };
    let all = due(shared, &mut state, now);
    let known = state.registered;
    drop(state);
    for held in &all {
        let mut state = shared.lock();
        // The next one is looked for each time: what came meanwhile can be earlier.
        let batch = matches!(shared.fault, Some(Fault::EventFreedInBatch | Fault::OneMoreAfterDeregister));
        let next = if batch { Some(*held) } else { due(shared, &mut state, now).first().copied() };
        let Some(handle) = next else { break };
        let reading = if batch { Reading::Address } else { Reading::Name };
        let Some(registration) = state.memory.find(handle, reading).cloned() else { continue };
        drop(state);
        occur_timeout(shared, handle, &registration, reading);
    }
    if shared.is(Fault::LosesRegisteredInside) && !all.is_empty() {
        // The list as it was before is put back.
        shared.lock().release_all(|new| new.order > known && new.fd().is_none());
    }
}

/// The timeouts that are due, in the order in which they have to occur ([O7]).
fn due(shared: &Shared, state: &mut State, now: i64) -> Vec<u64> {
    state.see(shared);
    let mut due: Vec<_> = state
        .memory
        .live()
        .filter_map(|(handle, registration)| match registration.seen {
            Some(Asked::Timeout { due, wall, .. }) if due <= now => Some((wall, registration.order, handle)),
            _ => None,
        })
        .collect();
    if shared.is(Fault::OrderOfRegistration) {
        due.sort_by_key(|(_, order, _)| *order);
    } else {
        due.sort_unstable();
    }
    due.into_iter().map(|(_, _, handle)| handle).collect()
}

fn occur_timeout(shared: &Shared, handle: u64, registration: &Registration, reading: Reading) {
    let Some(hosted) = registration.hosted.upgrade() else { return };
    if !hosted.enter() {
        return;
    }
    let outer = hosted.serialize();
    // It ends with its occurrence (O6), and has ended where it is not found.
    let taken = if shared.is(Fault::OccursTwice) {
        let mut state = shared.lock();
        let there = state.memory.find(handle, Reading::Name).cloned();
        // As a periodic timer it would be removed when it has occurred, and that is forgotten once.
        if let Some(again) = state.memory.find(handle, Reading::Name).filter(|again| !again.was_ready) {
            again.was_ready = true;
        } else {
            state.memory.release(handle, Reading::Name);
        }
        there
    } else {
        shared.lock().memory.release(handle, reading)
    };
    let value = match shared.fault {
        Some(Fault::OneMoreAfterDeregister) => Some(registration.value),
        Some(Fault::EventFreedInBatch) => taken.map(|taken| taken.value).or(Some(registration.value)),
        _ => taken.map(|taken| taken.value),
    };
    if let Some(value) = value {
        call_out(shared, || hosted.client.occurred_timeout(value));
    }
    drop(outer);
    hosted.leave();
}

fn call_out(shared: &Shared, occurrence: impl FnOnce()) {
    let everywhere = shared.is(Fault::LockAcrossCallOut).then(|| shared.everywhere.hold());
    // Relaxed: see the field.
    shared.occurring.store(true, Ordering::Relaxed);
    occurrence();
    shared.occurring.store(false, Ordering::Relaxed);
    drop(everywhere);
}

/// Only for a registration that is watched by edges.
fn still_ready(registration: &Registration, events: i16) -> bool {
    look(registration.watched, events) != 0
}

/// What poll(2) says now.
fn look(fd: RawFd, events: i16) -> i16 {
    let mut polled = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one pollfd, for the length of the call.
    unsafe { libc::poll(&mut polled, 1, 0) };
    polled.revents
}

/// Whether epoll would refuse it: a regular file, a folder, `/dev/null` and the like.
pub(super) fn always_ready(fd: RawFd) -> bool {
    // SAFETY: all zeroes is a value of this struct of numbers.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` outlives the call.
    let found = unsafe { libc::fstat(fd, &mut stat) } == 0;
    found && matches!(stat.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR | libc::S_IFCHR)
}

pub(super) fn is_open(fd: RawFd) -> bool {
    // SAFETY: a command without pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// A second number for the same file.
pub(super) fn copy(fd: RawFd) -> RawFd {
    // SAFETY: a command without pointers.
    unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) }
}

pub(super) fn close_copy(fd: RawFd) {
    // SAFETY: `copy` made it for a registration that is gone, so nobody else closes it.
    unsafe { libc::close(fd) };
}
