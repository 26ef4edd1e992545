//! Closing a ctx, in the only order that libxl survives.
//!
//! 1. New work is refused.
//! 2. Operations are aborted, and they, their children and the reports of those are waited for (X3):
//!    the loop goes on meanwhile.
//! 3. Evgens are disabled.
//! 4. The gate closes; what is in progress ends (X4).
//! 5. The ctx is freed, outside every call into libxl (X5), with hooks still answered (X2).
//! 6. Cancelled timeouts that have not occurred are swept (X6); futures and streams end.
//!
//! # Nobody waits
//! Each step is taken by whichever thread finds that it can be: the core calls [`step`] when no
//! client call is in progress, which is asked for when the close begins and whenever an operation
//! or a child has ended. So a drop on the loop's thread does not wait for libxl's lock while another
//! thread works under it (O12). A blocking close only turns the loop until the last step is done.
//!
//! # Why no operation slips through
//! `start` checks the phase inside the gate. If it saw `Open`, the phase changed later, so the request for
//! an idle moment came later, too, and that moment is after the start has left the gate; by then the operation
//! is in the table. If it came to the gate after the idle moment, it sees `Closing`.

use crate::contain::{contained, say, wake};
use crate::ctx::Hosted;
use crate::delivery;
use crate::error::Error;
use crate::guarded::Guarded;
use crate::inside;
use crate::lock;
use crate::signal::Signal;
use osevent_core::{LoopError, Registry};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
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
    /// A thread is in `step`; another that comes meanwhile only sets `again`.
    stepping: bool,
    again: bool,
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
            stepping: false,
            again: false,
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
        if self.phase != Phase::Closing {
            return false;
        }
        self.again = true;
        !std::mem::replace(&mut self.stepping, true)
    }

    /// Whether something has changed since it looked last; if not, it takes no more steps.
    fn look_again(&mut self) -> bool {
        self.stepping = std::mem::take(&mut self.again);
        self.stepping
    }
}

/// One thread at a time looks; what another one has seen change meanwhile is looked at by that one.
fn step_by_step(state: &impl Guarded<State>, look: impl Fn()) {
    if !state.with(State::enter) {
        return;
    }
    while state.with(State::look_again) {
        look();
    }
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

    /// Something that a close waits for has ended.
    pub(crate) fn progressed(&self, registry: &Registry<Hosted>) {
        if lock(&self.state).phase == Phase::Closing {
            inside::when_idle(registry);
        }
    }
}

/// Begins to close, unless that has happened.
///
/// Not in a forked child, where the loop and xenstore's socket are the parent's as well (X7). Destructors come
/// there, too: libxl's children end with exit(3) where a fork fails (S7), and that runs those of the thread's locals.
pub(crate) fn begin(registry: &Arc<Registry<Hosted>>) {
    if registry.client().children.is_forked() || !registry.client().closing.state.with(State::begin) {
        return;
    }
    inside::when_idle(registry);
    drive_if_orphaned(registry);
}

/// The host loop dispatches no more. That a forked child drops its copy of the loop says nothing of the parent's.
pub(crate) fn loop_gone(registry: &Arc<Registry<Hosted>>) {
    if registry.client().children.is_forked() {
        return;
    }
    lock(&registry.client().closing.state).loop_gone = true;
    drive_if_orphaned(registry);
}

/// The ctx's own thread turns its loop no more.
pub(crate) fn stuck(closing: &Closing, why: LoopError) {
    {
        let mut state = lock(&closing.state);
        state.loop_gone = true;
        state.stuck = Some(why);
    }
    closing.done.raise();
}

/// Closes and turns the loop on this thread until that is done.
pub(crate) fn run(registry: &Arc<Registry<Hosted>>) -> Result<(), LoopError> {
    begin(registry);
    let closing = &registry.client().closing;
    while !closing.is_closed() {
        if let Some(why) = lock(&closing.state).stuck.clone() {
            return Err(why);
        }
        registry.client().delivery_source().event_loop().turn(Some(closing.done_fd()))?;
    }
    Ok(())
}

fn drive_if_orphaned(registry: &Arc<Registry<Hosted>>) {
    // It has a thread that does it already.
    if registry.client().worker.is_some() {
        return;
    }
    if !registry.client().closing.state.with(State::is_to_be_driven) {
        return;
    }
    let driven = registry.clone();
    let spawned = std::thread::Builder::new().name("xenlight-close".into()).spawn(move || {
        // A panic, in a callback of another ctx on the same loop, ends the turn that it happened in, and not the close.
        let closed = loop {
            if let Some(closed) = contained(|| run(&driven)) {
                break closed;
            }
        };
        if let Err(error) = closed {
            say!(Error, "a libxl ctx cannot be closed and stays: its event loop is gone, and {error}");
        }
    });
    if let Err(error) = spawned {
        lock(&registry.client().closing.state).driven = false;
        say!(
            Error,
            "a libxl ctx cannot be closed and stays: its event loop is gone, and no thread can be made: {error}"
        );
    }
}

/// Takes the steps that can be taken now. The core calls it, as `Client::idle`.
pub(crate) fn step(registry: &Arc<Registry<Hosted>>) {
    step_by_step(&registry.client().closing.state, || advance(registry));
}

fn advance(registry: &Arc<Registry<Hosted>>) {
    let hosted = registry.client();
    for operation in hosted.operations.all() {
        // Too old to abort, over meanwhile, or asked before: it is waited for all the same.
        if let Err(error) = operation.abort_here() {
            say!(Debug, "while closing: {error}");
        }
    }
    if !hosted.operations.is_empty() || !hosted.children.is_empty() {
        return;
    }
    hosted.events.disable_all(registry);
    match &hosted.worker {
        // Freed here, not on the thread of a question that was just asked (O12). No new one is: the phase is looked at first.
        Some(_) => registry.close_here(),
        None => registry.close(),
    }
}

/// The ctx is freed and nothing is registered. The core calls it, as `Client::closed`.
pub(crate) fn finished(hosted: &Hosted) {
    hosted.delivery_source().close();
    hosted.forget_loop();
    hosted.link.close();
    delivery::end(hosted);
}

/// All is delivered. Nothing here panics, or those who wait for the close would wait for ever; the application's wakers are contained.
pub(crate) fn end(hosted: &Hosted) {
    hosted.events.end();
    let wakers = hosted.closing.state.with(|state| {
        state.phase = Phase::Closed;
        std::mem::take(&mut state.wakers)
    });
    hosted.closing.done.raise();
    wakers.into_iter().for_each(|(_, waker)| wake(waker));
}

#[cfg(test)]
#[path = "close/tests.rs"]
mod tests;
