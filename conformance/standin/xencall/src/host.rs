//! The simulated host: its processors and NUMA nodes, as `xen_sysctl_physinfo` and `xen_sysctl_cputopoinfo` tell them.
//!
//! libxl asks for them before it reads a domain's configuration, and `xl` before it reads anything.

/// How many processors there are.
pub const CPUS: u32 = 8;
/// How many nodes there are. Each has as many processors as the others, in order.
pub const NODES: u32 = 2;

/// `xen_sysctl_physinfo` as far as it is the same in all releases; the rest is left as it is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysInfo {
    pub(crate) threads_per_core: u32,
    pub(crate) cores_per_socket: u32,
    pub(crate) nr_cpus: u32,
    pub(crate) max_cpu_id: u32,
    pub(crate) nr_nodes: u32,
    pub(crate) max_node_id: u32,
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
    pub(crate) const HERE: Self = Self {
        threads_per_core: 1,
        cores_per_socket: CPUS / NODES,
        nr_cpus: CPUS,
        max_cpu_id: CPUS - 1,
        nr_nodes: NODES,
        max_node_id: NODES - 1,
    };
}

impl CpuTopology {
    /// A node is a socket.
    pub(crate) fn of(cpu: u32) -> Self {
        let each = CPUS / NODES;
        Self { core: cpu % each, socket: cpu / each, node: cpu / each }
    }
}
