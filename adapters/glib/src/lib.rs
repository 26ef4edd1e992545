//! libxl's events on a GLib main context.
//!
//! A [`LibxlSource`] puts a reactor (`osevent-epoll`) on a [`glib::MainContext`] of your choice, as one source that
//! watches one fd, however many fds and timeouts libxl has registered. The source runs where the context runs: every
//! occurrence is made on the thread that iterates it, at the priority that you chose.
//!
//! It starts no thread, and it cannot shorten an occurrence: libxl builds a whole domain inside one ([O12]). A program
//! with a user interface therefore opens its ctx with a thread for libxl (xenlight's `Builder::own_thread`): then only
//! events and results come to this context.
//!
//! # Threads
//! Everything may be called on any thread. [`Builder::attach`] wakes a context that runs elsewhere. Occurrences may iterate the
//! context again (a nested main loop): the source can recurse.
//!
//! # What it leaves to the program
//! A dispatch ends after the round in which it has made 64 occurrences or taken 2 ms; [`Reactor::dispatch`] says what a
//! round is. However busy libxl is, every other source of the same priority that is ready has a turn between two
//! dispatches ([O9]). Measured with a client that always has work, 50 µs at a time: 400 such turns a second, each source
//! and timer two dispatches late at most, 4.9 ms, and 97 % of the time for the client.
//!
//! [Priority](Builder::priority) and [name](Builder::name) are GLib's own. Of sources that are ready GLib dispatches
//! those of the highest priority alone: a busy client leaves nothing to lower ones, and gets nothing while higher ones
//! are busy.
//!
//! Idle, it wakes no thread.
//!
//! # How it ends
//! - It is [detached](LibxlSource::detach), or nobody has it any more: neither the [`LibxlSource`] nor what [`LibxlSource::event_loop`] returned, which a
//!   client keeps. A program may so drop the `LibxlSource` and keep its ctx. From then on no dispatch begins on the context. The source itself
//!   goes at the context's next iteration, for which it is woken, or with the context: GLib before 2.86 cannot remove a source
//!   from one thread while another ends its context, so the source removes itself.
//! - The context goes first, or somebody destroys the source: the loop is gone.
//!
//! Either way what waits in [`EventLoop::on_gone`] is told, once; registrations stay and are served by [`EventLoop::turn`].
//!
//! In a child that was forked without exec, all of this does nothing to the parent's: see [`Reactor`](Reactor#after-fork).
//!
//! # Panics
//! A panic in an occurrence never unwinds into GLib: it ends there, after the process's panic hook
//! ([`std::panic::set_hook`]) has reported it, and the source goes on serving. The occurrence in which it happened is lost.
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

/// The glib crate whose contexts [`Builder::attach`] takes.
#[cfg(doc)]
use contract::*;
pub use glib;
pub use osevent_core::EventLoop;
pub use osevent_epoll::CreateError;

use attachment::Attachment;
use osevent_epoll::Reactor;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// A reactor on a main context. It stays there as long as somebody has this or its [event loop](Self::event_loop); see the
/// [crate's documentation](crate#how-it-ends).
#[derive(Clone, Debug)]
#[must_use = "a reactor that nobody uses is taken off the context"]
pub struct LibxlSource(Arc<Attachment>);

/// How the source shows on the main context.
#[derive(Clone, Debug)]
#[must_use = "nothing is attached yet"]
pub struct Builder {
    priority: glib::Priority,
    name: glib::GString,
}

impl LibxlSource {
    /// Starts with [`glib::Priority::DEFAULT`] and the name "osevent".
    pub fn builder() -> Builder {
        Builder { priority: glib::Priority::DEFAULT, name: "osevent".into() }
    }

    /// The loop, for a registry or a ctx, which keeps the reactor on the context. It may outlive `self` and the context.
    pub fn event_loop(&self) -> Arc<dyn EventLoop> {
        self.0.clone()
    }

    /// Takes the reactor off the context, whoever uses it. From any thread; once more, it does nothing.
    pub fn detach(&self) {
        self.0.detach();
    }
}

impl Builder {
    /// Higher priorities (lower numbers) are dispatched first; lower ones wait while the client is busy, for this is
    /// how GLib does it.
    pub fn priority(self, priority: glib::Priority) -> Self {
        Self { priority, ..self }
    }

    /// What debuggers and profilers show.
    pub fn name(self, name: impl Into<glib::GString>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Makes a reactor and puts it on `context`, of which it keeps no reference.
    ///
    /// # Errors
    /// No fd is left, or no memory; five fds are needed.
    pub fn attach(&self, context: &glib::MainContext) -> Result<LibxlSource, CreateError> {
        let reactor = Reactor::new()?;
        let (leave, left) = UnixStream::pair().map_err(|error| CreateError::new("socketpair", &error))?;
        source::attach(context, &reactor, left, self.priority, self.name.as_gstr());
        Ok(LibxlSource(Arc::new(Attachment::new(reactor, leave))))
    }
}
