//! libxl's events in a calloop event loop.
//!
//! A [`LibxlSource`] puts a reactor (`osevent-epoll`) into a calloop [`EventLoop`](calloop::EventLoop), as one
//! [`EventSource`] that watches one fd, however many fds and timeouts libxl has registered. Every occurrence is made
//! on the thread that dispatches the event loop, in between its other sources.
//!
//! It starts no thread, and it cannot shorten an occurrence: libxl builds a whole domain inside one ([O12]). A program
//! with a user interface therefore opens its ctx with a thread for libxl (xenlight's `Builder::own_thread`): then only
//! events and results come to this event loop.
//!
//! # Threads
//! Calloop's handles stay on their thread; the [event loop](LibxlSource::event_loop) that libxl registers with does not: it is
//! called on any thread, and wakes the calloop loop as soon as something is due ([R9]). The `LibxlSource` itself can be sent to
//! the thread of its loop, too.
//!
//! # Events and results with `&mut Data`
//! libxl's events come from inside an occurrence, where calloop's `Data` is out of reach. So they reach it through
//! sources of calloop's own, which have its features `stream` and `executor`: a `StreamSource` takes xenlight's
//! `Ctx::events`, and an executor awaits xenlight's operations.
//! ```
//! # struct Error;
//! # struct Ctx;
//! # impl Ctx {
//! #     fn events(&self) -> futures_lite::stream::Iter<std::array::IntoIter<u32, 1>> { futures_lite::stream::iter([5]) }
//! #     fn destroy(&self, _: u32) -> std::future::Ready<Result<(), Error>> { std::future::ready(Ok(())) }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[derive(Default)] struct App { events: u32, closed: bool, destroyed: bool }
//! # let ctx = Ctx;
//! # let mut event_loop = calloop::EventLoop::<App>::try_new()?;
//! use calloop::{futures::executor, stream::StreamSource};
//!
//! // Before the first watch: the stream has the events from now on.
//! let events = StreamSource::new(ctx.events())?;
//! event_loop.handle().insert_source(events, |event, _, app: &mut App| match event {
//!     Some(_event) => app.events += 1,
//!     // The ctx is closed; this source is removed.
//!     None => app.closed = true,
//! })?;
//!
//! let (results, operations) = executor::<Result<(), Error>>()?;
//! event_loop.handle().insert_source(results, |result, _, app| app.destroyed = result.is_ok())?;
//! operations.schedule(ctx.destroy(5))?;
//! # let mut app = App::default(); event_loop.dispatch(None, &mut app)?;
//! # assert!(app.events == 1 && app.closed && app.destroyed);
//! # Ok(()) }
//! ```
//! Both callbacks run on the loop's thread, outside every occurrence, so they may do anything: call libxl, drop the ctx,
//! remove sources. Events come in libxl's order, from whichever thread delivers them, and wait while the source is
//! disabled. Removed, it takes no more; the ctx goes on. An operation whose executor has gone goes on, too, but nobody
//! learns how it ends. A panic in a `StreamSource`'s callback leaves that source deaf: who catches it inserts another.
//!
//! The reactor's own event, the number of occurrences that a dispatch has made, is for diagnosis.
//!
//! # What it leaves to the program
//! A dispatch ends after the round in which it has made 64 occurrences or taken 2 ms; [`Reactor::dispatch`] says what a
//! round is. However busy libxl is, every other source that is ready, and every timer that is due, has a turn between
//! two dispatches ([O9]). Measured with a client that always has work, 50 µs at a time: 400 such turns a second, each
//! source and timer two dispatches late at most, 4.9 ms, and 97 % of the time for the client.
//!
//! Calloop's sources have neither priorities nor names, so there is none to choose. Idle, it wakes no thread.
//!
//! # How it pauses and ends
//! - Disabled: nothing is dispatched until it is enabled. Registrations are accepted and nothing is lost; timeouts are
//!   late.
//! - Removed, or the [`EventLoop`](calloop::EventLoop) ends with its last [`LoopHandle`](calloop::LoopHandle) (calloop
//!   keeps sources as long as there is one), or a `LibxlSource` that is in no event loop is dropped: the loop is gone. What
//!   waits in [`EventLoop::on_gone`] is told, once; registrations stay and are served by [`EventLoop::turn`]. It is
//!   told inside calloop's removal, where calloop's own handles may not be used.
//! - Removed, but kept by a [`Dispatcher`](calloop::Dispatcher): as if disabled. It may be put into another event loop.
//!
//! In a child that was forked without exec, none of this touches the parent's: a dropped `LibxlSource` only closes the
//! child's fds, a removed one stays in the epoll set that calloop's event loop shares with the parent's, and putting it into an
//! event loop is refused ([`Reactor`](Reactor#after-fork)).
//!
//! A `LibxlSource` is in one event loop at a time: inserting takes it. A `Dispatcher` that is registered a second time is
//! refused with calloop's [`IoError`](calloop::Error::IoError), `AlreadyExists`, and goes on where it was.
//!
//! # Errors and panics
//! If the reactor's fds are gone, which means that something in this process closed fds that were not its own, the
//! loop is gone and calloop's `dispatch` returns the [`LoopError`]. A panic in an occurrence comes out of calloop's
//! `dispatch`. Only that occurrence is lost: who catches the panic may dispatch again.
//!
//! # The shortest program
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut event_loop = calloop::EventLoop::<()>::try_new()?;
//! let xen = osevent_calloop::LibxlSource::new()?;
//! let hosting = xen.event_loop(); // for osevent_core::Registry, or for xenlight
//! event_loop.handle().insert_source(xen, |_, _, _| {})?;
//! # drop(hosting);
//! # use calloop::timer::{TimeoutAction, Timer};
//! # let signal = event_loop.get_signal();
//! # event_loop.handle().insert_source(Timer::immediate(), move |_, _, _| { signal.stop(); TimeoutAction::Drop })?;
//! event_loop.run(None, &mut (), |_| {})?;
//! # Ok(()) }
//! ```
#![cfg(target_os = "linux")]
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

