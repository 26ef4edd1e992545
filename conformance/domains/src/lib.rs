//! Small Xen domains, made from nothing: two without an operating system, and what makes one of any Linux kernel.
//!
//! They are what the conformance suite creates, in the lab and on a user's own dom0. Paravirtual (PV) and 64-bit x86 only.

mod archive;
mod elf;
pub mod kernel;
pub mod linux;

pub use archive::Archive;
