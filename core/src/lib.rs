//! The registration state machine that runs Xen's libxl in any event loop.
//!
//! libxl has no event loop. Through six hooks it asks its host to watch fds and timeouts, and the host calls libxl when they
//! occur. This crate implements the rules between the two, once for all loops. Handles are looked up and never dereferenced.
//! Each timeout occurs exactly once. Calls into the client are counted, so that it is freed when none is in progress. Ids
//! such as [R14] are clauses of `docs/contract.md`.
//!
//! # What it does not do
//! It has no clock, no fd and no thread: a loop supplies time and readiness, and watches what is registered. It depends on
//! neither libxl nor an operating system. It contains no unsafe code, needs `alloc` but not `std`, and prints nothing.
//!
//! # Overview
//! ```text
//!        hooks                                  registrations
//! Client ───────▶ Registry ── Token, table ────▶ EventLoop
//!   ▲               │                              │
//!   │   occurrence  │    gate, outer lock          │ FdSource::ready
//!   └───────────────┴──────────────────────────────┘ TimerSource::expire
//! ```
//! - [`EventLoop`]: the host's loop. Adapters implement it.
//! - [`Client`]: the hosted library; [`Owner`]: the code that hosts it. A binding of libxl implements both, for one type.
//! - [`Registry`]: connects the two. The client calls its hooks ([`Registry::hooks`] has them with the client's own numbers).
//!   All code that calls the client passes its gate ([`Registry::enter`], [`Registry::close`]).
//! - [`FdSource`], [`TimerSource`]: the loop's references to registrations.
//! - [`NumberHasher`]: for a loop's own tables.
//! - [`Interest`], [`Readiness`], [`Deadline`], [`Token`]: checked types for the client's numbers.
//!
//! # Threads
//! Everything may be called on any thread, at the same time ([R1], [O8]). A [`ClientCall`] belongs to the thread that began it.
//! The crate needs a function that identifies the calling thread ([`ThreadId`]); with the feature `std`, `current_thread` is
//! one.
//!
//! # Locks
//! The lock order, outermost first: the [`OuterLock`] of [`LockRule::Serialized`], if there is one; the client's own lock, which
//! it holds when it calls a hook ([R15]); the locks of the loop; one of the two locks of this crate. The latter are held for a
//! few instructions, without allocation, and never across a call. So a hook does not wait for another thread's work. A loop
//! must not hold a lock that its registration methods take while it makes an occurrence ([O2]).
//!
//! # The shortest program
//! A loop that watches one fd, and a client that registers the fd.
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
//! - `std` (off by default): the locks are those of the standard library, so that a waiting thread sleeps instead of spinning.
//!   `current_thread`, `is_in_hook`, `InHook` and `Exclusion` are available. Programs with std should enable it.
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
mod number_hasher;
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
pub use number_hasher::NumberHasher;
pub use registration::{FdSource, TimerSource};
pub use registry::{Census, ClientCall, Registry};
#[cfg(feature = "std")]
pub use thread::current_thread;
pub use token::Token;
