//! libxl's events in a calloop event loop.
//!
//! A [`LibxlSource`] adds a reactor (`osevent-epoll`) to a calloop [`EventLoop`](calloop::EventLoop). It is a single
//! [`EventSource`] that watches a single fd, for all fds and timeouts that libxl registers. Every occurrence (a call into
//! libxl) is made on the thread that dispatches the event loop.
//!
//! The source starts no thread. It cannot shorten an occurrence: libxl builds a whole domain inside one ([O12]). A program
//! with a user interface should therefore run libxl on a thread of its own (xenlight's `Builder::own_thread`). Then only
//! events and results reach this event loop.
//!
//! # Threads
//! Calloop's handles are bound to one thread. The [event loop](LibxlSource::event_loop) that libxl registers with is not: it
//! may be called on any thread, and wakes the calloop loop as soon as something is due ([R9]). The `LibxlSource` itself can
//! be sent to the thread of its loop.
//!
//! # Events and results with `&mut Data`
//! libxl reports events inside an occurrence, where calloop's `Data` cannot be accessed. They reach `Data` through two of
//! calloop's own sources, which need its features `stream` and `executor`: a `StreamSource` for xenlight's `Ctx::events`,
//! and an executor that awaits xenlight's operations.
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
//! Both callbacks run on the loop's thread, outside of all occurrences, so they may call libxl, drop the ctx or remove
//! sources. Events arrive in libxl's order, from any thread, and wait while the `StreamSource` is disabled. If it is
//! removed, it receives no more events; the ctx is not affected. If the executor is removed, its operations continue, but
//! their results are lost. After a panic in its callback, a `StreamSource` receives no more events: a program that catches
//! the panic has to insert a new one.
//!
//! The event of the `LibxlSource`, the number of occurrences that a dispatch has made, is for diagnosis only.
//!
//! # Time for other sources
//! A dispatch begins no new round after 64 occurrences or 2 ms; [`Reactor::dispatch`] explains rounds. Between two
//! dispatches every other ready source and every due timer is dispatched, even if libxl is always busy ([O9]). Measured
//! with a client that always has work, in steps of 50 µs, on a shared machine: the other sources were dispatched 382 to 400
//! times a second, timers were late by 4.7 ms (median; two dispatches take 4.9 ms) and by 5 to 17 ms at worst, and the client
//! had 89 to 96 % of the time.
//!
//! Calloop's sources have neither priorities nor names. While libxl is idle, the source wakes no thread.
//!
//! # How it pauses and ends
//! - *Disabled*: nothing is dispatched until the source is enabled. Registrations are accepted and no event is lost, but
//!   timeouts are late.
//! - *Ended*: the source is removed; or the [`EventLoop`](calloop::EventLoop) and its last
//!   [`LoopHandle`](calloop::LoopHandle) are dropped (calloop keeps sources until then); or a `LibxlSource` that is in no
//!   event loop is dropped. The callbacks of [`EventLoop::on_gone`] are called, once. Registrations remain and are served by
//!   [`EventLoop::turn`]. These callbacks run inside calloop's removal and must not use calloop's handles.
//! - *Removed, but kept by a [`Dispatcher`](calloop::Dispatcher)*: the same as disabled. It may be inserted into another
//!   event loop.
//!
//! In a child that was forked without exec, none of this affects the parent. A dropped `LibxlSource` only closes the
//! child's fds. A removed one remains in the epoll set that calloop's event loop shares with the parent. Inserting one into
//! an event loop is refused ([`Reactor`](Reactor#after-fork)).
//!
//! A `LibxlSource` is in one event loop at a time, because inserting takes it by value. A second registration of a
//! `Dispatcher` fails with calloop's [`IoError`](calloop::Error::IoError), `AlreadyExists`, and leaves the first unchanged.
//!
//! # Errors and panics
//! If the reactor's fds have been closed, by other code in the process, the loop is gone and calloop's `dispatch` returns
//! the [`LoopError`]. A panic in an occurrence unwinds out of calloop's `dispatch`. Only that occurrence is lost: a program
//! that catches the panic may dispatch again.
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

#[cfg(doc)]
pub mod contract;
/// The calloop crate whose event loops take a [`LibxlSource`].
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

/// A reactor as an event source. It ends when it is dropped, for example by removal; see the
/// [crate's documentation](crate#how-it-pauses-and-ends).
///
/// Its event is the result of a [dispatch](Reactor::dispatch): the number of occurrences. It is at least 1, unless another
/// thread has already served what was due.
#[derive(Debug)]
#[must_use = "nothing is dispatched before it is inserted into an event loop"]
pub struct LibxlSource {
    watched: ManuallyDrop<Generic<Arc<Reactor>, LoopError>>,
}

impl LibxlSource {
    /// Creates a reactor, for [`LoopHandle::insert_source`](calloop::LoopHandle::insert_source).
    ///
    /// # Errors
    /// No memory or no fd is left; it needs three fds.
    pub fn new() -> Result<Self, CreateError> {
        let reactor = Reactor::new()?;
        let watched = Generic::new_with_error(reactor, Interest::READ, Mode::Level);
        Ok(Self { watched: ManuallyDrop::new(watched) })
    }

    /// The event loop, for a registry or a ctx. It may outlive `self` and calloop's event loop.
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
