//! A model of libxl's event core at the boundary, and a driver that uses it at random.
//!
//! [`Ctx`] is a client like libxl. It has a ctx with a recursive lock that is held in each hook, ev structs for fds and timeouts,
//! nexuses that are pooled and reused, watches that share one xenstore fd, and children that share one SIGCHLD pipe. Where libxl
//! would abort, or use freed memory, the model records a [`Violation`](crate::Violation) with the clause of the contract, and continues.
//!
//! # The modelled functions
//! They are from `libxl_event.c` (E), `libxl_fork.c` (F) and `libxl.c` (L) of the releases that [`Release`] lists. Functions without a
//! release are the same in all of them.
//!
//! | here | there |
//! |---|---|
//! | [`Ctx::call`] | `CTX_LOCK`, `CTX_UNLOCK` (libxl_internal.h); 4.6 on, `libxl_ctx_free` takes the lock, too (L) |
//! | `Locked::hook` | E `OSEVENT_HOOK_INTERN` |
//! | `nexus::Pool` | E 4.2.2 `osevent_hook_pre_alloc`, `osevent_release_nexus`, `osevent_ev_from_hook_nexus` |
//! | [`Locked::fd_register`], [`fd_modify`](Locked::fd_modify), [`fd_deregister`](Locked::fd_deregister) | E `libxl__ev_fd_register`, `_modify`, `_deregister` |
//! | `Locked::fd_occurred` | E 4.2.0 and 4.2.2 `libxl_osevent_occurred_fd`; 4.6 `fd_occurs`, `libxl__fd_poll_recheck` |
//! | [`Locked::time_register`], [`time_deregister`](Locked::time_deregister) | E `time_register_finite`; `time_deregister` of 4.2.0, 4.2.1 and 4.2.2 |
//! | [`Locked::time_abort`] | E 4.6 `time_aborted` |
//! | `Locked::timeout_occurred` | E 4.2.0 and 4.2.2 `libxl_osevent_occurred_timeout`; 4.4 `time_occurs` |
//! | [`Locked::own_loop`] | E `beforepoll_internal`, `afterpoll_internal`, which blocking calls use |
//! | [`Locked::watch_register`], [`watch_deregister`](Locked::watch_deregister) | E `libxl__ev_xswatch_register`, `_deregister`; 4.5 `watches_check_fd_deregister` |
//! | [`Locked::child_fork`], [`children_set_mode`](Locked::children_set_mode) | F 4.4 `perhaps_sigchld_needed`, `libxl__sigchld_needed`; 4.4 and 4.5 `libxl__sigchld_notneeded`; `sigchld_selfpipe_handler` |
//! | `Ctx::free` | L `libxl_ctx_free` of 4.2.0, 4.4, 4.5 and 4.6 |
//!
//! `operations` adds some public operations that use these functions.
//!
//! # What is not modelled
//! Everything without an effect at the boundary: pollers, event queues, garbage collection, how often the lock is taken. Also
//! `SIGCHLD` before 4.4, which does not use the hooks, and event channels.

mod child;
mod ctx;
mod driver;
mod fd;
mod files;
mod nexus;
mod operations;
mod random;
mod release;
mod script;
mod shrink;
mod time;
mod watch;
mod world;

pub use child::{ChildCallback, ChildMode};
pub use ctx::{Ctx, Locked};
pub use driver::{Outcome, run, run_script};
pub use fd::{FdCallback, FdEv};
pub use operations::{Phase, Removal};
pub use random::{Failure, IMPATIENCE, Plan, SHRINKING, replay, run_monitored, run_seeds};
pub use release::Release;
pub use script::{Bits, Due, Ending, FileKind, Op, Script};
pub use shrink::{Shrunk, shrink};
pub use time::{ASAP, Cause, TimeCallback, TimeEv};
pub use watch::{Watch, WatchCallback};

impl Locked<'_> {
    /// Runs one iteration of libxl's own loop, as a blocking call does. It serves what is ready and due, without the host.
    pub fn own_loop(&self) {
        for (ev, fd, events) in self.fds_registered() {
            // A callback may have changed anything.
            if events != 0 && poll(fd, events) != 0 && self.fd_is_registered(ev) {
                self.fd_occurs(ev);
            }
        }
        self.times_after_poll();
    }
}

/// `libxl__fd_poll_recheck`: poll(2) without waiting.
fn poll(fd: std::os::fd::RawFd, events: i16) -> i16 {
    let mut check = libc::pollfd { fd, events, revents: 0 };
    loop {
        // SAFETY: one entry, ours for the length of the call.
        let found = unsafe { libc::poll(&raw mut check, 1, 0) };
        if found >= 0 {
            return check.revents;
        }
    }
}

#[cfg(test)]
mod tests;
