//! `HYPERVISOR_sysctl`: the host, and the list of domains.
//!
//! From 4.14 to 4.22, `xen_sysctl_getdomaininfolist` and the head of the struct did not change.

use std::{ops::RangeInclusive, ptr};

use osevent_standin_hypervisor::{Hypervisor, PAGE};

use super::cpu_policy::{self, Leaf, Msr};
use super::domctl::{DomainInfo, InfoFrom16, InfoTo15};
use super::{GROWN, Head, unknown};
use crate::host::{self, CPUS, CpuTopology, CpuTopologyInfo, NODES, PhysInfo, PhysInfoTo15};

/// # Safety
/// `operation` points to a `xen_sysctl_t`, its buffers to what it says they have.
pub(super) unsafe fn execute(hypervisor: &Hypervisor, operation: *mut Sysctl) -> Result<i64, i32> {
    // SAFETY: the caller's promise; every Xen interface version begins with these two words.
    let head = unsafe { ptr::read(operation.cast::<Head>()) };
    if !VERSIONS.contains(&head.interface_version) {
        return Err(unknown(hypervisor, 0, head.interface_version));
    }
    // SAFETY: the versions that are known have this layout, and nobody else uses it during the hypercall.
    let asked = unsafe { &mut (*operation).asked };
    match head.command {
        GETDOMAININFOLIST => {
            // SAFETY: the command says which member it is.
            let list = unsafe { &mut asked.getdomaininfolist };
            if head.interface_version < GROWN {
                // SAFETY: the caller's promise, for entries of the version that it names.
                unsafe { fill::<InfoTo15>(hypervisor, list) };
            } else {
                // SAFETY: as above.
                unsafe { fill::<InfoFrom16>(hypervisor, list) };
            }
        }
        PHYSINFO => {
            let info = PhysInfo::of(hypervisor);
            if head.interface_version < GROWN {
                asked.physinfo_to_15 = PhysInfoTo15::from(info);
            } else {
                asked.physinfo = info;
            }
        }
        // SAFETY: the command says which member it is; the caller's promise for its buffer.
        CPUTOPOINFO => unsafe { fill_topology(&mut asked.cputopoinfo) },
        // SAFETY: as above.
        NUMAINFO => unsafe { fill_nodes(hypervisor, &mut asked.numainfo) },
        AVAILHEAP => {
            // SAFETY: the command says which member it is.
            let heap = unsafe { &mut asked.availheap };
            let whole = hypervisor.free_pages() * PAGE as u64;
            heap.avail_bytes = if heap.node < 0 { whole } else { whole / u64::from(NODES) };
        }
        SCHED_ID => asked.number = CREDIT2,
        // SAFETY: as above.
        CPUPOOL_OP => unsafe { cpupool(hypervisor, &mut asked.cpupool) }?,
        GET_CPU_LEVELLING_CAPS => asked.number = 0,
        // No feature can be told from none: as many zeros as wanted.
        GET_CPU_FEATURESET => {
            // SAFETY: as above.
            let set = unsafe { &mut asked.featureset };
            if set.features.is_null() {
                set.nr_features = FEATURES;
            } else {
                // SAFETY: the caller's promise for its buffer.
                unsafe { ptr::write_bytes(set.features, 0, set.nr_features as usize) };
            }
        }
        GET_CPU_POLICY => {
            // SAFETY: as above.
            let policy = unsafe { &mut asked.policy };
            if policy.leaves.is_null() {
                (policy.nr_leaves, policy.nr_msrs) = (cpu_policy::LEAVES, cpu_policy::MSRS);
            } else {
                // SAFETY: the caller's promise for its buffers.
                unsafe { cpu_policy::fill(policy.leaves, policy.nr_leaves, policy.msrs, policy.nr_msrs) };
            }
        }
        _ => return Err(libc::ENOSYS),
    }
    Ok(0)
}

/// # Safety
/// The buffer, unless it is NULL, has `num_cpus` entries.
unsafe fn fill_topology(info: &mut CpuTopologyInfo) {
    // Without a buffer, the number is what is asked for.
    if !info.cputopo.is_null() {
        for cpu in 0..CPUS.min(info.num_cpus) {
            // SAFETY: within the entries that the caller promised.
            unsafe { info.cputopo.add(cpu as usize).write(CpuTopology::of(cpu)) };
        }
    }
    info.num_cpus = CPUS;
}

