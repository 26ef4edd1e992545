//! What the tests of the reactor and of the adapters share, so that it is written once: clients, what is done to fds and
//! processes, and the tests that are the same for each loop.
//!
//! It fails as tests do: by a panic that says what was expected.

pub mod busy;
mod count;
mod counting;
mod fds;
pub mod forked;
mod hosted;
mod kernel_thread;

pub use count::Count;
pub use counting::Counting;
pub use fds::{eventfd, flags, is_readable, open_fds, reuse, without_its_epoll_fd};
pub use hosted::{Hosted, Script};
pub use kernel_thread::KernelThread;

use std::time::Duration;

/// Waits are bounded by this; none comes near it unless something is broken.
pub const FOREVER: Duration = Duration::from_secs(20);
