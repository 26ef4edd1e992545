//! The gate: counts the calls into the client that are in progress, and lets the client be freed when there are none.
//!
//! # What it guarantees
//! `Client::release` is called once, when no thread is inside, and nobody gets inside afterwards
//! ([X4]); never on a thread that is inside ([X5]). Neither closing nor leaving waits for anybody.
//!
//! # Why
//! All decisions are made under one lock, which is never held across a call. `phase` only goes
//! forward: `Open`, `Closed`, `Releasing`, `Released`.
//!
//! - *Nobody begins after the close*: a thread is counted only while `phase` is `Open`.
//! - *Nobody is inside at the release*: `Closed` becomes `Releasing` only where `inside` is found
//!   empty, and nothing fills it any more.
//! - *Somebody releases*: while `Closed`, `inside` is looked at by the closer and by whoever leaves,
//!   so the one after whom it is empty sees that. *Only one does*, because it is the one that makes
//!   `Closed` into `Releasing`.
//! - *No deadlock*: a closer that is itself inside finds `inside` not empty, so the release falls to
//!   its own outermost `leave` or to a later one of another thread.
//!
//! Everything that a call did happens before the release, because both went through the lock.
//!
//! # Without the lock
//! Mostly the gate is open, nobody has asked for anything, and one thread at a time goes in and out. For this the word `quiet` is
//! enough. It is in one of three states:
//!
//! - [`NOBODY`]: the phase is `Open`, `idle_wanted` is false, and nobody is inside.
//! - A thread's number: the same, but this thread is inside, once.
//! - [`LOCKED`]: all is as `state` says. In the other two, `inside` there is empty, and the rest is as above.
//!
//! Without the lock, a thread only exchanges `NOBODY` for its own number, which is an `enter`, or its own number for `NOBODY`, a `leave`
//! after which nothing is due; and it reads in the word whether it is inside itself. Everything else takes the lock, and with it the
//! word: it makes it `LOCKED` and moves into `inside` the thread whose number was there ([`Gate::locked`]). From then on the exchanges of
//! others fail, and they take the lock as well. So whoever has the lock finds all of the state behind it, and the proof above holds;
//! before the lock is given back, the word is set to what the state is, if that can be said in it.
//!
//! What a call did happens before the release also here: the exchange of its `leave` is a release, and whoever takes the word acquires
//! it; what lies in between are exchanges, which continue the sequence, or others that hold the lock.
//!
//! # The outer lock (serialized clients, [O2])
//! It is held by a thread from its outermost `enter` to the `leave` that matches, and through the
//! release, so that the hooks which the client calls there ([X2]) are under it, too. It is taken before
//! the count is raised and given back after the count is lowered: a thread that waits for it is not
//! counted, so a closer has nothing to wait for but the lock itself, and the one who holds that
//! without being counted is about to be refused or has just left, and gives it back without waiting.
//! `inside` tells a nested call, which must not take it again; only the thread itself changes its
//! own entry, so what it reads there cannot be out of date.

#[cfg(doc)]
use crate::contract::*;
use crate::sync::{AtomicU64, Lock, Ordering};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::num::NonZeroU64;

/// Identifies a thread. Two threads that exist at the same time have different ids, and the id of a thread never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number, which the host makes")]
pub struct ThreadId(pub NonZeroU64);

/// Whether occurrences and other calls into the client may overlap ([O2]).
#[non_exhaustive]
pub enum LockRule {
    /// For a client that tolerates an occurrence after its deregistration (4.2.2 and later, [O3]). No lock is held across a
    /// call.
    Concurrent,
    /// For a client that does not tolerate it (4.2.0, 4.2.1). One lock is held across every call into the client, so that no
    /// occurrence arrives after its deregistration. The program must make every call into the client inside
    /// [`Registry::enter`](crate::Registry::enter), and no call may wait inside the client for an occurrence of another thread
    /// ([E8]).
    Serialized(Box<dyn OuterLock>),
}

impl fmt::Debug for LockRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Concurrent => "Concurrent",
            Self::Serialized(_) => "Serialized",
        })
    }
}

/// A mutex that may be held for seconds. Waiting threads should sleep.
///
/// It is locked and unlocked on the same thread. A thread never locks it twice for the same client. Two clients may share one
/// if no call into one client is made inside a call into the other.
pub trait OuterLock: Send + Sync {
    /// Waits until the lock is free and takes it. Must not panic.
    fn lock(&self);
    /// Releases the lock. Called on the thread that holds it, also while the thread unwinds. Must not panic.
    fn unlock(&self);
}