/// # Safety
/// The buffers, unless they are NULL, have `num_nodes` entries and their square.
unsafe fn fill_nodes(hypervisor: &Hypervisor, info: &mut NumaInfo) {
    let count = NODES.min(info.num_nodes) as usize;
    if !info.meminfo.is_null() {
        for node in 0..count {
            // SAFETY: within the entries that the caller promised.
            unsafe { info.meminfo.add(node).write(host::memory_of_node(hypervisor)) };
        }
    }
    if !info.distance.is_null() {
        for index in 0..count * count {
            let distance = if index / count == index % count { 10 } else { 20 };
            // SAFETY: as above.
            unsafe { info.distance.add(index).write(distance) };
        }
    }
    info.num_nodes = NODES;
}

/// There is one pool, which has all processors and domains.
///
/// # Safety
/// The bitmap has room for as many bits as it says.
unsafe fn cpupool(hypervisor: &Hypervisor, pool: &mut CpuPool) -> Result<(), i32> {
    match pool.op {
        // The pool with that number, or the next one.
        POOL_INFO if pool.cpupool_id == 0 => {
            pool.sched_id = CREDIT2;
            pool.n_dom = hypervisor.from(0).count() as u32;
            // SAFETY: the caller's promise.
            unsafe { pool.cpumap.set((1 << CPUS) - 1) };
            Ok(())
        }
        POOL_INFO => Err(libc::ENOENT),
        // All processors are in the pool.
        POOL_FREEINFO => {
            // SAFETY: the caller's promise.
            unsafe { pool.cpumap.set(0) };
            Ok(())
        }
        POOL_MOVEDOMAIN if pool.cpupool_id == 0 => hypervisor.flags(pool.domid).map(|_| ()).ok_or(libc::ESRCH),
        POOL_MOVEDOMAIN => Err(libc::ENOENT),
        _ => Err(libc::ENOSYS),
    }
}

/// # Safety
/// The list's buffer has `max_domains` entries of type `T`.
unsafe fn fill<T: From<DomainInfo>>(hypervisor: &Hypervisor, list: &mut GetDomainInfoList) {
    let buffer = list.buffer.cast::<T>();
    list.num_domains = 0;
    let domains = hypervisor.from(list.first_domain.into());
    for info in domains.filter_map(|(domid, _)| hypervisor.info(domid)).take(list.max_domains as usize) {
        // SAFETY: fewer than max_domains entries were written so far.
        unsafe { buffer.add(list.num_domains as usize).write(DomainInfo::from(info).into()) };
        list.num_domains += 1;
    }
}

/// `xen_sysctl`, with the members of its union that are used.
#[repr(C)]
pub(super) struct Sysctl {
    pub(super) head: Head,
    pub(super) asked: Asked,
}

/// Which of them is there, the command says.
#[repr(C)]
pub(super) union Asked {
    pub(super) getdomaininfolist: GetDomainInfoList,
    pub(super) physinfo: PhysInfo,
    physinfo_to_15: PhysInfoTo15,
    pub(super) cputopoinfo: CpuTopologyInfo,
    numainfo: NumaInfo,
    availheap: AvailHeap,
    /// `xen_sysctl_sched_id`, `xen_sysctl_cpu_levelling_caps`
    number: u32,
    cpupool: CpuPool,
    featureset: FeatureSet,
    policy: CpuPolicy,
}

/// `xen_sysctl_getdomaininfolist`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct GetDomainInfoList {
    pub(super) first_domain: u16,
    pub(super) max_domains: u32,
    /// Entries of [`InfoTo15`] or [`InfoFrom16`].
    pub(super) buffer: *mut u8,
    pub(super) num_domains: u32,
}

/// `xen_sysctl_numainfo`.
#[repr(C)]
#[derive(Clone, Copy)]
struct NumaInfo {
    num_nodes: u32,
    meminfo: *mut host::NodeMemory,
    distance: *mut u32,
}

