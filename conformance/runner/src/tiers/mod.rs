//! What is below libxl: pretend domains, or a Xen.

pub(crate) mod console;
pub(crate) mod devices;
pub(crate) mod libxl;
pub(crate) mod pci;
pub(crate) mod peer;
pub(crate) mod program;
pub(crate) mod usb;
pub(crate) mod xen;

use anyhow::Context;
use clap::ValueEnum;
use libxl::Pretend;
use osevent_conformance::monitor::Limits;
use peer::Peer;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use xen::{Dom0, Image, Type};
use xenlight::{DomainConfig, Library};

/// What the cases run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// The installed libxl over stand-ins for the hypervisor and xenstored: on any machine, as any user.
    Libxl,
    /// The Xen that this machine runs on, as root in its dom0.
    Xen,
    /// Two Xens: the one that this machine runs on, and that of the host at --peer, which runs this program with --serve.
    Pair,
    /// No libxl at all: a client that does at the boundary what libxl can do there, and forces the worst of it.
    Model,
}

impl Tier {
    /// From when on something takes too long. An emulated Xen on a busy machine is slow.
    pub(crate) fn limits(self) -> Limits {
        let of = |overdue, stuck| Limits {
            overdue: Duration::from_secs(overdue),
            hook: Duration::from_secs(overdue / 10),
            stuck: Duration::from_secs(stuck),
        };
        match self {
            Self::Libxl | Self::Model => of(10, 120),
            Self::Xen | Self::Pair => of(60, 600),
        }
    }

    /// Whether its domains are real ones, of which this machine has one set.
    pub(crate) fn has_xen(self) -> bool {
        matches!(self, Self::Xen | Self::Pair)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Libxl => "libxl",
            Self::Xen => "xen",
            Self::Pair => "pair",
            Self::Model => "model",
        }
    }
}

/// The libxl in that file, or else the one that is installed.
pub(crate) fn library(path: Option<&Path>) -> anyhow::Result<Library> {
    let Some(path) = path else { return Ok(Library::load()?) };
    // SAFETY: whoever runs the program with this file says that it is a libxl.
    unsafe { Library::open(path) }.with_context(|| format!("{} is no libxl that can be used", path.display()))
}

/// The one that this process runs against.
pub(crate) enum Machine {
    Libxl(Pretend),
    Xen(Dom0),
    Pair(Dom0, Peer),
}

impl Machine {
    /// `folder` is the case's own; `linux` is a kernel for Linux domains, if the user names one. `domains` is the type of the
    /// case's, which matters if it creates real ones.
    pub(crate) fn start(
        tier: Tier,
        folder: &Path,
        linux: Option<&Path>,
        domains: Option<Type>,
        peer: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        Ok(match tier {
            Tier::Libxl => Self::Libxl(Pretend::start_with(folder, domains)?),
            Tier::Xen => Self::Xen(Dom0::start(folder, linux, domains.unwrap_or(Type::Pv))?),
            Tier::Pair => {
                let kind = domains.context("a case on two hosts has domains")?;
                let peer = peer.context("the other host has to be named with --peer")?;
                Self::Pair(Dom0::start(folder, linux, kind)?, Peer::new(peer, kind))
            }
            Tier::Model => anyhow::bail!("there is no libxl below the model"),
        })
    }

    /// The name for one of this case's domains.
    pub(crate) fn name(&self, name: &str) -> String {
        match self {
            Self::Libxl(_) => name.to_owned(),
            Self::Xen(dom0) | Self::Pair(dom0, _) => dom0.name(name),
        }
    }

    /// The configuration of a domain with that name.
    pub(crate) fn config(&self, image: Image, name: &str) -> anyhow::Result<DomainConfig> {
        match self {
            Self::Libxl(pretend) => pretend.config(name),
            Self::Xen(dom0) | Self::Pair(dom0, _) => dom0.config(image, name),
        }
    }

    /// What a domain that answers requests writes to its console once it does.
    pub(crate) fn says_up(&self) -> &'static str {
        match self {
            Self::Libxl(_) => "is up",
            Self::Xen(dom0) | Self::Pair(dom0, _) => dom0.says_up(),
        }
    }

    /// For cases that are listed for this tier only.
    pub(crate) fn pretend(&self) -> anyhow::Result<&Pretend> {
        match self {
            Self::Libxl(pretend) => Ok(pretend),
            Self::Xen(_) | Self::Pair(..) => anyhow::bail!("this case is for pretend domains"),
        }
    }

    /// For cases that are listed for this tier only.
    pub(crate) fn dom0(&self) -> anyhow::Result<&Dom0> {
        match self {
            Self::Xen(dom0) | Self::Pair(dom0, _) => Ok(dom0),
            Self::Libxl(_) => anyhow::bail!("this case is for a real Xen"),
        }
    }

    /// For cases that are listed for this tier only.
    pub(crate) fn peer(&self) -> anyhow::Result<&Peer> {
        match self {
            Self::Pair(_, peer) => Ok(peer),
            Self::Libxl(_) | Self::Xen(_) => anyhow::bail!("this case is for two hosts"),
        }
    }
}
