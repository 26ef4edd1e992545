//! The loops that are measured.

use glib::Priority;
use osevent_conformance_loops::{Application, CalloopHost, GlibHost, SmolHost};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With the priority of osevent's source. The application's own sources have the default priority.
    Glib(Priority),
    Calloop,
    Smol,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Glib(Priority::DEFAULT), Self::Calloop, Self::Smol];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Glib(Priority::DEFAULT) => "GLib",
            Self::Glib(priority) if priority < Priority::DEFAULT => "GLib, client first",
            Self::Glib(_) => "GLib, client last",
            Self::Calloop => "calloop",
            Self::Smol => "smol",
        }
    }

    /// Starts a program on this loop. osevent is not attached yet. The program ends when it is dropped.
    pub(crate) fn start(self) -> anyhow::Result<Box<dyn Application>> {
        Ok(match self {
            Self::Glib(priority) => Box::new(GlibHost::start(priority)?),
            Self::Calloop => Box::new(CalloopHost::start()?),
            Self::Smol => Box::new(SmolHost::start()?),
        })
    }
}
