//! libxl's events on smol, or on any executor, through async-io.
//!
//! A [`LibxlSource`] is a future that drives a reactor (`osevent-epoll`). async-io watches a single fd, for all fds and
//! timeouts that libxl registers, and wakes the task that polls the future. Every occurrence (a call into libxl) is made
//! inside that poll. The future can be spawned or awaited on smol's `Executor` and `LocalExecutor`, in `smol::block_on`,
//! and on executors without support for async-io, such as tokio's; for these, async-io waits on a thread of its own.
//!
//! The future cannot shorten an occurrence: libxl builds a whole domain inside one ([O12]), and blocks the executor's thread
//! meanwhile. A program whose other tasks must not wait should run libxl on a thread of its own (xenlight's
//! `Builder::own_thread`). Then only events and results reach this executor.
//!
//! # Threads
//! The future is `Send`, and different threads may poll it. An executor with several threads makes occurrences on all of
//! them, one at a time. The [event loop](LibxlSource::event_loop) that libxl registers with may be called on any thread, and
//! wakes the task as soon as something is due ([R9]). Any task on any thread may await xenlight's operations and event
//! streams, as long as this future is polled.
//!
//! On an executor other than smol's, async-io can be up to 10 ms late while another thread is in `smol::block_on`, because
//! async-io's own thread then leaves the waiting to that thread.
//!
//! An occurrence must not block on the executor to wait for another occurrence, because the future is being polled already.
//! Use [`EventLoop::turn`] there.
//!
//! # Time for other tasks
//! A dispatch begins no new round after 64 occurrences or 2 ms; [`Reactor::dispatch`] explains rounds. After each dispatch
//! the task waits for async-io. So other tasks and timers of the executor run between two dispatches, even if libxl is
//! always busy ([O9]), except that async-io sometimes polls the task once more without need. Measured with a client that
//! always has work, in steps of 50 µs, on a shared machine: other tasks ran 346 to 382 times a second, timers were late by
//! 2.4 ms (median) and by 3 to 28 ms at worst, and the client had 85 to 93 % of the time.
//!
//! Executors have no priorities, and tasks have no names. While libxl is idle, the future wakes no thread, including that of
//! async-io.
//!
//! # How it ends
//! - The future is dropped: its task is cancelled, its executor ends, or it was never polled. It may be dropped at any
//!   time. The callbacks of [`EventLoop::on_gone`] are called, once, on the thread that drops it. Registrations remain
//!   and are served by [`EventLoop::turn`].
//! - The future resolves: the reactor's fds have been closed, by other code in the process. The loop is gone then, too.
//!
//! In a child that was forked without exec, none of this affects the parent. A dropped `LibxlSource` only closes the child's
//! fds and remains in the epoll set that async-io shares with the parent. One that is polled resolves
//! ([`Reactor`](Reactor#after-fork)).
//!
//! Only one task at a time can poll the future, because polling needs `&mut` and it is not `Clone`.
//!
//! # Panics
//! A panic in an occurrence unwinds out of the poll. Most executors drop a future that panicked; then the loop is gone. A
//! task that catches the panic may poll the future again; only that occurrence is lost.
//!
//! # The shortest program
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let executor = smol::LocalExecutor::new();
//! let xen = osevent_smol::LibxlSource::new()?;
//! let event_loop = xen.event_loop(); // for osevent_core::Registry, or for xenlight
//! executor.spawn(xen).detach();
//! smol::block_on(executor.run(async {
//!     // The program.
//!     # drop(event_loop);
//! }));
//! # Ok(()) }
//! ```
#![cfg(target_os = "linux")]
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(doc)]
pub mod contract;
#[cfg(doc)]
use contract::*;
pub use osevent_core::{EventLoop, LoopError};
pub use osevent_epoll::CreateError;

use async_io::Async;
use osevent_epoll::Reactor;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A future that drives a reactor. It ends when it is dropped; see the [crate's documentation](crate#how-it-ends).
///
/// After each dispatch it lets the executor run other tasks, even if the client is always busy ([O9]).
#[derive(Debug)]
#[must_use = "nothing is dispatched before it is spawned or awaited"]
pub struct LibxlSource {
    watched: ManuallyDrop<Async<Arc<Reactor>>>,
}

impl LibxlSource {
    /// Creates a reactor and registers it with async-io.
    ///
    /// # Errors
    /// No memory or no fd is left; it needs three fds.
    ///
    /// # Panics
    /// async-io panics if this is its first use in the process and it gets no fds or no thread.
    pub fn new() -> Result<Self, CreateError> {
        // Not `Async::new`: an epoll fd has no non-blocking mode.
        let watched = Async::new_nonblocking(Reactor::new()?);
        let watched = watched.map_err(|error| CreateError::new("epoll_ctl", &error))?;
        Ok(Self { watched: ManuallyDrop::new(watched) })
    }

    /// The event loop, for a registry or a ctx. It may outlive `self` and the executor.
    pub fn event_loop(&self) -> Arc<dyn EventLoop> {
        self.watched.get_ref().clone()
    }

    /// One dispatch, then asks async-io to wake the task for the next.
    fn drive(&self, context: &mut Context<'_>) -> Result<(), LoopError> {
        // Without asking first: to async-io, readiness that another thread learns of in a wait which had begun before
        // is old, and the task would go round in vain.
        self.watched.get_ref().dispatch()?;
        // Readiness from before is taken; then the kernel is asked anew, whatever the dispatch has left included.
        while let Poll::Ready(taken) = self.watched.poll_readable(context) {
            taken.map_err(|error| LoopError::Os(error.raw_os_error().unwrap_or(libc::EIO)))?;
        }
        Ok(())
    }
}

impl Future for LibxlSource {
    /// The reason why it cannot continue.
    type Output = LoopError;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<LoopError> {
        let Err(error) = self.drive(context) else { return Poll::Pending };
        self.watched.get_ref().detach();
        Poll::Ready(error)
    }
}

impl Drop for LibxlSource {
    fn drop(&mut self) {
        let reactor = self.watched.get_ref();
        if reactor.is_forked() {
            // `watched` is not dropped: it would take the fd out of async-io's epoll set, which the parent has, too, under a lock that
            // another thread may have held at the fork.
            let reactor = Arc::as_ptr(reactor);
            // SAFETY: the reference is that of `watched`, which nobody uses or drops after this.
            unsafe { Arc::decrement_strong_count(reactor) };
            return;
        }
        reactor.detach();
        // SAFETY: here only, and nobody uses it after this.
        unsafe { ManuallyDrop::drop(&mut self.watched) };
    }
}
