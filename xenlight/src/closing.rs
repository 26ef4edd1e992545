//! How far the close of a ctx has come, and who waits for it. Its steps are in `close`.

use crate::contain::wake;
use crate::error::Error;
use crate::guarded::Guarded;
use crate::lock;
use crate::signal::Signal;
use crate::turns::{Turns, one_at_a_time};
use osevent_core::LoopError;
use std::io;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::task::{Poll, Waker};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Closed,
}

struct State {
    phase: Phase,
    loop_gone: bool,
    /// Why the ctx's own thread could not go on.
    stuck: Option<LoopError>,
    turns: Turns,
    /// A thread of our own turns the loop to the end.
    driven: bool,
    last_waiter: u64,
    /// One for each [`Waiter`] that has been polled.
    wakers: Vec<(u64, Waker)>,
}

impl State {
    fn new() -> Self {
        Self {
            phase: Phase::Open,
            loop_gone: false,
            stuck: None,
            turns: Turns::default(),
            driven: false,
            last_waiter: 0,
            wakers: Vec::new(),
        }
    }

    /// False if that has happened.
    fn begin(&mut self) -> bool {
        let open = self.phase == Phase::Open;
        if open {
            self.phase = Phase::Closing;
        }
        open
    }

    /// Whether a thread has to turn the loop, which is the caller's to start.
    fn is_to_be_driven(&mut self) -> bool {
        let orphaned = self.phase == Phase::Closing && self.loop_gone;
        orphaned && !std::mem::replace(&mut self.driven, true)
    }

    /// Whether the caller is the one who takes the steps.
    fn enter(&mut self) -> bool {
        self.phase == Phase::Closing && self.turns.enter()
    }
}

/// One thread at a time takes the steps.
fn step_by_step(state: &impl Guarded<State>, look: impl Fn()) {
    one_at_a_time(state, State::enter, |state| &mut state.turns, look);
}

/// One who waits for the close to end.
pub(crate) struct Waiter(u64);

pub(crate) struct Closing {
    state: Mutex<State>,
    /// Raised when it is done or stuck, and never cleared: it interrupts every thread that turns the loop for it.
    done: Signal,
}

impl Closing {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::new(State::new()), done: Signal::new()? })
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if lock(&self.state).phase == Phase::Open { Ok(()) } else { Err(Error::Closed) }
    }

    pub(crate) fn loop_is_gone(&self) -> bool {
        lock(&self.state).loop_gone
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).phase == Phase::Closed
    }

    pub(crate) fn done_fd(&self) -> RawFd {
        self.done.fd()
    }

    /// Names one who polls.
    pub(crate) fn waiter(&self) -> Waiter {
        self.state.with(|state| {
            state.last_waiter += 1;
            Waiter(state.last_waiter)
        })
    }

    pub(crate) fn poll(&self, waiter: &Waiter, waker: &Waker) -> Poll<()> {
        // The application's code, as its drop: not under the lock.
        let waker = waker.clone();
        let _replaced;
        let mut state = lock(&self.state);
        if state.phase == Phase::Closed {
            return Poll::Ready(());
        }
        _replaced = match state.wakers.iter_mut().find(|(known, _)| *known == waiter.0) {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                state.wakers.push((waiter.0, waker));
                None
            }
        };
        Poll::Pending
    }

    /// It polls no more.
    pub(crate) fn forget(&self, waiter: &Waiter) {
        let _forgotten = self.state.with(|state| {
            let at = state.wakers.iter().position(|(known, _)| *known == waiter.0)?;
            Some(state.wakers.swap_remove(at))
        });
    }

    /// Something that a close waits for may have ended.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).phase == Phase::Closing
    }

    /// False if that has happened.
    pub(crate) fn begin(&self) -> bool {
        self.state.with(State::begin)
    }

    /// The host's loop dispatches no more.
    pub(crate) fn set_loop_gone(&self) {
        lock(&self.state).loop_gone = true;
    }

    /// The ctx's own thread turns its loop no more.
    pub(crate) fn set_stuck(&self, why: LoopError) {
        {
            let mut state = lock(&self.state);
            state.loop_gone = true;
            state.stuck = Some(why);
        }
        self.done.raise();
    }

    /// Why the ctx's own thread could not go on.
    pub(crate) fn stuck(&self) -> Option<LoopError> {
        lock(&self.state).stuck.clone()
    }

    /// Whether a thread has to turn the loop, which is the caller's to start.
    pub(crate) fn is_to_be_driven(&self) -> bool {
        self.state.with(State::is_to_be_driven)
    }

    /// That thread could not be had.
    pub(crate) fn set_undriven(&self) {
        lock(&self.state).driven = false;
    }

    /// Has the steps taken that can be taken now, by this thread or by the one that is at it.
    pub(crate) fn step(&self, look: impl Fn()) {
        step_by_step(&self.state, look);
    }

    /// All is over: those who wait are woken.
    pub(crate) fn end(&self) {
        let wakers = self.state.with(|state| {
            state.phase = Phase::Closed;
            std::mem::take(&mut state.wakers)
        });
        self.done.raise();
        wakers.into_iter().for_each(|(_, waker)| wake(waker));
    }
}

#[cfg(test)]
mod tests;
