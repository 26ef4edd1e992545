//! The types of Xen's libxl in Rust: the configuration of a domain, its devices, and information about the host.
//!
//! libxl describes its types in `libxl_types.idl`, which grows with each release of Xen. This crate has all structs and
//! enumerations from Xen 4.2 to 4.22, with one table for each. The table generates the Rust type, its JSON, and a
//! [description](describe) as data: the fields, their values, and the first release that has them. The tables are compared with
//! Xen's headers and with the parsers of real libxl versions.
//!
//! # Overview
//! - [`DomainConfig`]: the whole configuration of a domain. It consists of a [`CreateInfo`], a [`BuildInfo`], and lists of devices
//!   such as [`Disk`] and [`Nic`].
//! - The other structs and enumerations of libxl. Structs that libxl fills in, such as [`PhysInfo`], have plain fields. Structs that
//!   a user fills in have optional fields; libxl chooses the value of a field that is not set.
//! - [`LibxlType`]: the trait of all these types. It reads and writes libxl's JSON. Serde uses the same JSON.
//! - [`Invalid`]: the reason why a value is refused, with its place.
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
//! ignores unknown keys and values of a wrong type. This crate instead refuses a value that libxl would ignore or misread, and names
//! the place. Unknown keys may be those of a newer libxl. They are preserved in `other` and written unchanged.
//!
//! # Configuration files of xl
//! [`DomainConfig::from_xl`] reads a configuration file of `xl`, xl.cfg(5), and [`DomainConfig::to_xl`] writes one. Neither needs
//! `xl`. An error in a file has its line and column.
//!
//! # What it does not do
//! It does not call libxl and does not need it. The crate `xenlight` calls libxl.
#![deny(missing_debug_implementations, clippy::exhaustive_enums)]

#[macro_use]
mod table;

mod all;
mod arm;
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
mod machine;
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
mod xl;

pub use all::{ENUMERATIONS, STRUCTS};
pub use arm::*;
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
pub use libxl_type::{LibxlStruct, LibxlType};
pub use mac::{Mac, NoMac};
pub use machine::*;
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
pub use whole::check_name;
pub use xl::{XlError, XlFile, XlHost, XlUnsayable, XlWarning};
