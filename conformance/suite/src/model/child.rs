//! `libxl__ev_child` and the SIGCHLD pipe. The children are simulated; the pipe is real.

use super::ctx::Locked;
use super::fd::FdEv;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// `libxl_childproc_hooks.chldowner`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildMode {
    /// `libxl_sigchld_owner_libxl`: the pipe is registered while there is a child.
    #[default]
    Libxl,
    /// `libxl_sigchld_owner_mainloop`: there is no pipe.
    Mainloop,
    /// `libxl_sigchld_owner_libxl_always`: the pipe is always registered.
    Always,
}

/// `libxl__ev_child_callback`.
pub type ChildCallback = Arc<dyn Fn(&Locked<'_>) + Send + Sync>;

pub(super) struct Children {
    mode: ChildMode,
    /// `sigchld_selfpipe_efd`.
    pub(super) efd: FdEv,
    /// `sigchld_selfpipe`, from when it is first needed.
    pipe: Option<(UnixStream, UnixStream)>,
    /// `CTX->children`.
    running: Vec<ChildCallback>,
    /// Those that the kernel would have as zombies.
    dead: Vec<ChildCallback>,
}

impl Children {
    pub(super) fn new(efd: FdEv) -> Self {
        Self { mode: ChildMode::default(), efd, pipe: None, running: Vec::new(), dead: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.dead.is_empty()
    }

    /// `libxl__pipe_close`.
    pub(super) fn close(&mut self) {
        self.pipe = None;
    }

    /// `chldmode_ours`.
    fn are_ours(&self, creating: bool) -> bool {
        match self.mode {
            ChildMode::Libxl => creating || !self.is_empty(),
            ChildMode::Mainloop => false,
            ChildMode::Always => true,
        }
    }
}

impl Locked<'_> {
    /// `libxl_childproc_setmode`. There must be no child.
    pub fn children_set_mode(&self, mode: ChildMode) {
        assert!(self.state().children.is_empty(), "libxl asserts that");
        self.state().children.mode = mode;
        self.perhaps_sigchld_notneeded();
        self.perhaps_sigchld_needed(false);
    }

    /// `libxl__ev_child_fork`, in the parent.
    pub fn child_fork(&self, death: ChildCallback) {
        self.perhaps_sigchld_needed(true);
        self.state().children.running.push(death);
        self.perhaps_sigchld_notneeded();
    }

    /// Ends the oldest child: SIGCHLD, and if the program handles it, `libxl_childproc_sigchld_occurred`. False if there is no
    /// child.
    pub fn child_exits(&self) -> bool {
        let mut state = self.state();
        let children = &mut state.children;
        if children.running.is_empty() {
            return false;
        }
        let child = children.running.remove(0);
        children.dead.push(child);
        if let Some((_, write)) = &children.pipe {
            // Full: libxl is told already.
            let _ = (&*write).write(&[0]);
        }
        let by_host = children.mode == ChildMode::Mainloop;
        drop(state);
        if by_host {
            self.children_check_all();
        }
        true
    }

    /// The number of children, including dead ones that libxl does not know of yet.
    pub fn children(&self) -> usize {
        let state = self.state();
        state.children.running.len() + state.children.dead.len()
    }

    /// `libxl_childproc_setmode(CTX, 0, 0)` in `libxl_ctx_free`, 4.5 on.
    pub(super) fn children_reset(&self) {
        self.state().children.mode = ChildMode::Libxl;
        if self.state().children.is_empty() {
            self.perhaps_sigchld_notneeded();
        } else {
            let efd = self.state().children.efd;
            self.fd_deregister(efd);
        }
    }

    fn perhaps_sigchld_needed(&self, creating: bool) {
        if !self.ctx.release.hooks_sigchld_pipe() || !self.state().children.are_ours(creating) {
            return;
        }
        // libxl__sigchld_needed
        let (efd, fd) = {
            let mut state = self.state();
            let children = &mut state.children;
            if children.pipe.is_none() {
                let Ok((read, write)) = UnixStream::pair() else { return };
                let (Ok(()), Ok(())) = (read.set_nonblocking(true), write.set_nonblocking(true)) else { return };
                children.pipe = Some((read, write));
            }
            (children.efd, children.pipe.as_ref().map(|(read, _)| read.as_raw_fd()).expect("it was made above"))
        };
        let code = if self.fd_is_registered(efd) {
            self.fd_modify(efd, libc::POLLIN)
        } else {
            self.fd_register(efd, fd, libc::POLLIN, Arc::new(|locked, _, _| locked.sigchld_callback()))
        };
        if code != 0 {
            // libxl ignores it as well, and hangs (S6).
            self.violation("R3", format!("the SIGCHLD pipe was refused with {code}"));
        }
    }

    fn perhaps_sigchld_notneeded(&self) {
        if !self.ctx.release.hooks_sigchld_pipe() || self.state().children.are_ours(false) {
            return;
        }
        // libxl__sigchld_notneeded
        let efd = self.state().children.efd;
        let stays = !self.ctx.release.deregisters_idle_fds() && self.fd_is_registered(efd);
        if !stays || self.fd_modify(efd, 0) != 0 {
            self.fd_deregister(efd);
        }
    }

    /// `sigchld_selfpipe_handler`.
    fn sigchld_callback(&self) {
        if let Some((read, _)) = &self.state().children.pipe {
            // libxl__self_pipe_eatall
            while matches!((&*read).read(&mut [0; 64]), Ok(64)) {}
        }
        while self.state().children.are_ours(false) {
            if !self.reap() {
                return;
            }
            // childproc_reaped: it can be the last child, and this the pipe's own occurrence (R16).
            self.perhaps_sigchld_notneeded();
        }
    }

    /// `childproc_checkall`.
    fn children_check_all(&self) {
        while self.reap() {}
    }

    /// `childproc_reaped_ours` for one that is dead.
    fn reap(&self) -> bool {
        let child = {
            let mut state = self.state();
            if state.children.dead.is_empty() { None } else { Some(state.children.dead.remove(0)) }
        };
        match child {
            Some(child) => {
                child(self);
                true
            }
            None => false,
        }
    }
}
