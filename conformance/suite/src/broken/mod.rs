//! Hosts that are known to be wrong, to show that the suite notices.
//!
//! [`Naive`] is a host of the kind that programs write for themselves, without osevent-core. As it is, it keeps every
//! clause that can be seen at the [`boundary`](crate::boundary): it is the control. With a [`Fault`] it is one of
//! [`BROKEN`], and the cases have to find that.

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
