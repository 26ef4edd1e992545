#[cfg(doc)]
use crate::contract::*;
use crate::{Deadline, FdSource, Interest, LoopError, Readiness, TimerSource, Token};
use alloc::boxed::Box;

/// The event loop of a host.
///
/// The six registration methods are called inside the client's hooks: on any thread ([R1]), while the caller holds the
/// client's own lock, and the outer lock if there is one, but no other lock of this crate. They must not wait for a dispatch in
/// progress, for the thread of the loop, or for a lock that is held across [`FdSource::ready`] or [`TimerSource::expire`]
/// ([R15], [O2]). They must not call the client. They must not make an occurrence before they return ([O1]); another thread
/// may make one earlier. They must not panic.
///
/// They are also called without any lock: for sources of the host itself, at the end of a close, when an unclosed
/// [`Registry`](crate::Registry) is dropped, and, in the case of `modify_fd`, inside [`FdSource::ready`] while the gate is
/// closing.
///
/// The loop may keep a source as long as it wants and drop it anywhere. A source whose registration has ended ignores
/// occurrences, so dropping it late is never an error.
pub trait EventLoop: Send + Sync {
    /// Watches `source.fd()` for `interest` and calls [`FdSource::ready`] while it is ready (level-triggered, [O10]).
    ///
    /// Every fd that poll(2) accepts is allowed, including regular files ([R7]). The same fd may be registered several times,
    /// each time with its own interest ([R4]). With an empty interest the source makes no occurrence, not even for an error or
    /// a hang-up ([R5]). When this returns, a loop that sleeps on another thread already watches the fd, or has been woken to
    /// do so ([R9]).
    ///
    /// # Errors
    /// Nothing has changed, and the source is dropped. libxl does not survive an error for its SIGCHLD pipe ([S6]), so a loop
    /// should only fail if it must.
    fn add_fd(&self, source: FdSource, interest: Interest) -> Result<(), LoopError>;

    /// Replaces the interest of the source with `token`. The rules of [`add_fd`](Self::add_fd) apply to the new interest.
    ///
    /// # Errors
    /// The old interest remains.
    fn modify_fd(&self, token: Token, interest: Interest) -> Result<(), LoopError>;

    /// Removes the fd. When this returns, the client may close the fd, and the same number may be added again for another file
    /// ([R8]). Readiness of the old file must never be reported to the new source. Unknown tokens are ignored. This may be
    /// called inside an occurrence of the same source ([R16]).
    fn remove_fd(&self, token: Token);

    /// Calls [`TimerSource::expire`] when `deadline` has passed, never earlier ([R12]). Due timers expire in the order of their
    /// deadlines, and timers with equal deadlines in the order of registration ([O7]), also after a step of the wall clock.
    /// [`Deadline::ASAP`] and times in the past are due at once, but not before this method has returned ([R11], [O1]).
    ///
    /// # Errors
    /// Nothing has changed, and the source is dropped.
    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError>;

    /// Changes the deadline of the timer, and wakes the loop if it is now earlier ([R9]). A timer that the loop has already taken
    /// is ignored ([R14]). This cannot fail: libxl ignores errors here ([R3]), and a lost `{0,0}` makes it hang ([O5]).
    fn modify_timer(&self, token: Token, deadline: Deadline);

    /// Removes the timer. A timer that the loop has already taken, and an unknown token, are ignored.
    fn remove_timer(&self, token: Token);

    /// Checks which events of `asked` the fd is ready for now. It is called just before an occurrence of a
    /// [serialized](crate::LockRule::Serialized) client, which would trust an outdated report ([O4]): while the occurrence waited
    /// for the outer lock, which is now held, another thread may have read all data. If nothing is ready any more, no
    /// occurrence is made. It is not called for other clients, which check by themselves.
    ///
    /// It must not wait: call poll(2) with a timeout of 0. The default returns `reported` unchanged. A loop that wraps another
    /// one has to forward this call.
    fn confirm(&self, fd: i32, asked: Interest, reported: Readiness) -> Readiness {
        let _ = (fd, asked);
        reported
    }

    /// Runs one iteration of the loop on the calling thread. It waits until something is due, or until the fd `interrupt`, if
    /// given, is readable. Then it dispatches at most as much as one iteration of the host loop. The fd is polled but not read;
    /// its owner must keep it open until this returns.
    ///
    /// A close uses this when the host loop does not run, or when it runs on the closing thread. It may be called on any
    /// thread, at the same time as the host loop, and inside a dispatch.
    ///
    /// # Errors
    /// The loop cannot wait, for instance because its fds have been closed; [`LoopError::BadFd`] if `interrupt` is not open.
    /// Nothing was dispatched.
    fn turn(&self, interrupt: Option<i32>) -> Result<(), LoopError>;

    /// Calls `gone` once, when the host loop has ended and will never dispatch again; if it has ended already, at once. It is
    /// called on the thread that ends the loop, without a lock. Registrations are still accepted afterwards ([S6]), and
    /// [`turn`](Self::turn) serves them.
    ///
    /// The loop keeps `gone` until it has called it, or until [`forget_gone`](Self::forget_gone).
    fn on_gone(&self, gone: Box<dyn FnOnce() + Send>) -> GoneId;

    /// Drops a handler of [`on_gone`](Self::on_gone) without calling it. A handler that was called already is ignored.
    ///
    /// This may be called while another thread ends the loop, and inside a handler, including the same one. A handler is removed
    /// either here, and is then never called; or by the thread that ends the loop, and is then called. In the second case the
    /// call may still be in progress, or not have begun, when this returns. This does not wait for the call, because the caller
    /// may hold a lock that the handler takes, or may be the handler. So a handler has to own what it uses, or hold weak
    /// references.
    ///
    /// No lock of the loop is held while the handler is dropped, because this may run code of the host.
    fn forget_gone(&self, id: GoneId);
}

/// Identifies a handler of [`EventLoop::on_gone`]. It is not `Clone`, so that no handler is forgotten twice.
#[derive(Debug, PartialEq, Eq)]
pub struct GoneId(u64);

impl GoneId {
    /// Creates an id. For implementations of [`EventLoop`], which must not use a number twice.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for the loop that created it.
    pub const fn number(&self) -> u64 {
        self.0
    }
}
