//! libxl's types as Rust.
#![deny(missing_debug_implementations, clippy::exhaustive_enums)]
#![allow(missing_docs)]

#[macro_use]
mod table;

mod build;
mod cache;
mod channel;
mod codec;
mod config;
mod cpuid;
pub mod describe;
mod disk;
mod display;
mod domain_id;
mod graphics;
mod host;
mod invalid;
mod json;
mod libxl_type;
mod mac;
mod newer;
mod nic;
mod pci;
mod scheduler;
mod share;
mod sound;
mod stream;
mod usb;
mod virtio;
mod vtpm;
mod whole;

pub use build::*;
pub use cache::*;
pub use channel::*;
pub use config::*;
pub use cpuid::{CpuPolicy, CpuidLeaf, MsrPolicy};
pub use disk::*;
pub use display::*;
pub use domain_id::DomainId;
pub use graphics::*;
pub use host::*;
pub use invalid::Invalid;
pub use libxl_type::LibxlType;
pub use mac::{Mac, NoMac};
pub use newer::Newer;
pub use nic::*;
pub use pci::*;
pub use scheduler::*;
pub use share::*;
pub use sound::*;
pub use stream::*;
pub use usb::*;
pub use virtio::*;
pub use vtpm::*;
