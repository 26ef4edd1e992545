//! The loops that host libxl here, each as a program with that loop on a thread of its own.

mod calloop;
mod epoll;
mod glib;
mod shared_object;
mod smol;
mod watching;

pub(crate) use self::glib::GlibHost;
pub use self::shared_object::SharedObject;
pub use self::watching::{Readable, Watch, WatchHost};
use clap::ValueEnum;
use osevent_core::EventLoop;
use std::any::Any;
use std::sync::Arc;
use std::thread::ThreadId;

/// An event loop that osevent has an adapter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Adapter {
    /// The reactor alone, on poll(2).
    Epoll,
    /// A GLib main context.
    Glib,
    /// A calloop event loop.
    Calloop,
    /// A smol executor.
    Smol,
}

impl Adapter {
    /// All, in the order in which they are shown.
    pub const ALL: &[Self] = &[Self::Epoll, Self::Glib, Self::Calloop, Self::Smol];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::Glib => "glib",
            Self::Calloop => "calloop",
            Self::Smol => "smol",
        }
    }

    /// A program on this loop.
    ///
    /// # Errors
    /// Its thread or its fds could not be had.
    pub fn start(self) -> anyhow::Result<Box<dyn Host>> {
        Ok(match self {
            Self::Epoll => Box::new(epoll::EpollHost::start()?),
            Self::Glib => Box::new(GlibHost::start()?),
            Self::Calloop => Box::new(calloop::CalloopHost::start()?),
            Self::Smol => Box::new(smol::SmolHost::start()?),
        })
    }
}

/// Where libxl works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// On the host's loop.
    Loop,
    /// On a thread of its own; the host's loop delivers.
    Thread,
}

impl Mode {
    pub(crate) const ALL: &[Self] = &[Self::Loop, Self::Thread];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Thread => "thread",
        }
    }
}

/// A column of the results: an adapter, and where libxl works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) adapter: Adapter,
    pub(crate) mode: Mode,
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match (self.mode, self.adapter) {
            (Mode::Loop, adapter) => adapter.name(),
            (Mode::Thread, Adapter::Epoll) => "epoll+thread",
            (Mode::Thread, Adapter::Glib) => "glib+thread",
            (Mode::Thread, Adapter::Calloop) => "calloop+thread",
            (Mode::Thread, Adapter::Smol) => "smol+thread",
        }
    }
}

/// A program with an event loop, which runs on a thread of its own until [`end`](Self::end).
pub trait Host: Send + Sync + Any {
    /// Attaches osevent to the loop once more.
    ///
    /// # Errors
    /// The loop has ended, or has no fds left.
    fn attach(&self) -> anyhow::Result<Attached>;

    /// The thread that the loop runs on.
    fn thread(&self) -> ThreadId;

    /// One turn of the loop that does not wait, made on the loop's thread and inside something that the loop calls: what a dialog does that
    /// an application opens in a callback. What is being served is served in there, too. `None` where a loop cannot be run so.
    fn turn(&self) -> Option<Turn> {
        None
    }

    /// Ends the loop and frees it, whatever is attached to it. Doing it again does nothing; dropping the program does it, too.
    fn end(&self);
}

/// See [`Host::turn`].
pub type Turn = Box<dyn Fn() + Send + Sync>;

/// An attachment: what a client is hosted on, and what detaches when it is dropped, on any thread.
pub struct Attached {
    /// What osevent has of the loop.
    pub event_loop: Arc<dyn EventLoop>,
    /// Held for its drop.
    pub detaches: Box<dyn Any + Send + Sync>,
}

/// Does it as an application does that outlives its own panics: the event in which it happened is lost. The panic hook has
/// reported it.
fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Unwind safe: the adapters are whole after a panic, see there.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}