/// `xen_sysctl_availheap`.
#[repr(C)]
#[derive(Clone, Copy)]
struct AvailHeap {
    min_bitwidth: u32,
    max_bitwidth: u32,
    node: i32,
    avail_bytes: u64,
}

/// `xen_sysctl_cpupool_op`.
#[repr(C)]
#[derive(Clone, Copy)]
struct CpuPool {
    op: u32,
    cpupool_id: u32,
    sched_id: u32,
    domid: u32,
    cpu: u32,
    n_dom: u32,
    cpumap: Bitmap,
}

/// `xen_sysctl_cpu_featureset`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FeatureSet {
    index: u32,
    nr_features: u32,
    features: *mut u32,
}

/// `xen_sysctl_cpu_policy`.
#[repr(C)]
#[derive(Clone, Copy)]
struct CpuPolicy {
    index: u32,
    nr_leaves: u32,
    nr_msrs: u32,
    reserved: u32,
    leaves: *mut Leaf,
    msrs: *mut Msr,
}

/// `xenctl_bitmap`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Bitmap {
    bitmap: *mut u8,
    nr_bits: u32,
}

impl Bitmap {
    /// Sets as many of these bits as there is room for, and clears all others.
    ///
    /// # Safety
    /// The bitmap has room for `nr_bits` bits, or is NULL.
    pub(super) unsafe fn set(&self, bits: u64) {
        if self.bitmap.is_null() {
            return;
        }
        for (index, byte) in
            (0..self.nr_bits.div_ceil(8) as usize).zip(bits.to_le_bytes().into_iter().chain([0].into_iter().cycle()))
        {
            // SAFETY: within the bits that the caller promised.
            unsafe { self.bitmap.add(index).write(byte) };
        }
    }
}

/// `XEN_SCHEDULER_CREDIT2`.
pub(super) const CREDIT2: u32 = 6;
/// How many words of features there are.
const FEATURES: u32 = 22;

pub(super) const VERSIONS: RangeInclusive<u32> = 0x13..=0x16;
pub(super) const PHYSINFO: u32 = 3;
const SCHED_ID: u32 = 4;
pub(super) const GETDOMAININFOLIST: u32 = 6;
const AVAILHEAP: u32 = 9;
pub(super) const CPUTOPOINFO: u32 = 16;
const NUMAINFO: u32 = 17;
const CPUPOOL_OP: u32 = 18;
const GET_CPU_LEVELLING_CAPS: u32 = 25;
const GET_CPU_FEATURESET: u32 = 26;
const GET_CPU_POLICY: u32 = 29;

const POOL_INFO: u32 = 3;
const POOL_MOVEDOMAIN: u32 = 6;
const POOL_FREEINFO: u32 = 7;

