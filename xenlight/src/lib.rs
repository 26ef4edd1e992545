//! Xen's libxl, safe, on any event loop.

mod children;
mod close;
mod ctx;
mod delivery;
mod error;
mod events;
mod hooks;
mod library;
mod logger;
mod operation;
mod signal;

pub use children::Children;
pub use ctx::{Builder, Close, Ctx};
pub use error::{Code, Error};
pub use events::{Event, EventKind, Events, ShutdownReason, Watch, WatchId};
pub use library::{Library, Release};
pub use operation::{Abort, Operation};

/// Locks; a panic of another holder is no reason not to, since nothing here is left half-changed by one.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
