//! A conformance suite that tests whether an event loop hosts libxl correctly.
//!
//! [`Suite`] is the `main` of a test program. Its cases work at the [`boundary`] between libxl and its host, and need no libxl. The
//! crate depends on no event loop. The crate `osevent-conformance-runner` adds cases on libxl, and a program with reports.
//!
//! Each case runs in a process of its own, because the SIGCHLD handler of libxl, the clock and the connection to Xen are shared by a
//! process ([S1]). So a crash or a hang only fails one case.

pub mod boundary;
pub mod broken;
pub mod cases;
#[cfg(doc)]
pub mod contract;
pub mod directed;
pub mod files;
mod harness;
pub mod hosts;
pub mod integration;
pub mod isolated;
mod last_words;
pub mod log_lines;
pub mod model;
pub mod monitor;
pub mod outcome;
pub mod patience;
pub mod perform;
pub mod puppet;
pub mod record;
pub mod standin;
mod suite;
pub mod threads;
mod violation;

#[cfg(doc)]
use contract::*;
pub use harness::Arguments;
pub use suite::{MoreCases, Named, Suite};
pub use violation::Violation;
