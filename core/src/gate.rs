//! The gate: counts the calls into the guest that are in progress, and lets the guest be freed when there are none.
//!
//! # What it guarantees
//! `Guest::release` is called once, when no thread is inside, and nobody gets inside afterwards
//! (X4); never on a thread that is inside (X5). It never waits.
//!
//! # Why
//! All decisions are made under one lock. `close` sets `phase` to `Closed`, after which `enter`
//! refuses. Whoever then finds `inside` empty, the closer itself or the last to leave, moves
//! `phase` on to `Releasing`; that happens once because `phase` never goes back. A closer that is itself
//! inside finds `inside` not empty, so the release is its own outermost `leave`'s: nobody waits for
//! anybody, and there is no cycle to deadlock in.
//!
//! # The outer lock (serialized guests, O2)
//! It is taken before the count is raised and given back after the count is lowered, so a thread
//! that waits for it is not counted and a closer has nothing to wait for. `inside` tells a nested
//! call, which must not take it again. The release runs under it, so that the hooks that the
//! guest calls meanwhile (X2) are under it, too.

use crate::sync::Lock;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

/// Names a thread, as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadId(pub NonZeroU64);

/// How occurrences and other calls into the guest may overlap (O2).
pub enum LockRule {
    /// The guest tolerates an occurrence after its deregistration (4.2.2 and later, O3). No lock
    /// is held across any call.
    Concurrent,
    /// It does not (4.2.0, 4.2.1): one lock is held across every call into the guest. Every such
    /// call of the program must go through [`Registry::enter`](crate::Registry::enter), and none may wait inside the
    /// guest for another thread's occurrence (E8).
    Serialized(Box<dyn OuterLock>),
}

/// A mutual exclusion that may be held for seconds, so it should put waiters to sleep.
///
/// Locked and unlocked on the same thread; never locked twice by one.
pub trait OuterLock: Send + Sync {
    /// Waits until it is free and takes it.
    fn lock(&self);
    /// Gives it back.
    fn unlock(&self);
}

/// The guest is being freed, or is freed: no call into it can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl core::fmt::Display for Closed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the guest is closed")
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
    /// Each thread inside, and how deep. As long as the largest number of threads that ever met here.
    inside: Vec<(ThreadId, u32)>,
    idle_wanted: bool,
}

pub(crate) struct Gate {
    current_thread: fn() -> ThreadId,
    outer: Option<Box<dyn OuterLock>>,
    state: Lock<State>,
}

impl Gate {
    pub(crate) fn new(current_thread: fn() -> ThreadId, rule: LockRule) -> Self {
        let outer = match rule {
            LockRule::Concurrent => None,
            LockRule::Serialized(lock) => Some(lock),
        };
        let state = State { phase: Phase::Open, inside: Vec::with_capacity(8), idle_wanted: false };
        Self { current_thread, outer, state: Lock::new(state) }
    }

    pub(crate) fn is_serialized(&self) -> bool {
        self.outer.is_some()
    }

    pub(crate) fn enter(&self) -> Result<(), Closed> {
        let me = (self.current_thread)();
        if let Some(outer) = &self.outer
            && !self.is_inside(me)
        {
            outer.lock();
        }
        let refused_outermost = {
            let mut state = self.state.lock();
            let at = state.inside.iter().position(|(thread, _)| *thread == me);
            match at {
                _ if state.phase != Phase::Open => Some(at.is_none()),
                Some(at) => {
                    state.inside[at].1 += 1;
                    None
                }
                None => {
                    state.inside.push((me, 1));
                    None
                }
            }
        };
        let Some(outermost) = refused_outermost else { return Ok(()) };
        if let Some(outer) = &self.outer
            && outermost
        {
            outer.unlock();
        }
        Err(Closed)
    }

    /// Undoes one `enter` of this thread. For `Due::Release` the outer lock is still held: the
    /// caller gives it back by `released`.
    pub(crate) fn leave(&self) -> Due {
        let me = (self.current_thread)();
        let (outermost, due) = {
            let mut state = self.state.lock();
            let at = state.inside.iter().position(|(thread, _)| *thread == me);
            let at = at.expect("a thread leaves the gate as often as it entered");
            state.inside[at].1 -= 1;
            let outermost = state.inside[at].1 == 0;
            if outermost {
                state.inside.swap_remove(at);
            }
            (outermost, state.due(me))
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
        let mut state = self.state.lock();
        state.idle_wanted = true;
        state.due(me)
    }

    /// Lets nobody in any more. `Due::Release` as from `leave`.
    pub(crate) fn close(&self) -> Due {
        let me = (self.current_thread)();
        let due = {
            let mut state = self.state.lock();
            if state.phase == Phase::Open {
                state.phase = Phase::Closed;
            }
            state.due(me)
        };
        // A thread that holds it now has not been counted, will be refused, and gives it back.
        if due == Due::Release
            && let Some(outer) = &self.outer
        {
            outer.lock();
        }
        due
    }

    pub(crate) fn released(&self) {
        self.state.lock().phase = Phase::Released;
        if let Some(outer) = &self.outer {
            outer.unlock();
        }
    }

    /// Whether hooks are still answered (X2).
    pub(crate) fn answers_hooks(&self) -> bool {
        self.state.lock().phase != Phase::Released
    }

    /// Whether this thread is inside, or is the one that releases.
    pub(crate) fn current_is_inside(&self) -> bool {
        self.is_inside((self.current_thread)())
    }

    /// Threads inside.
    pub(crate) fn in_flight(&self) -> usize {
        self.state.lock().inside.len()
    }

    fn is_inside(&self, thread: ThreadId) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Releasing(thread) || state.inside.iter().any(|(inside, _)| *inside == thread)
    }
}

impl State {
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
