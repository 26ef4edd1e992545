//! The program `osevent-conformance`, and the cases on libxl for the suite of any loop.
//!
//! The cases of the crate `osevent-conformance` need no libxl. This crate has those that need it. They run on the loops for which osevent
//! has adapters, with stand-ins for the hypervisor and xenstored, or on a real Xen. [`OnLibxl`] adds them to the `Suite` of another loop.

mod arguments;
mod broken;
mod case;
mod cases;
mod command_line;
#[cfg(doc)]
pub mod contract;
mod eventually;
#[cfg(test)]
mod functions;
mod hosts;
mod on_libxl;
mod perform;
mod random;
mod recorder;
pub mod report;
mod runner;
mod shared_object;
mod stage;
mod tiers;

pub use command_line::{command, main};
#[cfg(doc)]
use contract::*;
pub use on_libxl::OnLibxl;
pub use shared_object::SharedObject;

/// The guide's programs are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing-your-loop.md")]
struct Guide;
