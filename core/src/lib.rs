//! The registration state machine that runs Xen's libxl inside any event loop.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod deadline;
mod error;
mod event_loop;
mod gate;
mod guest;
mod interest;
mod registration;
mod registry;
mod sync;
#[cfg(feature = "std")]
mod thread;

pub use deadline::Deadline;
pub use error::{LoopError, RegistrationError};
pub use event_loop::EventLoop;
pub use gate::{Closed, LockRule, OuterLock, ThreadId};
pub use guest::{Guest, GuestValue};
pub use interest::{Interest, Readiness};
pub use registration::{FdSource, TimerSource, Token};
pub use registry::{Census, GuestCall, Registry};
#[cfg(feature = "std")]
pub use thread::current_thread;
