//! libxl's events on smol, or on any executor, through async-io.
//!
//! A [`LibxlSource`] is a future that drives a reactor (`osevent-epoll`): async-io watches one fd, however many fds and
//! timeouts libxl has registered, and wakes the task that polls the future. Every occurrence is made inside that poll.
//! So it runs wherever it is spawned or awaited: on smol's `Executor` and `LocalExecutor`, in `smol::block_on`, and on
//! executors that know nothing of async-io, such as tokio's: async-io has a thread of its own, which waits for them.
//!
//! It cannot shorten an occurrence: libxl builds a whole domain inside one ([O12]), and the executor's thread is busy as
//! long. A program whose other tasks must not wait opens its ctx with a thread for libxl (xenlight's
//! `Builder::own_thread`): then only events and results come to this executor.
//!
//! # Threads
//! The future is `Send` and may be polled by one thread now and another later; an executor with several threads makes
//! occurrences on all of them, one at a time. The [event loop](LibxlSource::event_loop) that libxl registers with is called on
//! any thread, and wakes the task as soon as something is due ([R9]). xenlight's operations and event streams may be
//! awaited by any task on any thread, as long as something polls this future.
//!
//! On an executor that is not smol's, async-io can be some milliseconds late, 10 at most, if another thread is in
//! `smol::block_on` at the same time: its own thread steps aside for that one.
//!
//! An occurrence must not wait for another one by blocking on the executor: the future is being polled already.
//! [`EventLoop::turn`] serves that case.
//!
//! # What it leaves to the program
//! A dispatch ends after the round in which it has made 64 occurrences or taken 2 ms; [`Reactor::dispatch`] says what a
//! round is. After each one the task waits for async-io. So however busy libxl is, the executor's other tasks and its
//! timers have their turn between two dispatches ([O9]), but for a round that async-io makes in vain now and then.
//! Measured with a client that always has work, 50 µs at a time: 400 such turns a second, tasks and timers 2.4 ms late at
//! the median and 3 to 7 ms at worst, and 97 % of the time for the client.
//!
//! Executors have no priorities, and tasks no names, so there is none to choose. Idle, it wakes no thread, async-io's
//! own included.
//!
//! # How it ends
//! - It is dropped: its task is cancelled, its executor ends, or it was never polled. It can be dropped at any time;
//!   there is one point at which it waits, and nothing is in its hands there. Then the loop is gone: what
//!   waits in [`EventLoop::on_gone`] is told, once, by whoever drops it; registrations stay and are served by
//!   [`EventLoop::turn`].
//! - It resolves: the reactor's fds are gone, which means that something in this process closed fds that were not its
//!   own. The loop is gone then, too.
//!
//! In a child that was forked without exec, the parent's is left alone: a dropped `LibxlSource` only closes the child's fds and
//! stays in the epoll set that async-io shares with the parent's, and one that is polled resolves ([`Reactor`](Reactor#after-fork)).
//!
//! It takes part in one task at a time, because polling takes it by `&mut` and it is not `Clone`.
//!
//! # Panics
//! A panic in an occurrence comes out of the poll, and most executors drop a future that panicked: then
//! the loop is gone. Who catches the panic inside the task may poll again; only that occurrence is lost.
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

/// A reactor as a future, which drives it. Dropping it ends it; see the [crate's documentation](crate#how-it-ends).
///
/// After each dispatch it lets the executor serve other tasks, however busy the client is ([O9]).
#[derive(Debug)]
#[must_use = "nothing is dispatched before it is spawned or awaited"]
pub struct LibxlSource {
    watched: ManuallyDrop<Async<Arc<Reactor>>>,
}

impl LibxlSource {
    /// Makes a reactor and shows it to async-io.
    ///
    /// # Errors
    /// No fd is left, or no memory; three fds are needed.
    ///
    /// # Panics
    /// async-io does, if it is used for the first time and gets neither fds nor its thread.
    pub fn new() -> Result<Self, CreateError> {
        // Not `Async::new`: an epoll fd has no non-blocking mode.
        let watched = Async::new_nonblocking(Reactor::new()?);
        let watched = watched.map_err(|error| CreateError::new("epoll_ctl", &error))?;
        Ok(Self { watched: ManuallyDrop::new(watched) })
    }

    /// The loop, for a registry or a ctx. It may outlive `self` and the executor.
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
    /// Why it cannot go on.
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
