//! The interface of a loop for the suite: a program with the loop on its own thread.

mod epoll;
mod watching;

pub use self::epoll::EpollHost;
pub use self::watching::{Readable, Watch, WatchHost};
use osevent_core::EventLoop;
use std::any::Any;
use std::sync::Arc;
use std::thread::ThreadId;

/// A program with an event loop, which runs on its own thread until [`end`](Self::end).
pub trait Host: Send + Sync + Any {
    /// Attaches osevent to the loop. It is called once for each client.
    ///
    /// # Errors
    /// The loop has ended, or no fds are left.
    fn attach(&self) -> anyhow::Result<Attached>;

    /// The thread that the loop runs on.
    fn thread(&self) -> ThreadId;

    /// Runs one iteration of the loop without waiting. It is called on the loop's thread inside a callback of the loop, as a dialog
    /// does that an application opens in a callback. The nested iteration also serves the source that is being served. `None` if the
    /// loop cannot be nested.
    fn turn(&self) -> Option<Turn> {
        None
    }

    /// Ends the loop and frees it, even if clients are attached. A second call does nothing. Dropping the program does the same.
    fn end(&self);
}

/// See [`Host::turn`].
pub type Turn = Box<dyn Fn() + Send + Sync>;

/// An attachment: the event loop for a client, and a guard that detaches it.
pub struct Attached {
    /// The loop, as an adapter of osevent provides it.
    pub event_loop: Arc<dyn EventLoop>,
    /// Dropping this, on any thread, detaches the adapter.
    pub detaches: Box<dyn Any + Send + Sync>,
}

/// Calls `work` like an application that survives its own panics. After a panic, which the panic hook has reported, the result is
/// `None`.
pub fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Unwind safe: the adapters are whole after a panic, see there.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}
