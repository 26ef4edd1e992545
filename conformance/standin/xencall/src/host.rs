//! The simulated host: its processors and NUMA nodes, as `xen_sysctl_physinfo` and `xen_sysctl_cputopoinfo` tell them.
//!
//! libxl asks for them before it reads a domain's configuration, and `xl` before it reads anything.

use osevent_standin_hypervisor::{Hypervisor, PAGE, PAGES};

/// How many processors there are.
pub const CPUS: u32 = 8;
/// How many nodes there are. Each has as many processors as the others, in order.
pub const NODES: u32 = 2;

/// `xen_sysctl_physinfo` from 4.16 on.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysInfo {
    pub(crate) processors: Processors,
    pub(crate) arch_capabilities: u32,
    pub(crate) pad: u32,
    pub(crate) memory: Memory,
}

/// The same up to 4.15.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysInfoTo15 {
    pub(crate) processors: Processors,
    pub(crate) memory: Memory,
}

impl From<PhysInfo> for PhysInfoTo15 {
    fn from(PhysInfo { processors, memory, .. }: PhysInfo) -> Self {
        Self { processors, memory }
    }
}

/// What `xen_sysctl_physinfo` begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors {
    pub(crate) threads_per_core: u32,
    pub(crate) cores_per_socket: u32,
    pub(crate) nr_cpus: u32,
    pub(crate) max_cpu_id: u32,
    pub(crate) nr_nodes: u32,
    pub(crate) max_node_id: u32,
    pub(crate) cpu_khz: u32,
    pub(crate) capabilities: u32,
}

/// What it ends with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) total_pages: u64,
    pub(crate) free_pages: u64,
    pub(crate) scrub_pages: u64,
    pub(crate) outstanding_pages: u64,
    pub(crate) max_mfn: u64,
    pub(crate) hw_cap: [u32; 8],
}

/// `xen_sysctl_meminfo`, in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeMemory {
    pub(crate) size: u64,
    pub(crate) free: u64,
}

/// A node has its part of the memory, and of what is free.
pub(crate) fn memory_of_node(hypervisor: &Hypervisor) -> NodeMemory {
    let part = |pages: u64| pages * PAGE as u64 / u64::from(NODES);
    NodeMemory { size: part(PAGES), free: part(hypervisor.free_pages()) }
}

/// `xen_sysctl_cputopoinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTopologyInfo {
    pub(crate) num_cpus: u32,
    pub(crate) cputopo: *mut CpuTopology,
}

/// `xen_sysctl_cputopo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTopology {
    pub(crate) core: u32,
    pub(crate) socket: u32,
    pub(crate) node: u32,
}

impl PhysInfo {
    pub(crate) fn of(hypervisor: &Hypervisor) -> Self {
        Self {
            processors: Processors {
                threads_per_core: 1,
                cores_per_socket: CPUS / NODES,
                nr_cpus: CPUS,
                max_cpu_id: CPUS - 1,
                nr_nodes: NODES,
                max_node_id: NODES - 1,
                cpu_khz: 2_000_000,
                capabilities: CAPABILITIES,
            },
            arch_capabilities: 0,
            pad: 0,
            memory: Memory {
                total_pages: PAGES,
                free_pages: hypervisor.free_pages(),
                scrub_pages: 0,
                outstanding_pages: 0,
                max_mfn: PAGES - 1,
                hw_cap: [0; 8],
            },
        }
    }
}

/// `XEN_SYSCTL_PHYSCAP_hvm`, `_pv`, `_hap` and, known from 4.17 on, `_gnttab_v1` and `_gnttab_v2`.
const CAPABILITIES: u32 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 8 | 1 << 9;

impl CpuTopology {
    /// A node is a socket.
    pub(crate) fn of(cpu: u32) -> Self {
        let each = CPUS / NODES;
        Self { core: cpu % each, socket: cpu / each, node: cpu / each }
    }
}
