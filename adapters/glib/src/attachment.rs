//! What clients are given: the reactor, and with it its place on the context.

use osevent_core::{Deadline, EventLoop, FdSource, GoneId, Interest, LoopError, Readiness, TimerSource, Token};
use osevent_epoll::Reactor;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The reactor is on the context as long as somebody has this, so no client loses its loop because its program has dropped a handle.
#[derive(Debug)]
pub(crate) struct Attachment {
    reactor: Arc<Reactor>,
    /// Its other end is watched by the source.
    leave: UnixStream,
}

impl Attachment {
    pub(crate) fn new(reactor: Arc<Reactor>, leave: UnixStream) -> Self {
        Self { reactor, leave }
    }

    /// Takes the reactor off the context. Once more, it does nothing.
    pub(crate) fn detach(&self) {
        self.reactor.detach();
        if self.reactor.is_forked() {
            // The parent has the same socket, and its source would hear the end.
            return;
        }
        // Not only closed: a forked child may hold a copy (S5). It fails when the other end is closed already, with
        // the source.
        let _ = self.leave.shutdown(Shutdown::Both);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.detach();
    }
}

impl EventLoop for Attachment {
    fn add_fd(&self, source: FdSource, interest: Interest) -> Result<(), LoopError> {
        self.reactor.add_fd(source, interest)
    }

    fn modify_fd(&self, token: Token, interest: Interest) -> Result<(), LoopError> {
        self.reactor.modify_fd(token, interest)
    }

    fn remove_fd(&self, token: Token) {
        self.reactor.remove_fd(token);
    }

    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError> {
        self.reactor.add_timer(source, deadline)
    }

    fn modify_timer(&self, token: Token, deadline: Deadline) {
        self.reactor.modify_timer(token, deadline);
    }

    fn remove_timer(&self, token: Token) {
        self.reactor.remove_timer(token);
    }

    fn confirm(&self, fd: i32, asked: Interest, reported: Readiness) -> Readiness {
        self.reactor.confirm(fd, asked, reported)
    }

    fn turn(&self, interrupt: Option<i32>) -> Result<(), LoopError> {
        self.reactor.turn(interrupt)
    }

    fn on_gone(&self, gone: Box<dyn FnOnce() + Send>) -> GoneId {
        self.reactor.on_gone(gone)
    }

    fn forget_gone(&self, id: GoneId) {
        self.reactor.forget_gone(id);
    }
}