/// The client is freed or being freed, so no call into it can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client is closed")
    }
}

impl core::error::Error for Closed {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    Closed,
    Releasing(ThreadId),
    Released,
}

/// What the gate's word says of the rest: see the head of this file.
const NOBODY: u64 = 0;
const LOCKED: u64 = u64::MAX;

/// What the caller has to do now, outside the gate's lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Due {
    Nothing,
    Idle,
    Release,
}

struct State {
    phase: Phase,
    /// Each thread inside, and how deep. Has room for twice the threads that ever met here, so that
    /// entering does not allocate in the steady state.
    inside: Vec<(ThreadId, u32)>,
    idle_wanted: bool,
    /// Whether the word is `LOCKED`, if there is one: this is all of the state then.
    is_all: bool,
}

pub(crate) struct Gate {
    current_thread: fn() -> ThreadId,
    outer: Option<Box<dyn OuterLock>>,
    /// All of the state, while it is simple: see the head of this file. `None` with an outer lock, for which whoever leaves has more to do.
    ///
    /// As with a lock, whoever comes later sees what those before did, also who finds somebody inside, or nobody. So: Release where somebody
    /// leaves, and where a holder of the lock gives it back; Acquire where a holder of the lock takes it; both where somebody goes in. A thread that asks about itself sees no others: see [`Gate::current_is_inside`].
    quiet: Option<AtomicU64>,
    state: Lock<State>,
}

impl Gate {
    pub(crate) fn new(current_thread: fn() -> ThreadId, rule: LockRule) -> Self {
        let (outer, quiet) = match rule {
            LockRule::Concurrent => (None, Some(AtomicU64::new(NOBODY))),
            LockRule::Serialized(lock) => (Some(lock), None),
        };
        let state = State { phase: Phase::Open, inside: Vec::with_capacity(8), idle_wanted: false, is_all: false };
        Self { current_thread, outer, quiet, state: Lock::new(state) }
    }

    pub(crate) fn is_serialized(&self) -> bool {
        self.outer.is_some()
    }

    pub(crate) fn enter(&self) -> Result<(), Closed> {
        let me = (self.current_thread)();
        let Some(outer) = &self.outer else { return self.count(me) };
        // Refused here already where it can be: the lock may be held for seconds.
        let nested = self.locked(|state| match state.phase {
            Phase::Open => Ok(state.position(me).is_some()),
            _ => Err(Closed),
        })?;
        if nested {
            return self.count(me);
        }
        outer.lock();
        self.count(me).inspect_err(|Closed| outer.unlock())
    }

    /// Counts `me` in, unless the gate is closed. Allocates outside the lock.
    fn count(&self, me: ThreadId) -> Result<(), Closed> {
        if self.exchange(me, NOBODY, me.0.get(), Ordering::AcqRel) {
            return Ok(());
        }
        let mut roomier = Vec::new();
        loop {
            let full = self.locked(|state| {
                if state.phase != Phase::Open {
                    return Err(Closed);
                }
                if let Some(at) = state.position(me) {
                    state.inside[at].1 += 1;
                    return Ok(None);
                }
                if roomier.capacity() > state.inside.capacity() {
                    roomier.append(&mut state.inside);
                    mem::swap(&mut roomier, &mut state.inside);
                }
                if state.inside.len() < state.inside.capacity() {
                    state.inside.push((me, 1));
                    return Ok(None);
                }
                Ok(Some(state.inside.capacity()))
            })?;
            let Some(full) = full else { return Ok(()) };
            roomier = Vec::with_capacity(2 * full);
        }
    }

    /// Undoes one `enter` of this thread. For `Due::Release` the outer lock is still held: the
    /// caller gives it back by `released`.
    pub(crate) fn leave(&self) -> Due {
        let me = (self.current_thread)();
        let (outermost, due) = if self.exchange(me, me.0.get(), NOBODY, Ordering::Release) {
            (true, Due::Nothing)
        } else {
            self.locked(|state| {
                let at = state.position(me).expect("a thread leaves the gate as often as it entered");
                state.inside[at].1 -= 1;
                let outermost = state.inside[at].1 == 0;
                if outermost {
                    state.inside.swap_remove(at);
                }
                (outermost, state.due(me))
            })
        };
        if let Some(outer) = &self.outer
            && outermost
            && due != Due::Release
        {
            outer.unlock();
        }
        due
    }