/// The calloop crate whose event loops take a [`LibxlSource`].
#[cfg(doc)]
pub mod contract;
pub use calloop;
#[cfg(doc)]
use contract::*;
pub use osevent_core::{EventLoop, LoopError};
pub use osevent_epoll::CreateError;

use calloop::generic::Generic;
use calloop::{EventSource, Interest, Mode, Poll, PostAction, Readiness, Token, TokenFactory};
use osevent_epoll::Reactor;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// A reactor as an event source. Dropping it, which removal does, ends it; see the
/// [crate's documentation](crate#how-it-pauses-and-ends).
///
/// Its event is the result of the [dispatch](Reactor::dispatch) before it: the number of occurrences, at least one unless
/// somebody else served what was due.
#[derive(Debug)]
#[must_use = "nothing is dispatched before it is inserted into an event loop"]
pub struct LibxlSource {
    watched: ManuallyDrop<Generic<Arc<Reactor>, LoopError>>,
}

impl LibxlSource {
    /// Makes a reactor, for [`LoopHandle::insert_source`](calloop::LoopHandle::insert_source).
    ///
    /// # Errors
    /// No fd is left, or no memory; three fds are needed.
    pub fn new() -> Result<Self, CreateError> {
        let reactor = Reactor::new()?;
        let watched = Generic::new_with_error(reactor, Interest::READ, Mode::Level);
        Ok(Self { watched: ManuallyDrop::new(watched) })
    }

    /// The loop, for a registry or a ctx. It may outlive `self` and calloop's event loop.
    pub fn event_loop(&self) -> Arc<dyn EventLoop> {
        self.watched.get_ref().clone()
    }

    fn check_process(&self) -> calloop::Result<()> {
        if self.watched.get_ref().is_forked() {
            return Err(calloop::Error::OtherError(LoopError::Forked.into()));
        }
        Ok(())
    }
}

impl EventSource for LibxlSource {
    type Event = usize;
    type Metadata = ();
    type Ret = ();
    type Error = LoopError;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> Result<PostAction, LoopError>
    where
        F: FnMut(usize, &mut ()),
    {
        self.watched.process_events(readiness, token, |_, reactor| {
            // A reactor that cannot dispatch never will.
            let made = reactor.dispatch().inspect_err(|_| reactor.detach())?;
            callback(made, &mut ());
            Ok(PostAction::Continue)
        })
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.check_process()?;
        self.watched.register(poll, tokens)
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.check_process()?;
        self.watched.reregister(poll, tokens)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        if self.watched.get_ref().is_forked() {
            // It would take the parent's out.
            return Ok(());
        }
        self.watched.unregister(poll)
    }
}

impl Drop for LibxlSource {
    fn drop(&mut self) {
        let reactor = self.watched.get_ref();
        if reactor.is_forked() {
            // `watched` is not dropped: it would take the fd out of calloop's epoll set, which the parent has, too. With its
            // reference to that set, the set's own timer stays in as well.
            let reactor = Arc::as_ptr(reactor);
            // SAFETY: the reference is that of `watched`, which nobody uses or drops after this.
            unsafe { Arc::decrement_strong_count(reactor) };
            return;
        }
        reactor.detach();
        // SAFETY: here only, and nobody uses it after this.
        unsafe { ManuallyDrop::drop(&mut self.watched) };
    }
}
