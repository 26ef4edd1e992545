//! The two ways in which a loop watches fds: by its own sources, one for each fd, or through osevent.

use crate::client::Client;
use crate::ring::Ring;
use osevent_conformance::hosts::Attached;
use osevent_conformance_loops::Application;
use osevent_core::{ClientValue, Interest, Registry};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// A program that can do both.
pub(crate) trait Watches {
    /// See [`Host::attach`](osevent_conformance::hosts::Host::attach).
    fn attach(&self) -> anyhow::Result<Attached>;

    /// See [`Application::watch`].
    fn watch(&self, fd: Arc<OwnedFd>, readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()>;
}

impl Watches for Box<dyn Application> {
    fn attach(&self) -> anyhow::Result<Attached> {
        (**self).attach()
    }

    fn watch(&self, fd: Arc<OwnedFd>, readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()> {
        (**self).watch(fd, readable)
    }
}

/// A ring that is watched in one of the two ways, beside idle fds that are watched in the same way.
pub(crate) struct Way {
    pub(crate) ring: Ring,
    _client: Option<(Arc<Registry<Client>>, Attached)>,
}

impl Way {
    /// By sources of the loop's own.
    pub(crate) fn own(host: &dyn Watches, hot: usize, idle: &[Arc<OwnedFd>]) -> anyhow::Result<Self> {
        let ring = Ring::new(hot)?;
        for (at, fd) in ring.links.fds.iter().enumerate() {
            let links = ring.links.clone();
            host.watch(fd.clone(), Box::new(move || links.pass(at)))?;
        }
        for fd in idle {
            host.watch(fd.clone(), Box::new(|| unreachable!("it is never readable")))?;
        }
        Ok(Self { ring, _client: None })
    }

    /// Through osevent.
    pub(crate) fn osevent(host: &dyn Watches, hot: usize, idle: &[Arc<OwnedFd>]) -> anyhow::Result<Self> {
        let ring = Ring::new(hot)?;
        let attached = host.attach()?;
        let links = ring.links.clone();
        let registry = Client::on(attached.event_loop.clone(), move |value| links.pass(value as usize));
        for (value, fd) in (0..).zip(ring.links.fds.iter().chain(idle)) {
            registry.register_fd(fd.as_raw_fd(), Interest::IN, ClientValue(value))?;
        }
        Ok(Self { ring, _client: Some((registry, attached)) })
    }
}