    /// Asks to be told by `Due::Idle` when nobody is inside: at once, or from the last `leave`.
    pub(crate) fn when_idle(&self) -> Due {
        let me = (self.current_thread)();
        self.locked(|state| {
            state.idle_wanted = true;
            state.due(me)
        })
    }

    /// Lets nobody in any more. `Due::Release` as from `leave`.
    pub(crate) fn close(&self) -> Due {
        self.close_if(|_| true)
    }

    fn close_if(&self, may_close: impl FnOnce(&mut State) -> bool) -> Due {
        let me = (self.current_thread)();
        let due = self.locked(|state| {
            if !may_close(state) {
                return Due::Nothing;
            }
            if state.phase == Phase::Open {
                state.phase = Phase::Closed;
            }
            state.due(me)
        });
        // Not for long: whoever holds it now is on its way in and will be refused, or on its way out.
        if due == Due::Release
            && let Some(outer) = &self.outer
        {
            outer.lock();
        }
        due
    }

    /// As `close`, if nobody is inside, so that the release is this thread's; else as `when_idle`. In one step: `Due::Idle` is for
    /// the one who was in the way.
    pub(crate) fn close_here(&self) -> Due {
        self.close_if(|state| {
            state.idle_wanted = true;
            state.inside.is_empty()
        })
    }

    /// The release is over, on the thread that was told to do it.
    pub(crate) fn released(&self) {
        self.locked(|state| state.phase = Phase::Released);
        if let Some(outer) = &self.outer {
            outer.unlock();
        }
    }

    /// Whether this thread is inside, or is the one that releases.
    pub(crate) fn current_is_inside(&self) -> bool {
        let me = (self.current_thread)();
        // Relaxed: the answer depends on what this thread has done, and it reads no word older than that,
        // as it has written the word itself, or had the lock after who wrote it. From its `enter` to its `leave`,
        // and while it releases, all words are its number or `LOCKED`; otherwise none is its number.
        match self.quiet.as_ref().map_or(LOCKED, |quiet| quiet.load(Ordering::Relaxed)) {
            LOCKED => self.locked(|state| state.phase == Phase::Releasing(me) || state.position(me).is_some()),
            word => word == me.0.get(),
        }
    }

    /// Threads inside; one that releases is not.
    pub(crate) fn in_flight(&self) -> usize {
        self.locked(|state| state.inside.len())
    }

    /// Whether the word was `from` and is `to` now: an `enter` or a `leave` of `me` without the lock. A thread whose number is `LOCKED`
    /// has none of them.
    fn exchange(&self, me: ThreadId, from: u64, to: u64, order: Ordering) -> bool {
        let exchanged = |quiet: &AtomicU64| quiet.compare_exchange(from, to, order, Ordering::Relaxed).is_ok();
        me.0.get() != LOCKED && self.quiet.as_ref().is_some_and(exchanged)
    }

    /// Acts under the lock, with the word taken.
    fn locked<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let Some(quiet) = &self.quiet else { return act(&mut state) };
        if !mem::replace(&mut state.is_all, true)
            && let Some(thread) = NonZeroU64::new(quiet.swap(LOCKED, Ordering::Acquire))
        {
            // It has room: nobody was in it.
            state.inside.push((ThreadId(thread), 1));
        }
        let result = act(&mut state);
        let word = state.to_word();
        if word != LOCKED {
            state.is_all = false;
            state.inside.clear();
            quiet.store(word, Ordering::Release);
        }
        result
    }
}

impl State {
    fn position(&self, thread: ThreadId) -> Option<usize> {
        self.inside.iter().position(|(inside, _)| *inside == thread)
    }

    /// What the word is for this.
    fn to_word(&self) -> u64 {
        match *self.inside {
            _ if self.phase != Phase::Open || self.idle_wanted => LOCKED,
            [] => NOBODY,
            [(thread, 1)] => thread.0.get(),
            _ => LOCKED,
        }
    }

    /// What is due if nobody is inside. For `Release`, this thread is the one that does it.
    fn due(&mut self, me: ThreadId) -> Due {
        if !self.inside.is_empty() {
            return Due::Nothing;
        }
        match self.phase {
            Phase::Closed => {
                self.phase = Phase::Releasing(me);
                Due::Release
            }
            Phase::Open if self.idle_wanted => {
                self.idle_wanted = false;
                Due::Idle
            }
            _ => Due::Nothing,
        }
    }
}
