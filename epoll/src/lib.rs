//! Runs libxl's events in any event loop, through one epoll fd.
//!
//! A [`Reactor`] holds the fds and timers of any number of clients in one epoll set. An application with any event loop only
//! has to watch the reactor's fd for input and to call [`Reactor::dispatch`] when it is readable. The adapters to GLib and
//! other loops do the same.
//!
//! A reactor starts no thread, has no loop, and never waits, except in
//! [`EventLoop::turn`](osevent_core::EventLoop::turn). Everything may be called on any thread. A registration made while the
//! loop sleeps does not wake the loop; the fd becomes readable when the registration is due ([R9]).
//!
//! Everything that poll(2) accepts can be registered, including regular files, `/dev/null` and POLLPRI ([R6], [R7]).
//!
//! # The shortest program
//! A client with one timer and one pipe, on a loop that consists of poll(2):
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
