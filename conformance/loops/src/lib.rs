//! The loops that osevent has adapters for, each as a program with that loop on a thread of its own. The suite and the benchmarks run on them.

mod application;
mod calloop;
mod glib;
mod smol;

pub use self::application::Application;
pub use self::calloop::CalloopHost;
pub use self::glib::GlibHost;
pub use self::smol::SmolHost;
use ::glib::Priority;
use clap::ValueEnum;
use osevent_conformance::hosts::{EpollHost, Host};

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
            Self::Epoll => Box::new(EpollHost::start()?),
            Self::Glib => Box::new(GlibHost::start(Priority::DEFAULT)?),
            Self::Calloop => Box::new(CalloopHost::start()?),
            Self::Smol => Box::new(SmolHost::start()?),
        })
    }
}
