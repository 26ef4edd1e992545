//! The state of a simulated hypervisor: domains, their memory and processor time, in memory that processes can share.
//!
//! The stand-in for libxencall answers hypercalls from it. A program that simulates a machine maps the same file, adds domains,
//! and plays what runs in them: it is told when a domain begins to run, and shuts it down.
//!
//! ```no_run
//! use osevent_standin_hypervisor::{BLOCKED, Hypervisor};
//!
//! let hypervisor = Hypervisor::at("/tmp/example/domains".as_ref())?;
//! hypervisor.set(5, BLOCKED)?;
//! assert_eq!(hypervisor.info(5).map(|domain| domain.vcpus), Some(1));
//! hypervisor.remove(5)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It runs no code of a domain, and has no memory with content.
//!
//! # Threads and forks
//! Every function may be called on any thread, takes no lock and allocates nothing, except those that open it. Forked children
//! share an anonymous one with their parent; processes that name the same file share the one in it.

mod domain;
mod events;
mod record;
mod table;

pub use domain::Info;
pub use record::NewDomain;
pub use table::{Counters, FIRST_RESERVED, Hypervisor, NoDomain};

/// `XEN_DOMINF_dying`.
pub const DYING: u32 = 1 << 0;
/// `XEN_DOMINF_hvm_guest`: the domain is PVH or HVM.
pub const HVM_GUEST: u32 = 1 << 1;
/// `XEN_DOMINF_shutdown`; the reason is in the bits from [`REASON_SHIFT`] on.
pub const SHUTDOWN: u32 = 1 << 2;
/// `XEN_DOMINF_paused`.
pub const PAUSED: u32 = 1 << 3;
/// `XEN_DOMINF_blocked`: no virtual processor has anything to do.
pub const BLOCKED: u32 = 1 << 4;
/// `XEN_DOMINF_hap`: the processor translates the domain's addresses.
pub const HAP: u32 = 1 << 8;
/// Where `SHUTDOWN_*` of Xen's `public/sched.h` is in a domain's flags.
pub const REASON_SHIFT: u32 = 16;

/// The size of a page in bytes.
pub const PAGE: usize = 4096;
/// How many pages the machine has: 16 GiB.
pub const PAGES: u64 = 4 << 20;
