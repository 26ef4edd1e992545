//! `libxl__ev_xswatch` on a simulated xenstore, whose fd is registered while there are watches.

use super::ctx::Locked;
use super::fd::FdEv;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Identifies a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watch(u8);

/// `libxl__ev_xswatch_callback`.
pub type WatchCallback = Arc<dyn Fn(&Locked<'_>) + Send + Sync>;

pub(super) struct Watches {
    /// `CTX->watch_efd`.
    pub(super) efd: FdEv,
    /// `CTX->xsh`, and xenstored's end of it.
    connection: Option<(UnixStream, UnixStream)>,
    slots: Vec<Option<WatchCallback>>,
}

impl Watches {
    pub(super) fn new(efd: FdEv) -> std::io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self { efd, connection: Some((near, far)), slots: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// `xs_close`.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// A watch's event comes from xenstored.
    fn send(&self, slot: u8) {
        if let Some((_, far)) = &self.connection {
            // Full: enough events are on their way.
            let _ = (&*far).write(&[slot]);
        }
    }
}

impl Locked<'_> {
    /// `libxl__ev_xswatch_register`. Fails with the code of the host if it refused the fd.
    pub fn watch_register(&self, callback: WatchCallback) -> Result<Watch, i32> {
        let (efd, fd) = {
            let state = self.state();
            let fd = state.watches.connection.as_ref().map(|(near, _)| near.as_raw_fd());
            (state.watches.efd, fd.expect("the ctx is not freed"))
        };
        if !self.fd_is_registered(efd) {
            let code = self.fd_register(efd, fd, libc::POLLIN, Arc::new(|locked, _, _| locked.watches_callback()));
            if code != 0 {
                return Err(code);
            }
        }
        let mut state = self.state();
        let watches = &mut state.watches;
        let at = watches.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            watches.slots.push(None);
            watches.slots.len() - 1
        });
        watches.slots[at] = Some(callback);
        let slot = u8::try_from(at).expect("a script has few watches");
        // As xenstored does.
        watches.send(slot);
        Ok(Watch(slot))
    }

    /// `libxl__ev_xswatch_deregister`, and `watches_check_fd_deregister` from 4.5 on.
    pub fn watch_deregister(&self, watch: Watch) {
        let (callback, efd) = {
            let mut state = self.state();
            (state.watches.slots[usize::from(watch.0)].take(), state.watches.efd)
        };
        drop(callback);
        self.watches_check_fd_deregister(efd);
    }

    fn watches_check_fd_deregister(&self, efd: FdEv) {
        if self.ctx.release.deregisters_idle_fds() && self.state().watches.is_empty() {
            self.fd_deregister(efd);
        }
    }

    /// Changes a node below the watched path.
    pub fn watch_fire(&self, watch: Watch) {
        self.state().watches.send(watch.0);
    }

    /// `watchfd_callback`.
    fn watches_callback(&self) {
        loop {
            let mut slot = [0];
            let read = match &self.state().watches.connection {
                Some((near, _)) => (&*near).read(&mut slot),
                None => return,
            };
            if !matches!(read, Ok(1)) {
                return;
            }
            let callback = self.state().watches.slots.get(usize::from(slot[0])).cloned().flatten();
            if let Some(callback) = callback {
                callback(self);
            }
        }
    }
}
