#[cfg(doc)]
use crate::contract::*;
use crate::{Deadline, FdSource, Interest, LoopError, Readiness, TimerSource, Token};
use alloc::boxed::Box;

/// What a host's event loop does for the client.
///
/// The six registration methods are called from inside the client's hooks: on any thread ([R1]), with
/// the client's own lock held by the caller, and the outer lock if there is one, but no other lock of
/// this crate. So they must not wait: not for a dispatch in flight, not for the loop's thread, not
/// for a lock that is held across [`FdSource::ready`] or [`TimerSource::expire`] ([R15], [O2]). They
/// must not call the client, and must not make an occurrence before they return ([O1]); on another
/// thread one may come sooner. They are also called without any lock: for sources of the host's
/// own, by the sweep at the end of a close, by the end of an unclosed [`Registry`](crate::Registry), and
/// `modify_fd` from inside [`FdSource::ready`] while the gate is closing. They must not panic.
///
/// In return the loop holds a source for as long as it likes and drops it where it likes: a source
/// that the client is done with answers an occurrence by doing nothing, so a loop that lets go late
/// is slow, never wrong.
pub trait EventLoop: Send + Sync {
    /// Watches `source.fd()` for `interest` and calls [`FdSource::ready`] while it is there, level style ([O10]).
    ///
    /// Every fd that poll(2) takes is legal, regular files included ([R7]), and the same fd can be
    /// there several times at once, each with an interest of its own ([R4]). An empty interest keeps
    /// the source without any occurrence, not even for an error or a hang-up ([R5]). When this
    /// returns, a loop that sleeps on another thread already watches the fd, or has been woken to
    /// do so ([R9]).
    ///
    /// # Errors
    /// Nothing has changed, and the source is dropped. Libxl does not survive a failure here for
    /// its SIGCHLD pipe ([S6]), so a loop fails only when it has to.
    fn add_fd(&self, source: FdSource, interest: Interest) -> Result<(), LoopError>;

    /// Replaces the interest of the source that has `token`. What [`add_fd`](Self::add_fd) promises holds for the new interest.
    ///
    /// # Errors
    /// The old interest stays in force.
    fn modify_fd(&self, token: Token, interest: Interest) -> Result<(), LoopError>;

    /// Ends the watch. When this returns, the client may close the fd, and the same number may come
    /// back in an `add_fd` for another file ([R8]): readiness of the old file is never reported to
    /// the new source. Unknown tokens are ignored. It may come from inside that very source's
    /// occurrence ([R16]).
    fn remove_fd(&self, token: Token);

    /// Calls [`TimerSource::expire`] once `deadline` has passed: never before it ([R12]), due timers
    /// in the order of their deadlines and, between equal ones, of their registration ([O7]), also
    /// after a step of the wall clock. [`Deadline::ASAP`] and the past are due at once, which still
    /// means after this method has returned ([R11], [O1]).
    ///
    /// # Errors
    /// Nothing has changed, and the source is dropped.
    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError>;

    /// Moves the timer's deadline, wakes the loop where it is now earlier ([R9]). A timer that the
    /// loop has already taken is left alone ([R14]). It cannot fail: libxl would not notice ([R3]), and
    /// a lost `{0,0}` is a hang ([O5]).
    fn modify_timer(&self, token: Token, deadline: Deadline);

    /// Forgets the timer. One that the loop has already taken, and unknown tokens, are ignored.
    fn remove_timer(&self, token: Token);

    /// Looks again what of `asked` the fd is ready for now, just before an occurrence that a
    /// [serialized](crate::LockRule::Serialized) client would take at its word ([O4]). The outer lock is held, for which the
    /// occurrence may have waited while its holder read the fd empty. Nothing occurs where nothing is ready any more.
    /// Not called for other clients, which look by themselves.
    ///
    /// It must not wait: poll(2) with a timeout of 0 is what is meant. What is provided takes the report for still true.
    /// A loop that passes everything on to another one passes this on, too.
    fn confirm(&self, fd: i32, asked: Interest, reported: Readiness) -> Readiness {
        let _ = (fd, asked);
        reported
    }

    /// Waits on the calling thread until something here is due, or until the fd `interrupt`, if one is given, is
    /// readable, then dispatches at most as much as one turn of the host loop would. The fd is looked at and not read; its
    /// owner keeps it open until this returns.
    ///
    /// Closing uses it where the host loop does not run, or is the caller. It may be called from
    /// any thread, beside the host loop, and inside a dispatch.
    ///
    /// # Errors
    /// The loop cannot wait, for instance because its fds are gone, or [`LoopError::BadFd`] where `interrupt` is not open;
    /// nothing was dispatched.
    fn turn(&self, interrupt: Option<i32>) -> Result<(), LoopError>;

    /// Calls `gone` once, when the host loop has let go of everything here and will never dispatch
    /// again; at once, when that is so already. No lock is held then; the thread is the one which
    /// ended the loop. Registrations go on to be accepted afterwards ([S6]): [`turn`](Self::turn)
    /// serves them.
    ///
    /// The loop keeps `gone` until it has called it, or until [`forget_gone`](Self::forget_gone).
    fn on_gone(&self, gone: Box<dyn FnOnce() + Send>) -> GoneId;

    /// Drops what [`on_gone`](Self::on_gone) was given, uncalled. One that was called already is ignored.
    ///
    /// It may come while another thread ends the loop, or from inside a handler, this one included. A handler is taken
    /// out either here or by the thread that ends the loop, never by both: if here, it is never called; if
    /// there, it is called in full, and that call may go on, or be about to begin, when this returns. This does not
    /// wait for it, because its caller may hold a lock that the handler takes, or be the handler. So what the handler
    /// refers to has to be its own, or referred to weakly.
    ///
    /// No lock of the loop is held while the handler is dropped, which may run the host's code.
    fn forget_gone(&self, id: GoneId);
}

/// Names what one call of [`EventLoop::on_gone`] left with that loop. Not `Clone`, so nothing is forgotten twice.
#[derive(Debug, PartialEq, Eq)]
pub struct GoneId(u64);

impl GoneId {
    /// For loops: their own number for a handler, which they do not give to another one.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for the loop that made it.
    pub const fn number(&self) -> u64 {
        self.0
    }
}
