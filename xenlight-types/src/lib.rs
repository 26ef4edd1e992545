//! The types of Xen's libxl as Rust: the configuration of a domain, its devices, and what Xen tells about a host.
//!
//! libxl's own description of its types, `libxl_types.idl`, grows with each release of Xen. This crate has all its structs and
//! enumerations from Xen 4.2 to 4.22, in one table each. The same table makes the Rust type, its JSON, and a
//! [description](describe) of it as data: which fields there are, which values they take, and which release has them first. The
//! tables are compared with Xen's headers and with the parsers of real libxls.
//!
//! # What is here
//! - [`DomainConfig`]: everything that makes a domain. It consists of a [`CreateInfo`], a [`BuildInfo`], and lists of devices such
//!   as [`Disk`] and [`Nic`].
//! - The other structs and enumerations of libxl. Structs that libxl fills in, such as [`PhysInfo`], have plain fields. Structs that
//!   a user fills in have optional ones: what is not set is left to libxl.
//! - [`LibxlType`]: what all of them have in common, such as reading and writing libxl's JSON. With serde, they are this JSON, too.
//! - [`Invalid`]: why a value is refused, with its place.
//!
//! ```
//! use xenlight_types::{Disk, DomainConfig, Machine, Nic, Pvh};
//!
//! let mut config = DomainConfig::new("web", Machine::Pvh(Pvh::default()));
//! config.build_info = config.build_info.max_vcpus(2).max_memory_kib(1024 * 1024).kernel("/boot/vmlinuz");
//! config.disks = vec![Disk::default().vdev("xvda").pdev_path("/dev/vg/web").readwrite(true)];
//! config.nics = vec![Nic::default().bridge("xenbr0")];
//! println!("{}", config.to_json());
//! # Ok::<(), xenlight_types::Invalid>(())
//! ```
//!
//! # JSON
//! libxl reads and writes its structs as JSON from Xen 4.5 on, and `xl create -n` prints a configuration in this form. libxl's parser
//! ignores keys that it does not know and values of a wrong type. This crate does not: it refuses a value that libxl would
//! ignore or misread, and names the place. Keys that this crate does not know may be those of a newer libxl. They are kept in `other`, and
//! written again as they were.
//!
//! # What it refuses to do
//! It does not call libxl, and needs none. The crate `xenlight` does.
#![deny(missing_debug_implementations, clippy::exhaustive_enums)]

#[macro_use]
mod table;

mod all;
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

pub use all::{ENUMERATIONS, STRUCTS};
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
