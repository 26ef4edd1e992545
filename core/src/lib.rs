//! The registration state machine that runs Xen's libxl inside any event loop.
//!
//! libxl has no event loop: through six hooks it asks its host to watch fds and timeouts, and the
//! host calls back when they occur. This crate is what has to be right between the two, once for all
//! loops: handles that are looked up and never dereferenced, timeouts that occur exactly once, calls into the
//! client that are counted so that it can be freed when there are none. Clause ids such as [R14] are those of
//! `docs/contract.md`.
//!
//! # What it refuses to do
//! It has no clock, no fd and no thread: time and readiness come in from a loop, work goes out to it.
//! It knows neither libxl nor an operating system, contains no unsafe code, needs `alloc` and not
//! `std`, and prints nothing. A client's token is a number to it.
//!
//! # Map
//! ```text
//!        hooks                                  registrations
//! Client ───────▶ Registry ── Token, table ────▶ EventLoop
//!   ▲               │                              │
//!   │   occurrence  │    gate, outer lock          │ FdSource::ready
//!   └───────────────┴──────────────────────────────┘ TimerSource::expire
//! ```
//! - [`EventLoop`]: what a host's loop does; an adapter implements it.
//! - [`Client`]: what is hosted, and [`Owner`]: whoever hosts it. Whoever binds libxl implements both, for one type.
//! - [`Registry`]: between them. Its hooks are called by the client ([`Registry::hooks`] has them in the client's own numbers), its gate ([`Registry::enter`],
//!   [`Registry::close`]) by everybody who calls the client.
//! - [`FdSource`], [`TimerSource`]: the loop's references to registrations.
//! - [`Interest`], [`Readiness`], [`Deadline`], [`Token`]: the client's numbers, checked.
//!
//! # Threads
//! Everything may be called from any thread, beside anything else ([R1], [O8]). A [`ClientCall`] belongs
//! to the thread that began it. The one thing the crate asks of its surroundings is which thread
//! it is on ([`ThreadId`]; `current_thread` with the feature `std`).
//!
//! # Locks
//! The order, outermost first: the [`OuterLock`] of [`LockRule::Serialized`], if any; the client's
//! own lock, which it holds when it calls a hook ([R15]); the loop's own locks; and inside of all those
//! one of this crate's two spin locks at a time, for a few instructions, without allocating and never across a
//! call. So a hook waits for nobody; a loop must not hold a lock that its registration methods
//! take while it makes an occurrence ([O2]).
//!
//! # The shortest program
//! A loop that watches one fd, a client that registers it and is told.
//!
//! ```
//! use osevent_core::*;
//! use std::sync::{Arc, Mutex};
//!
//! #[derive(Default)]
//! struct OneFd(Mutex<Option<FdSource>>);
//!
//! impl EventLoop for OneFd {
//!     fn add_fd(&self, source: FdSource, _: Interest) -> Result<(), LoopError> {
//!         *self.0.lock().unwrap() = Some(source);
//!         Ok(())
//!     }
//!     fn modify_fd(&self, _: Token, _: Interest) -> Result<(), LoopError> {
//!         Ok(())
//!     }
//!     fn remove_fd(&self, _: Token) {
//!         *self.0.lock().unwrap() = None;
//!     }
//!     fn add_timer(&self, _: TimerSource, _: Deadline) -> Result<(), LoopError> {
//!         Err(LoopError::Unsupported("keep time"))
//!     }
//!     fn modify_timer(&self, _: Token, _: Deadline) {}
//!     fn remove_timer(&self, _: Token) {}
//!     fn turn(&self, _: Option<i32>) -> Result<(), LoopError> {
//!         Err(LoopError::Unsupported("wait"))
//!     }
//!     // It never ends.
//!     fn on_gone(&self, _: Box<dyn FnOnce() + Send>) -> GoneId {
//!         GoneId::new(0)
//!     }
//!     fn forget_gone(&self, _: GoneId) {}
//! }
//!
//! #[derive(Default)]
//! struct Library(Mutex<Vec<String>>);
//!
//! impl Client for Library {
//!     fn occurred_fd(&self, _: ClientValue, fd: i32, _: Interest, _: Readiness) {
//!         self.0.lock().unwrap().push(format!("fd {fd} is ready"));
//!     }
//!     fn occurred_timeout(&self, _: ClientValue) {}
//!     fn release(&self) {
//!         self.0.lock().unwrap().push("freed".into());
//!     }
//! }
//!
//! impl Owner for Library {}
//!
//! // With the feature `std`, `osevent_core::current_thread` does this for any number of threads.
//! let the_only_thread = || ThreadId(std::num::NonZero::<u64>::MIN);
//! let event_loop = Arc::new(OneFd::default());
//! let registry = Registry::new(event_loop.clone(), LockRule::Concurrent, the_only_thread, |_| Library::default());
//!
//! // A call into the client, in which it calls a hook.
//! let call = registry.enter()?;
//! let token = registry.register_fd(0, Interest::IN, ClientValue(7))?;
//! drop(call);
//!
//! // The loop finds the fd ready. Its lock is free again when it says so.
//! let source = event_loop.0.lock().unwrap().clone().expect("it was added");
//! assert!(source.ready(Readiness::IN));
//!
//! registry.close();
//! assert!(!source.ready(Readiness::IN), "no call begins any more");
//! assert_eq!(*registry.client().0.lock().unwrap(), ["fd 0 is ready", "freed"]);
//! assert!(event_loop.0.lock().unwrap().is_none(), "what was left of {token} is swept");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `std` (off by default): a thread that waits for a spin lock yields its processor to the holder
//!   instead of burning it, and `current_thread` names threads. Programs with std want it.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod addresses;
mod client;
#[cfg(doc)]
pub mod contract;
mod deadline;
mod error;
mod event_loop;
#[cfg(feature = "std")]
mod exclusion;
mod gate;
mod hooks;
#[cfg(feature = "std")]
mod in_hook;
mod interest;
mod registration;
mod registry;
mod sync;
mod table;
#[cfg(feature = "std")]
mod thread;
mod token;

pub use client::{Client, ClientValue, HookCall, Owner};
#[cfg(doc)]
use contract::*;
pub use deadline::Deadline;
pub use error::{LoopError, RegistrationError};
pub use event_loop::{EventLoop, GoneId};
#[cfg(feature = "std")]
pub use exclusion::Exclusion;
pub use gate::{Closed, LockRule, OuterLock, ThreadId};
pub use hooks::Hooks;
#[cfg(feature = "std")]
pub use in_hook::{InHook, is_in_hook};
pub use interest::{Interest, Readiness};
pub use registration::{FdSource, TimerSource};
pub use registry::{Census, ClientCall, Registry};
#[cfg(feature = "std")]
pub use thread::current_thread;
pub use token::Token;
