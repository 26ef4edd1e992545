//! Small Xen domains, made from nothing: three without an operating system, and what makes one of any Linux kernel.
//!
//! They are what the conformance suite creates, in the lab and on a user's own dom0. PV and PVH, on 64-bit x86 only.

#[cfg(target_arch = "x86_64")]
mod answering;
mod archive;
mod elf;
pub mod kernel;
pub mod linux;

#[cfg(target_arch = "x86_64")]
pub use answering::UP;
pub use archive::Archive;
