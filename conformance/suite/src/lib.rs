//! One suite that shows whether an event loop hosts libxl correctly.
//!
//! Each case runs in a process of its own, because libxl's SIGCHLD handler, its clock and its way to
//! Xen belong to a process ([S1]), and so that a crash or a hang is one case's failure.

pub mod boundary;
pub mod broken;
mod case;
mod cases;
mod command_line;
#[cfg(doc)]
pub mod contract;
pub mod directed;
pub mod files;
pub mod hosts;
pub mod integration;
mod isolated;
mod last_words;
pub mod model;
pub mod monitor;
mod patience;
pub mod puppet;
mod random;
pub mod record;
mod recorder;
pub mod report;
mod runner;
mod stage;
mod suite;
pub mod threads;
mod tiers;
mod violation;

pub use command_line::main;
#[cfg(doc)]
use contract::*;
pub use suite::Suite;
pub use violation::Violation;
