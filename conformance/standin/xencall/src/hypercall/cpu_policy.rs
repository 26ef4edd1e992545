//! What a processor can do, as CPUID and MSRs say: nothing. libxenguest reads it, changes it and gives it back.

/// `xen_cpuid_leaf_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    leaf: u32,
    subleaf: u32,
    registers: [u32; 4],
}

/// `xen_msr_entry_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Msr {
    index: u32,
    flags: u32,
    value: u64,
}

/// Room for all leaves and MSRs that any release has.
pub(super) const LEAVES: u32 = 64;
pub(super) const MSRS: u32 = 2;

/// XEN_CPUID_NO_SUBLEAF
const NO_SUBLEAF: u32 = u32::MAX;
/// MSR_INTEL_PLATFORM_INFO, which all releases know.
const PLATFORM_INFO: u32 = 0xce;

/// Fills both buffers, as libxenguest takes the number of entries for the room that it has when it writes into them.
///
/// # Safety
/// The buffers have as many entries as said.
pub(super) unsafe fn fill(leaves: *mut Leaf, nr_leaves: u32, msrs: *mut Msr, nr_msrs: u32) {
    for index in 0..nr_leaves as usize {
        // SAFETY: within the entries that the caller promised.
        unsafe { leaves.add(index).write(Leaf { leaf: 0, subleaf: NO_SUBLEAF, registers: [0; 4] }) };
    }
    for index in 0..nr_msrs as usize {
        // SAFETY: as above.
        unsafe { msrs.add(index).write(Msr { index: PLATFORM_INFO, flags: 0, value: 0 }) };
    }
}

/// What the structs and numbers above are in Xen's headers.
#[cfg(test)]
pub(super) fn layout() -> Vec<(&'static str, usize)> {
    use std::mem::{offset_of, size_of};

    vec![
        ("sizeof(xen_cpuid_leaf_t)", size_of::<Leaf>()),
        ("sizeof(xen_msr_entry_t)", size_of::<Msr>()),
        ("XEN_CPUID_NO_SUBLEAF", NO_SUBLEAF as usize),
        ("offsetof(xen_msr_entry_t, flags)", offset_of!(Msr, flags)),
        ("offsetof(xen_msr_entry_t, val)", offset_of!(Msr, value)),
    ]
}
