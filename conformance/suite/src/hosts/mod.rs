//! What a loop has to be for the suite: a program with that loop on a thread of its own.

mod epoll;
mod watching;

pub use self::epoll::EpollHost;
pub use self::watching::{Readable, Watch, WatchHost};
use osevent_core::EventLoop;
use std::any::Any;
use std::sync::Arc;
use std::thread::ThreadId;

/// A program with an event loop, which runs on a thread of its own until [`end`](Self::end).
pub trait Host: Send + Sync + Any {
    /// Attaches osevent to the loop once more.
    ///
    /// # Errors
    /// The loop has ended, or has no fds left.
    fn attach(&self) -> anyhow::Result<Attached>;

    /// The thread that the loop runs on.
    fn thread(&self) -> ThreadId;

    /// One turn of the loop that does not wait, made on the loop's thread and inside something that the loop calls: what a dialog does that
    /// an application opens in a callback. What is being served is served in there, too. `None` where a loop cannot be run so.
    fn turn(&self) -> Option<Turn> {
        None
    }

    /// Ends the loop and frees it, whatever is attached to it. Doing it again does nothing; dropping the program does it, too.
    fn end(&self);
}

/// See [`Host::turn`].
pub type Turn = Box<dyn Fn() + Send + Sync>;

/// An attachment: what a client is hosted on, and what detaches when it is dropped, on any thread.
pub struct Attached {
    /// What osevent has of the loop.
    pub event_loop: Arc<dyn EventLoop>,
    /// Held for its drop.
    pub detaches: Box<dyn Any + Send + Sync>,
}

/// Does it as an application does that outlives its own panics: the event in which it happened is lost. The panic hook has
/// reported it.
pub fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Unwind safe: the adapters are whole after a panic, see there.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}
