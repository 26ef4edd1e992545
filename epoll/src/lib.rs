//! One epoll fd that runs libxl's events inside any event loop.
//!
//! A [`Reactor`] holds the fds and timers of any number of clients in one epoll set. An application
//! with any loop at all watches [`Reactor`]'s fd for input and calls [`Reactor::dispatch`] when it is readable: that is the whole
//! of it. The adapters to GLib and others do just that.
//!
//! It starts no thread, owns no loop, and never waits, except in [`EventLoop::turn`](osevent_core::EventLoop::turn). Everything may be called on any
//! thread: a registration made while the loop sleeps makes the fd readable as soon as it is due, without waking
//! anybody before ([R9]).
//!
//! What poll(2) takes is taken, regular files, `/dev/null` and POLLPRI included ([R6], [R7]).
//!
//! # The shortest program
//! A client that wants one timer and one pipe, on a loop that is nothing but poll(2):
//! ```
//! use osevent_core::{Deadline, EventLoop, Client, ClientValue, Interest, LockRule, Readiness, Registry, current_thread, Owner};
//! use osevent_epoll::Reactor;
//! use std::io::{Read, Write};
//! use std::os::fd::AsRawFd;
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! struct Toy(std::io::PipeReader, AtomicU32);
//! impl Client for Toy {
//!     fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {
//!         (&self.0).read(&mut [0]).expect("it was readable");
//!         self.1.fetch_add(1, Ordering::Relaxed);
//!     }
//!     fn occurred_timeout(&self, _: ClientValue) {
//!         self.1.fetch_add(1, Ordering::Relaxed);
//!     }
//!     fn release(&self) {}
//! }
//!
//! impl Owner for Toy {}
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reactor = Reactor::new()?;
//! let (reader, mut writer) = std::io::pipe()?;
//! let fd = reader.as_raw_fd();
//! let registry = Registry::new(reactor.clone(), LockRule::Concurrent, current_thread, |_| Toy(reader, AtomicU32::new(0)));
//! registry.register_fd(fd, Interest::IN, ClientValue(1))?;
//! registry.register_timeout(Deadline::ASAP, ClientValue(2))?;
//! writer.write_all(b"!")?;
//!
//! while registry.client().1.load(Ordering::Relaxed) < 2 {
//!     let mut watched = libc::pollfd { fd: reactor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
//!     // SAFETY: one pollfd, which lives as long as the call.
//!     unsafe { libc::poll(&mut watched, 1, -1) };
//!     reactor.dispatch()?;
//! }
//! registry.close();
//! # Ok(()) }
//! ```
#![cfg(target_os = "linux")]
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod alarm;
#[cfg(doc)]
pub mod contract;
mod error;
mod interest_set;
mod os;
mod process;
mod reactor;
mod timers;

#[cfg(doc)]
use contract::*;
pub use error::CreateError;
pub use reactor::Reactor;