/// What the structs and numbers above are in Xen's headers.
#[cfg(test)]
pub(super) fn layout() -> Vec<(&'static str, usize)> {
    use std::mem::{offset_of, size_of};

    use crate::host::Processors;

    let at = offset_of!(Sysctl, asked);
    vec![
        ("offsetof(xen_sysctl_t, u.getdomaininfolist.first_domain)", at + offset_of!(GetDomainInfoList, first_domain)),
        ("offsetof(xen_sysctl_t, u.getdomaininfolist.max_domains)", at + offset_of!(GetDomainInfoList, max_domains)),
        ("offsetof(xen_sysctl_t, u.getdomaininfolist.buffer)", at + offset_of!(GetDomainInfoList, buffer)),
        ("offsetof(xen_sysctl_t, u.getdomaininfolist.num_domains)", at + offset_of!(GetDomainInfoList, num_domains)),
        ("offsetof(xen_sysctl_t, u.physinfo.max_node_id)", at + offset_of!(Processors, max_node_id)),
        ("offsetof(xen_sysctl_t, u.physinfo.capabilities)", at + offset_of!(Processors, capabilities)),
        ("offsetof(xen_sysctl_t, u.cputopoinfo.num_cpus)", at + offset_of!(CpuTopologyInfo, num_cpus)),
        ("offsetof(xen_sysctl_t, u.cputopoinfo.cputopo)", at + offset_of!(CpuTopologyInfo, cputopo)),
        ("sizeof(xen_sysctl_cputopo_t)", size_of::<CpuTopology>()),
        ("sizeof(xen_sysctl_meminfo_t)", size_of::<host::NodeMemory>()),
        ("offsetof(xen_sysctl_t, u.numainfo.num_nodes)", at + offset_of!(NumaInfo, num_nodes)),
        ("offsetof(xen_sysctl_t, u.numainfo.meminfo)", at + offset_of!(NumaInfo, meminfo)),
        ("offsetof(xen_sysctl_t, u.numainfo.distance)", at + offset_of!(NumaInfo, distance)),
        ("offsetof(xen_sysctl_t, u.availheap.node)", at + offset_of!(AvailHeap, node)),
        ("offsetof(xen_sysctl_t, u.availheap.avail_bytes)", at + offset_of!(AvailHeap, avail_bytes)),
        ("offsetof(xen_sysctl_t, u.cpupool_op.op)", at + offset_of!(CpuPool, op)),
        ("offsetof(xen_sysctl_t, u.cpupool_op.cpupool_id)", at + offset_of!(CpuPool, cpupool_id)),
        ("offsetof(xen_sysctl_t, u.cpupool_op.sched_id)", at + offset_of!(CpuPool, sched_id)),
        ("offsetof(xen_sysctl_t, u.cpupool_op.domid)", at + offset_of!(CpuPool, domid)),
        ("offsetof(xen_sysctl_t, u.cpupool_op.n_dom)", at + offset_of!(CpuPool, n_dom)),
        ("offsetof(xen_sysctl_t, u.cpupool_op.cpumap)", at + offset_of!(CpuPool, cpumap)),
        ("offsetof(xen_sysctl_t, u.cpu_featureset.nr_features)", at + offset_of!(FeatureSet, nr_features)),
        ("offsetof(xen_sysctl_t, u.cpu_featureset.features)", at + offset_of!(FeatureSet, features)),
        ("offsetof(xen_sysctl_t, u.cpu_policy.nr_leaves)", at + offset_of!(CpuPolicy, nr_leaves)),
        ("offsetof(xen_sysctl_t, u.cpu_policy.nr_msrs)", at + offset_of!(CpuPolicy, nr_msrs)),
        ("offsetof(xen_sysctl_t, u.cpu_policy.leaves)", at + offset_of!(CpuPolicy, leaves)),
        ("offsetof(xen_sysctl_t, u.cpu_policy.msrs)", at + offset_of!(CpuPolicy, msrs)),
        ("offsetof(struct xenctl_bitmap, nr_bits)", offset_of!(Bitmap, nr_bits)),
        (
            "offsetof(xen_sysctl_t, u.physinfo.total_pages) - (XEN_SYSCTL_INTERFACE_VERSION < 0x14 ? 0 : 8)",
            at + offset_of!(PhysInfoTo15, memory),
        ),
        ("XEN_SCHEDULER_CREDIT2", CREDIT2 as usize),
        ("XEN_SYSCTL_physinfo", PHYSINFO as usize),
        ("XEN_SYSCTL_sched_id", SCHED_ID as usize),
        ("XEN_SYSCTL_getdomaininfolist", GETDOMAININFOLIST as usize),
        ("XEN_SYSCTL_availheap", AVAILHEAP as usize),
        ("XEN_SYSCTL_cputopoinfo", CPUTOPOINFO as usize),
        ("XEN_SYSCTL_numainfo", NUMAINFO as usize),
        ("XEN_SYSCTL_cpupool_op", CPUPOOL_OP as usize),
        ("XEN_SYSCTL_get_cpu_levelling_caps", GET_CPU_LEVELLING_CAPS as usize),
        ("XEN_SYSCTL_get_cpu_featureset", GET_CPU_FEATURESET as usize),
        ("XEN_SYSCTL_get_cpu_policy", GET_CPU_POLICY as usize),
        ("XEN_SYSCTL_CPUPOOL_OP_INFO", POOL_INFO as usize),
        ("XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN", POOL_MOVEDOMAIN as usize),
        ("XEN_SYSCTL_CPUPOOL_OP_FREEINFO", POOL_FREEINFO as usize),
    ]
}
