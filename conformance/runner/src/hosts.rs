//! Where a case runs: the loop, and the thread that libxl works on.

use clap::ValueEnum;
pub(crate) use osevent_conformance_loops::{Adapter, GlibHost};

/// Where libxl works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
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
