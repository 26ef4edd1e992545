//! What is told of domains, and the stream of it.

#[cfg(doc)]
use crate::contract::*;
use crate::domain_id::DomainId;
use crate::error::Code;
use crate::lock;
use crate::words::Words;
use core::ffi::c_int;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use xenlight_sys::codes;

/// Something happened that a [`Watch`](crate::Watch) asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The domain; 0 for a [`Disaster`](EventKind::Disaster).
    pub domid: DomainId,
    /// The watch that asked. `None` where libxl reports without being asked.
    pub watch: Option<WatchId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The domain has shut down and is still there. A save does that, too, with
    /// [`ShutdownReason::Suspend`], which is not its end; a watch reports it once only, so make a
    /// new one after a save and resume ([E11]).
    Shutdown(ShutdownReason),
    /// The domain has come to its end. Xen may list it a little longer, as dying ([E11]).
    Death,
    /// The domain ejected the disk.
    Eject {
        /// The virtual device, for instance `hdc`.
        vdev: String,
        /// The whole event as libxl's JSON, with the disk's configuration.
        json: String,
    },
    /// Libxl lost track: events of the type, or all of them, may be missing from now on. Ask for
    /// the state of the domains, or open another ctx. Where xenstored has gone, which libxl does not notice, this crate tells so.
    Disaster {
        /// Libxl's words.
        message: String,
        /// The errno, if there is one.
        errno: i32,
    },
    /// The watch reports nothing, because libxl refused it. Only where the ctx has [a thread of its own](crate::Builder::own_thread):
    /// otherwise making the watch fails.
    WatchFailed {
        /// What libxl returned.
        code: Code,
        /// What it said in its log.
        words: Words,
    },
    /// A type that this crate does not know, as libxl's JSON.
    Other {
        /// Libxl's number of the type.
        number: u32,
        /// The whole event.
        json: String,
    },
}

/// Why a domain has shut down (Xen's `SHUTDOWN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It powered itself off.
    Poweroff,
    /// It wants to be started again.
    Reboot,
    /// It was suspended, for a save or a migration: not its end.
    Suspend,
    /// It crashed.
    Crash,
    /// Its watchdog ran out.
    Watchdog,
    /// It wants to be made anew in place.
    SoftReset,
    /// A number that this crate does not know.
    Other(u8),
}

/// As xl writes it; the number of one that this crate does not know.
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

/// Names a watch of one ctx, for ever ([E10]). It is the `for_user` that libxl is given.
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

/// The events of a ctx, from when this was made. It ends when the ctx is closed.
///
/// Poll it from any task on any thread. It holds what has not been taken, without a bound.
///
/// ```no_run
/// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
/// use futures_lite::StreamExt;
/// use xenlight::EventKind;
///
/// // The stream before the watch: a domain that is dead already is reported at once.
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
pub struct Events(pub(crate) Arc<Mutex<Buffer>>);

#[derive(Default)]
pub(crate) struct Buffer {
    pub(crate) events: VecDeque<Event>,
    pub(crate) ended: bool,
    pub(crate) waker: Option<Waker>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        // The application's code, as its drop: not under the lock.
        let waker = context.waker().clone();
        let _replaced;
        let mut buffer = lock(&self.0);
        if let Some(event) = buffer.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if buffer.ended {
            return Poll::Ready(None);
        }
        _replaced = buffer.waker.replace(waker);
        Poll::Pending
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &lock(&self.0).events.len()).finish()
    }
}
