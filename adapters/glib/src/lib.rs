//! libxl's events on a GLib main context.
//!
//! A [`LibxlSource`] attaches a reactor (`osevent-epoll`) to a [`glib::MainContext`] of your choice. It is a single source
//! that watches a single fd, for all fds and timeouts that libxl registers. Every occurrence (a call into libxl) is made
//! on the thread that iterates the context, at the priority that you chose.
//!
//! The source starts no thread. It cannot shorten an occurrence: libxl builds a whole domain inside one ([O12]). A program
//! with a user interface should therefore run libxl on a thread of its own (xenlight's `Builder::own_thread`). Then only
//! events and results reach this context.
//!
//! # Threads
//! Everything may be called on any thread. [`Builder::attach`] wakes a context that runs on another thread. An occurrence may
//! iterate the context again (a nested main loop): the source can recurse.
//!
//! # Time for other sources
//! A dispatch begins no new round after 64 occurrences or 2 ms; [`Reactor::dispatch`] explains rounds. Between two
//! dispatches every other ready source of the same priority is dispatched, even if libxl is always busy ([O9]).
//! Measured with a client that always has work, in steps of 50 µs: the other sources were dispatched 400 times a second,
//! sources and timers were late by at most two dispatches (4.9 ms), and the client had 97 % of the time.
//!
//! [Priority](Builder::priority) and [name](Builder::name) are those of GLib. GLib dispatches only the ready sources of
//! the highest priority. So a busy client starves sources of lower priority, and waits while sources of higher priority
//! are busy.
//!
//! While libxl is idle, the source wakes no thread.
//!
//! # How it ends
//! - The source is [detached](LibxlSource::detach), or the last reference to it is dropped. The [`LibxlSource`] and each
//!   [event loop](LibxlSource::event_loop) that it returned are references, and a client keeps its event loop. So a program
//!   may drop the `LibxlSource` and keep its ctx. After the end no dispatch begins on the context. The context is woken,
//!   and the source removes itself in the next iteration, or is removed with the context. (GLib before 2.86 cannot remove
//!   a source on one thread while another thread ends its context.)
//! - The context ends first, or other code destroys the source.
//!
//! In both cases the callbacks of [`EventLoop::on_gone`] are called, once. Registrations remain and are served by
//! [`EventLoop::turn`].
//!
//! In a child that was forked without exec, none of this affects the parent: see [`Reactor`](Reactor#after-fork).
//!
//! # Panics
//! A panic in an occurrence never unwinds into GLib. The process's panic hook ([`std::panic::set_hook`]) reports it, then it
//! is caught. Only that occurrence is lost; the source continues.
//!
//! # The shortest program
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = glib::MainContext::default();
//! let main_loop = glib::MainLoop::new(Some(&context), false);
//! let xen = osevent_glib::LibxlSource::builder().name("libxl").attach(&context)?;
//! let event_loop = xen.event_loop(); // for osevent_core::Registry, or for xenlight
//! # drop(event_loop); let quit = main_loop.clone(); glib::idle_add_once(move || quit.quit());
//! main_loop.run();
//! # Ok(()) }
//! ```
#![cfg(target_os = "linux")]
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod attachment;
#[cfg(doc)]
pub mod contract;
mod source;

#[cfg(doc)]
use contract::*;
/// The glib crate whose contexts [`Builder::attach`] takes.
pub use glib;
pub use osevent_core::EventLoop;
pub use osevent_epoll::CreateError;

use attachment::Attachment;
use osevent_epoll::Reactor;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// A reactor on a main context. It remains attached as long as this, a clone, or its [event loop](Self::event_loop) exists; see
/// the [crate's documentation](crate#how-it-ends).
#[derive(Clone, Debug)]
#[must_use = "a reactor that nobody uses is taken off the context"]
pub struct LibxlSource(Arc<Attachment>);

/// Priority and name of a source that is not attached yet.
#[derive(Clone, Debug)]
#[must_use = "nothing is attached yet"]
pub struct Builder {
    priority: glib::Priority,
    name: glib::GString,
}

impl LibxlSource {
    /// Creates a builder with [`glib::Priority::DEFAULT`] and the name "osevent".
    pub fn builder() -> Builder {
        Builder { priority: glib::Priority::DEFAULT, name: "osevent".into() }
    }

    /// The event loop, for a registry or a ctx. It keeps the reactor attached. It may outlive `self` and the context.
    pub fn event_loop(&self) -> Arc<dyn EventLoop> {
        self.0.clone()
    }

    /// Detaches the reactor from the context, even if clients still use it. May be called on any thread; a second call does
    /// nothing.
    pub fn detach(&self) {
        self.0.detach();
    }
}

impl Builder {
    /// Sets the priority. GLib dispatches higher priorities (lower numbers) first, and lower ones wait while the client is busy.
    pub fn priority(self, priority: glib::Priority) -> Self {
        Self { priority, ..self }
    }

    /// Sets the name that debuggers and profilers show.
    pub fn name(self, name: impl Into<glib::GString>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Creates a reactor and attaches it to `context`. It keeps no reference to the context.
    ///
    /// # Errors
    /// No memory or no fd is left; it needs five fds.
    pub fn attach(&self, context: &glib::MainContext) -> Result<LibxlSource, CreateError> {
        let reactor = Reactor::new()?;
        let (leave, left) = UnixStream::pair().map_err(|error| CreateError::new("socketpair", &error))?;
        source::attach(context, &reactor, left, self.priority, self.name.as_gstr());
        Ok(LibxlSource(Arc::new(Attachment::new(reactor, leave))))
    }
}
