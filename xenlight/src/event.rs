//! What is told of domains, and the stream of it.

#[cfg(doc)]
use crate::contract::*;
use crate::error::Code;
use crate::lock;
use crate::streams::{Buffer, poll};
use crate::words::Words;
use core::ffi::c_int;
use futures_core::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use xenlight_sys::codes;
use xenlight_types::DomainId;

/// An event of libxl. Most events were requested by a [`Watch`](crate::Watch).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The domain; 0 for a [`Disaster`](EventKind::Disaster).
    pub domid: DomainId,
    /// The watch that requested the event. `None` for an event that no watch requested.
    pub watch: Option<WatchId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The domain has shut down and still exists. A save causes this, too, with [`ShutdownReason::Suspend`], which is not the
    /// end of the domain. A watch reports only one shutdown, so create a new watch after a save and resume ([E11]).
    Shutdown(ShutdownReason),
    /// The domain has been destroyed. Xen may list it for a short time, as dying ([E11]).
    Death,
    /// The domain has ejected the disk.
    Eject {
        /// The virtual device, for instance `hdc`.
        vdev: String,
        /// The whole event as libxl's JSON, with the disk's configuration.
        json: String,
    },
    /// libxl can no longer report all events: events of one type, or of all types, may be missing from now on. Query the state
    /// of the domains, or open another ctx. This crate also reports the loss of xenstored this way, which libxl does not notice.
    Disaster {
        /// The message of libxl.
        message: String,
        /// The errno, if there is one.
        errno: i32,
    },
    /// libxl refused the watch, so it reports nothing. Only with [a thread of its own](crate::Builder::own_thread): without one,
    /// the method that creates the watch fails.
    WatchFailed {
        /// The code that libxl returned.
        code: Code,
        /// The lines of libxl's log about it.
        words: Words,
    },
    /// An event of a type that this crate does not know.
    Other {
        /// libxl's number of the type.
        number: u32,
        /// The whole event, as libxl's JSON.
        json: String,
    },
}

/// Why a domain has shut down (Xen's `SHUTDOWN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It powered itself off.
    Poweroff,
    /// It wants to be rebooted.
    Reboot,
    /// It was suspended, for a save or a migration. This is not its end.
    Suspend,
    /// It crashed.
    Crash,
    /// Its watchdog expired.
    Watchdog,
    /// It wants to be restarted in place.
    SoftReset,
    /// A number that this crate does not know.
    Other(u8),
}

/// Displayed as xl writes it. A reason that this crate does not know is displayed as its number.
impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Crash => "crash",
            Self::Watchdog => "watchdog",
            Self::SoftReset => "soft_reset",
            Self::Other(number) => return write!(f, "reason {number}"),
        })
    }
}

impl From<u8> for ShutdownReason {
    fn from(reason: u8) -> Self {
        match c_int::from(reason) {
            codes::SHUTDOWN_REASON_POWEROFF => Self::Poweroff,
            codes::SHUTDOWN_REASON_REBOOT => Self::Reboot,
            codes::SHUTDOWN_REASON_SUSPEND => Self::Suspend,
            codes::SHUTDOWN_REASON_CRASH => Self::Crash,
            codes::SHUTDOWN_REASON_WATCHDOG => Self::Watchdog,
            codes::SHUTDOWN_REASON_SOFT_RESET => Self::SoftReset,
            _ => Self::Other(reason),
        }
    }
}

/// Identifies a watch of one ctx. It is never reused ([E10]). libxl gets it as `for_user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId(pub(crate) u64);

impl WatchId {
    /// Of no watch: what carries it is not delivered.
    pub(crate) const NOBODYS: Self = Self(u64::MAX);

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// A stream of the events of a ctx, from the moment of its creation on. It ends when the ctx is closed.
///
/// Any task on any thread may poll it. It buffers events that have not been taken, without a limit.
///
/// ```no_run
/// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
/// use futures_lite::StreamExt;
/// use xenlight::EventKind;
///
/// // Create the stream before the watch, because a dead domain is reported at once.
/// let mut events = ctx.events();
/// let watch = ctx.watch_death(domid)?;
/// while let Some(event) = events.next().await {
///     if event.watch == Some(watch.id()) && event.kind == EventKind::Death {
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream that is not polled collects events"]
pub struct Events(pub(crate) Arc<Mutex<Buffer<Event>>>);

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        poll(&self.0, context)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &lock(&self.0).len()).finish()
    }
}
