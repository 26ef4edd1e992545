//! Xen's libxl, safe, on any event loop.

mod children;
mod close;
mod config;
mod ctx;
mod delivery;
mod device;
mod domain;
mod error;
mod events;
mod hooks;
mod library;
mod logger;
mod operation;
mod round_trip;
mod save_file;
mod signal;
mod structs;
mod trace;

pub use children::Children;
pub use config::Config;
pub use ctx::{Builder, Close, Ctx};
pub use domain::{DomainInfo, XenVersion};
pub use error::{Code, Error};
pub use events::{Event, EventKind, Events, ShutdownReason, Watch, WatchId};
pub use library::{Library, Release};
pub use operation::{Abort, Operation};
pub use trace::Trace;
pub use uuid::Uuid;

/// Locks; a panic of another holder is no reason not to, since nothing here is left half-changed by one.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
