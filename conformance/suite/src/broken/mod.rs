//! Broken hosts, which test the suite.
//!
//! [`Naive`] is a host as programs write it for themselves, without osevent-core. Without a fault it is the control: it keeps every clause
//! that can be checked at the [`boundary`](crate::boundary). With a [`Fault`] it is one of [`BROKEN`], and the cases have to find the fault.

mod clock;
mod fault;
mod memory;
mod naive;
mod reentrant;
mod set;
#[cfg(test)]
mod tests;
mod turn;

pub use fault::{BROKEN, Broken, Fault};
pub use naive::Naive;
