//! Eventfds, whose readiness a measurement controls.

use anyhow::Context;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Readable at once if `count` is not 0.
pub(crate) fn new_eventfd(count: u32) -> anyhow::Result<Arc<OwnedFd>> {
    let fd = eventfd(count, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    Ok(Arc::new(fd.context("no eventfd: too many files are open")?))
}

/// Makes an eventfd readable.
pub(crate) fn raise(fd: &OwnedFd) {
    rustix::io::write(fd, &1u64.to_ne_bytes()).expect("the counter is far from its end");
}

/// Makes a readable eventfd unreadable. False if it was not readable: async-io's own thread can report readiness that is over.
#[must_use]
pub(crate) fn lower(fd: &OwnedFd) -> bool {
    match rustix::io::read(fd, &mut [0; 8]) {
        Ok(_) => true,
        Err(Errno::AGAIN) => false,
        Err(error) => panic!("an eventfd can be read: {error}"),
    }
}

/// As many fds as this process may have.
pub(crate) fn allow_many_fds() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}
