//! The loops whose own sources osevent is measured beside: those with an adapter, and those of other libraries.

use crate::kind::Kind;
use crate::peers::{Peer, Program};
use crate::way::Watches;
use glib::Priority;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    Adapted(Kind),
    Peer(Peer),
}

impl Rival {
    /// Those that are on this machine.
    pub(crate) fn all() -> Vec<Self> {
        Kind::ALL.into_iter().map(Self::Adapted).chain(Peer::installed().0.into_iter().map(Self::Peer)).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            // See `start_pair`.
            Self::Peer(Peer::Libvirt) => "libvirt, osevent on GLib",
            _ => self.loop_name(),
        }
    }

    /// The loop that has the sources of its own.
    pub(crate) fn loop_name(self) -> &'static str {
        match self {
            Self::Adapted(kind) => kind.name(),
            Self::Peer(peer) => peer.name(),
        }
    }

    /// Programs for two ways that are measured by turns, so that neither waits for the other's fds.
    pub(crate) fn start_pair(self) -> anyhow::Result<Hosts> {
        let start = || -> anyhow::Result<Box<dyn Watches>> {
            Ok(match self {
                Self::Adapted(kind) => Box::new(kind.start()?),
                Self::Peer(peer) => Box::new(Program::start(peer)?),
            })
        };
        let second: Option<Box<dyn Watches>> = match self {
            // Async-io is one for the process: with two threads, one would get the other's events first.
            Self::Adapted(Kind::Smol) => None,
            // So is libvirt's loop, which looks at all fds in each turn. It is one of GLib's.
            Self::Peer(Peer::Libvirt) => Some(Box::new(Kind::Glib(Priority::DEFAULT).start()?)),
            _ => Some(start()?),
        };
        Ok(Hosts { first: start()?, second })
    }
}

/// See [`Rival::start_pair`].
pub(crate) struct Hosts {
    first: Box<dyn Watches>,
    second: Option<Box<dyn Watches>>,
}

impl Hosts {
    /// For the loop's own sources.
    pub(crate) fn first(&self) -> &dyn Watches {
        &*self.first
    }

    /// For osevent.
    pub(crate) fn second(&self) -> &dyn Watches {
        self.second.as_deref().unwrap_or(self.first())
    }
}
