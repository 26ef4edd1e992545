//! One suite that shows whether an event loop hosts libxl correctly, for a loop's own tests.
//!
//! [`Suite`] is a test program: cases at the [`boundary`] between libxl and its host, which need no libxl. It builds no loop but the one
//! that it tests. The crate `osevent-conformance-runner` adds the cases on libxl, and has a program with reports.
//!
//! Each case runs in a process of its own, because libxl's SIGCHLD handler, its clock and its way to
//! Xen belong to a process ([S1]), and so that a crash or a hang is one case's failure.

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
