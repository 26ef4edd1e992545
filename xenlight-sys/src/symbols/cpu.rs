//! Virtual and physical CPUs: scheduling, affinity, pools and topology.

use super::table::symbol_table;
use crate::Ctx;
#[cfg(doc)]
use crate::Library;
use crate::by_release::{VcpuAffinity, VcpuOnline};
use crate::domain::{
    Bitmap, Cpupoolinfo, Cputopology, DomainSchedParams, Numainfo, Pcitopology, SchedCredit2Params, SchedCreditParams,
    Uuid, VcpuSchedParams, Vcpuinfo,
};
use core::ffi::{c_char, c_int, c_uint};

symbol_table! {
    /// # CPUs, NUMA nodes, scheduling
    ///
    /// A set that a function fills in has to be large enough before the call: see [`Library::cpu_bitmap_alloc`].
    Table in cpu;
    always {
        /// Returns the state of a domain's virtual CPUs, as an array for [`Library::vcpuinfo_list_free`]; NULL on failure. `cpus`
        /// is the number of CPUs that the hypervisor supports.
        fn list_vcpu(ctx: *mut Ctx, domid: u32, count: *mut c_int, cpus: *mut c_int) -> *mut Vcpuinfo;
        /// Frees the array of [`Library::list_vcpu`].
        fn vcpuinfo_list_free(list: *mut Vcpuinfo, count: c_int);

        /// Returns the hypervisor's first scheduler, a `libxl_scheduler`; negative on failure.
        fn get_scheduler(ctx: *mut Ctx) -> c_int;
        /// Fills in the scheduling of a domain. It calls `_init` itself.
        fn domain_sched_params_get(ctx: *mut Ctx, domid: u32, params: *mut DomainSchedParams) -> c_int;
        /// Sets the scheduling of a domain. Values that `_init` set are not changed.
        fn domain_sched_params_set(ctx: *mut Ctx, domid: u32, params: *const DomainSchedParams) -> c_int;
        /// Fills in the settings of the credit scheduler of a pool.
        fn sched_credit_params_get(ctx: *mut Ctx, pool: u32, params: *mut SchedCreditParams) -> c_int;
        /// Changes the settings of the credit scheduler of a pool. It writes those that are in force to `params`.
        fn sched_credit_params_set(ctx: *mut Ctx, pool: u32, params: *mut SchedCreditParams) -> c_int;

        /// Returns the pools, as an array for [`Library::cpupoolinfo_list_free`]; NULL on failure.
        fn list_cpupool(ctx: *mut Ctx, count: *mut c_int) -> *mut Cpupoolinfo;
        /// Frees the array of [`Library::list_cpupool`].
        fn cpupoolinfo_list_free(list: *mut Cpupoolinfo, count: c_int);
        /// Fills in the state of a pool.
        fn cpupool_info(ctx: *mut Ctx, info: *mut Cpupoolinfo, pool: u32) -> c_int;
        /// Creates a pool with this `libxl_scheduler` and free CPUs. `pool` is the number that is asked for, 0 for any, and becomes
        /// the number that it has.
        fn cpupool_create(
            ctx: *mut Ctx, name: *const c_char, scheduler: c_uint, cpus: Bitmap, uuid: *mut Uuid, pool: *mut u32,
        ) -> c_int;
        /// Destroys a pool, which must not have any domain. Its CPUs become free.
        fn cpupool_destroy(ctx: *mut Ctx, pool: u32) -> c_int;
        /// Gives a pool another name.
        fn cpupool_rename(ctx: *mut Ctx, name: *const c_char, pool: u32) -> c_int;
        /// Adds a free CPU to a pool.
        fn cpupool_cpuadd(ctx: *mut Ctx, pool: u32, cpu: c_int) -> c_int;
        /// Adds the free CPUs of a NUMA node to a pool, and writes how many.
        fn cpupool_cpuadd_node(ctx: *mut Ctx, pool: u32, node: c_int, cpus: *mut c_int) -> c_int;
        /// Removes a CPU from a pool. It becomes free.
        fn cpupool_cpuremove(ctx: *mut Ctx, pool: u32, cpu: c_int) -> c_int;
        /// Removes the CPUs of a NUMA node from a pool, and writes how many.
        fn cpupool_cpuremove_node(ctx: *mut Ctx, pool: u32, node: c_int, cpus: *mut c_int) -> c_int;
        /// Moves a domain to a pool.
        fn cpupool_movedomain(ctx: *mut Ctx, pool: u32, domid: u32) -> c_int;
        /// Returns the name of a pool, to be freed with free(3); NULL if it has none.
        fn cpupoolid_to_name(ctx: *mut Ctx, pool: u32) -> *mut c_char;
        /// Finds the pool with this name.
        fn name_to_cpupoolid(ctx: *mut Ctx, name: *const c_char, pool: *mut u32) -> c_int;
        /// Writes the CPUs that are in no pool. It allocates the set, which must be empty.
        fn get_freecpus(ctx: *mut Ctx, cpus: *mut Bitmap) -> c_int;

        /// Returns the number of CPUs that the hypervisor supports; negative on failure.
        fn get_max_cpus(ctx: *mut Ctx) -> c_int;
        /// Returns the number of NUMA nodes that the hypervisor supports; negative on failure.
        fn get_max_nodes(ctx: *mut Ctx) -> c_int;
        /// Returns the core, socket and NUMA node of each CPU, as an array for [`Library::cputopology_list_free`]; NULL on failure.
        fn get_cpu_topology(ctx: *mut Ctx, count: *mut c_int) -> *mut Cputopology;
        /// Frees the array of [`Library::get_cpu_topology`].
        fn cputopology_list_free(list: *mut Cputopology, count: c_int);
        /// Returns the memory and the distances of each NUMA node, as an array for [`Library::numainfo_list_free`]; NULL on failure.
        fn get_numainfo(ctx: *mut Ctx, count: *mut c_int) -> *mut Numainfo;
        /// Frees the array of [`Library::get_numainfo`].
        fn numainfo_list_free(list: *mut Numainfo, count: c_int);
        /// Writes the CPUs of these NUMA nodes.
        fn nodemap_to_cpumap(ctx: *mut Ctx, nodes: *const Bitmap, cpus: *mut Bitmap) -> c_int;
        /// Writes the NUMA nodes of these CPUs.
        fn cpumap_to_nodemap(ctx: *mut Ctx, cpus: *const Bitmap, nodes: *mut Bitmap) -> c_int;

        /// Makes an empty set in raw memory.
        fn bitmap_init(bitmap: *mut Bitmap);
        /// Allocates a set for so many elements, without any in it. It must be empty before.
        fn bitmap_alloc(ctx: *mut Ctx, bitmap: *mut Bitmap, count: c_int) -> c_int;
        /// Frees the memory that a set points to.
        fn bitmap_dispose(bitmap: *mut Bitmap);
    }
    later {
        /// Sets the NUMA nodes from which a domain gets its memory.
        (4, 3) fn domain_set_nodeaffinity(ctx: *mut Ctx, domid: u32, nodes: *mut Bitmap) -> c_int;
        /// Writes the NUMA nodes from which a domain gets its memory.
        (4, 3) fn domain_get_nodeaffinity(ctx: *mut Ctx, domid: u32, nodes: *mut Bitmap) -> c_int;
        /// 1 if there is a pool with this number and it has a name; otherwise 0.
        (4, 3) fn cpupoolid_is_valid(ctx: *mut Ctx, pool: u32) -> c_int;
        /// Returns the number of CPUs that are online; negative on failure.
        (4, 4) fn get_online_cpus(ctx: *mut Ctx) -> c_int;
        /// Writes the CPUs of a NUMA node.
        (4, 4) fn node_to_cpumap(ctx: *mut Ctx, node: c_int, cpus: *mut Bitmap) -> c_int;
        /// The same as [`Library::bitmap_alloc`] for so many CPUs; 0 for as many as the hypervisor supports.
        (4, 4) fn cpu_bitmap_alloc(ctx: *mut Ctx, cpus: *mut Bitmap, count: c_int) -> c_int;
        /// The same as [`Library::bitmap_alloc`] for so many NUMA nodes; 0 for as many as the hypervisor supports.
        (4, 4) fn node_bitmap_alloc(ctx: *mut Ctx, nodes: *mut Bitmap, count: c_int) -> c_int;
        /// Reads a number, which need not be that of a pool, or else finds the pool with this name. `was_name`, unless it is NULL,
        /// becomes 1 for a name.
        (4, 5) fn cpupool_qualifier_to_cpupoolid(
            ctx: *mut Ctx, text: *const c_char, pool: *mut u32, was_name: *mut c_int,
        ) -> c_int;
        /// Adds free CPUs to a pool.
        (4, 6) fn cpupool_cpuadd_cpumap(ctx: *mut Ctx, pool: u32, cpus: *const Bitmap) -> c_int;
        /// Removes CPUs from a pool.
        (4, 6) fn cpupool_cpuremove_cpumap(ctx: *mut Ctx, pool: u32, cpus: *const Bitmap) -> c_int;
        /// Returns the NUMA node of each PCI device, as an array for [`Library::pcitopology_list_free`]; NULL on failure.
        (4, 6) fn get_pci_topology(ctx: *mut Ctx, count: *mut c_int) -> *mut Pcitopology;
        /// Frees the array of [`Library::get_pci_topology`].
        (4, 6) fn pcitopology_list_free(list: *mut Pcitopology, count: c_int);
        /// The same as [`Library::bitmap_alloc`] for so many sockets; 0 for as many as the host has.
        (4, 6) fn socket_bitmap_alloc(ctx: *mut Ctx, sockets: *mut Bitmap, count: c_int) -> c_int;
        /// Writes the sockets that have CPUs.
        (4, 6) fn get_online_socketmap(ctx: *mut Ctx, sockets: *mut Bitmap) -> c_int;
        /// Sets the affinity of a virtual CPU even if the domain has overridden it for the time being.
        (4, 7) fn set_vcpuaffinity_force(
            ctx: *mut Ctx, domid: u32, vcpu: u32, hard: *const Bitmap, soft: *const Bitmap,
        ) -> c_int;
        /// Fills in the scheduling of those virtual CPUs of a domain that `params` lists. For the scheduler RTDS.
        (4, 7) fn vcpu_sched_params_get(ctx: *mut Ctx, domid: u32, params: *mut VcpuSchedParams) -> c_int;
        /// Fills in the scheduling of all virtual CPUs of a domain. For the scheduler RTDS.
        (4, 7) fn vcpu_sched_params_get_all(ctx: *mut Ctx, domid: u32, params: *mut VcpuSchedParams) -> c_int;
        /// Sets the scheduling of those virtual CPUs of a domain that `params` lists. For the scheduler RTDS.
        (4, 7) fn vcpu_sched_params_set(ctx: *mut Ctx, domid: u32, params: *const VcpuSchedParams) -> c_int;
        /// Sets the scheduling of all virtual CPUs of a domain to the one that `params` lists. For the scheduler RTDS.
        (4, 7) fn vcpu_sched_params_set_all(ctx: *mut Ctx, domid: u32, params: *const VcpuSchedParams) -> c_int;
        /// Fills in the settings of the credit2 scheduler of a pool.
        (4, 8) fn sched_credit2_params_get(ctx: *mut Ctx, pool: u32, params: *mut SchedCredit2Params) -> c_int;
        /// Changes the settings of the credit2 scheduler of a pool. It writes those that are in force to `params`.
        (4, 8) fn sched_credit2_params_set(ctx: *mut Ctx, pool: u32, params: *mut SchedCredit2Params) -> c_int;
    }
    changed {
        /// Sets the CPUs on which a virtual CPU of a domain may run.
        set_vcpuaffinity: VcpuAffinity;
        /// The same for the first virtual CPUs of a domain, with their number instead of `vcpu`.
        set_vcpuaffinity_all: VcpuAffinity;
        /// Sets which virtual CPUs of a domain are online.
        set_vcpuonline: VcpuOnline;
    }
}
