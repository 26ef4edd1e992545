//! The memory of domains and of the host.

use super::table::symbol_table;
use crate::Ctx;
use crate::by_release::{FreeMemory, MemoryTarget, NeedMemory, SetMaximumMemory, SetMemoryTarget, WaitForFreeMemory};
use core::ffi::{c_int, c_uint, c_ulong};

symbol_table! {
    /// # Memory
    ///
    /// Some releases return 1 instead of a code when they fail. `libxl.h` warns that this part of the interface is not coherent.
    Table in memory;
    always {
        /// Waits until the domain has reached its target. `ERROR_FAIL` after `seconds` without progress (4.5 and earlier: in any
        /// case). It sleeps on the calling thread, without the ctx lock.
        fn wait_for_memory_target(ctx: *mut Ctx, domid: u32, seconds: c_int) -> c_int;
        /// Returns the shadow memory in KiB for a domain with so much memory, in KiB, and so many virtual CPUs.
        fn get_required_shadow_memory(kib: c_ulong, vcpus: c_uint) -> c_ulong;
    }
    later {
    }
    changed {
        /// The hypervisor's free memory.
        get_free_memory: FreeMemory;
        /// Waits until the hypervisor has so much free memory.
        wait_for_free_memory: WaitForFreeMemory;
        /// The free memory that is needed to build a domain.
        domain_need_memory: NeedMemory;
        /// Sets the most memory that a domain may ever have.
        domain_setmaxmem: SetMaximumMemory;
        /// Sets the memory that a domain should have.
        set_memory_target: SetMemoryTarget;
        /// The memory that a domain should have.
        get_memory_target: MemoryTarget;
    }
}
