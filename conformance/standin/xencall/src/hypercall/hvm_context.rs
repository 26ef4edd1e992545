//! The state of a PVH domain's devices as `XEN_DOMCTL_gethvmcontext` tells it, as far as the building of a domain reads it: a header
//! and the memory types of the first processor, all zeros.

/// The records, each with its type, the processor and its length, of `public/hvm/save.h`.
pub(super) const CONTEXT: [u8; 8 * 3 + HEADER_SIZE + MTRR_SIZE] = {
    let mut bytes = [0; _];
    bytes[0] = HEADER;
    bytes[4] = HEADER_SIZE as u8;
    let mtrr = 8 + HEADER_SIZE;
    bytes[mtrr] = MTRR;
    bytes[mtrr + 4] = MTRR_SIZE as u8;
    bytes[mtrr + 5] = (MTRR_SIZE >> 8) as u8;
    bytes
};

const HEADER: u8 = 1;
const MTRR: u8 = 14;
const HEADER_SIZE: usize = 24;
/// `hvm_hw_mtrr`: MTRR_VCNT is 8.
const MTRR_SIZE: usize = 8 * (1 + 16 + 11 + 1 + 1);
