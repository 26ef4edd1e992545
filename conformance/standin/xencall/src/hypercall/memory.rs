//! `HYPERVISOR_memory_op`: a domain has numbers of pages, and none with content.

use osevent_standin_hypervisor::{Hypervisor, PAGES};

use super::no_domain;

/// # Safety
/// `argument` points to the struct of the operation.
pub(super) unsafe fn execute(hypervisor: &Hypervisor, operation: u64, argument: *mut u8) -> Result<i64, i32> {
    match operation {
        INCREASE_RESERVATION | POPULATE_PHYSMAP => {
            // SAFETY: the caller's promise; all three operations have this struct.
            let asked = unsafe { argument.cast::<Reservation>().read() };
            // Where the pages are, a domain's numbers tell: the caller's array stays as it is.
            let size = asked.size()?;
            let given = hypervisor.add_pages(asked.domid.into(), asked.nr_extents * size).map_err(no_domain)?;
            // Whole extents alone; the rest is given back.
            hypervisor.remove_pages(asked.domid.into(), given % size).map_err(no_domain)?;
            Ok((given / size) as i64)
        }
        DECREASE_RESERVATION => {
            // SAFETY: as above.
            let asked = unsafe { argument.cast::<Reservation>().read() };
            let size = asked.size()?;
            let taken = hypervisor.remove_pages(asked.domid.into(), asked.nr_extents * size).map_err(no_domain)?;
            Ok((taken / size) as i64)
        }
        CLAIM_PAGES => {
            // SAFETY: as above.
            let asked = unsafe { argument.cast::<Reservation>().read() };
            let info = hypervisor.info(asked.domid.into()).ok_or(libc::ESRCH)?;
            let more = asked.nr_extents.saturating_sub(info.pages);
            if more > hypervisor.free_pages() { Err(libc::ENOMEM) } else { Ok(0) }
        }
        // Domains share none.
        GET_SHARING_FREED_PAGES | GET_SHARING_SHARED_PAGES => Ok(0),
        MAXIMUM_RAM_PAGE => Ok(PAGES as i64),
        CURRENT_RESERVATION | MAXIMUM_RESERVATION | MAXIMUM_GPFN => {
            // SAFETY: the caller's promise; these three have a domain's id alone.
            let domid = unsafe { argument.cast::<u16>().read() };
            let info = hypervisor.info(domid.into()).ok_or(libc::ESRCH)?;
            Ok(match operation {
                CURRENT_RESERVATION => info.pages,
                MAXIMUM_RESERVATION => info.max_pages,
                _ => info.pages.max(1) - 1,
            } as i64)
        }
        // What is told here about a domain's memory makes no difference to it.
        ADD_TO_PHYSMAP | REMOVE_FROM_PHYSMAP | SET_MEMORY_MAP | SET_POD_TARGET => Ok(0),
        // Domains have none; nothing but this lets libxl save one.
        GET_VNUMAINFO => Err(libc::EOPNOTSUPP),
        _ => Err(libc::ENOSYS),
    }
}

/// `xen_memory_reservation`.
#[repr(C)]
pub(super) struct Reservation {
    extent_start: *mut u64,
    nr_extents: u64,
    extent_order: u32,
    mem_flags: u32,
    domid: u16,
}

impl Reservation {
    #[cfg(test)]
    pub(super) fn of(domid: u16, nr_extents: u64, extent_order: u32) -> Self {
        Self { extent_start: std::ptr::null_mut(), nr_extents, extent_order, mem_flags: 0, domid }
    }

    /// The pages of an extent. Xen has 1 GiB at most.
    fn size(&self) -> Result<u64, i32> {
        const MOST: u32 = 18;
        if self.extent_order > MOST { Err(libc::EPERM) } else { Ok(1 << self.extent_order) }
    }
}

const INCREASE_RESERVATION: u64 = 0;
const DECREASE_RESERVATION: u64 = 1;
const MAXIMUM_RAM_PAGE: u64 = 2;
const CURRENT_RESERVATION: u64 = 3;
const MAXIMUM_RESERVATION: u64 = 4;
const POPULATE_PHYSMAP: u64 = 6;
const ADD_TO_PHYSMAP: u64 = 7;
const SET_MEMORY_MAP: u64 = 13;
const MAXIMUM_GPFN: u64 = 14;
const REMOVE_FROM_PHYSMAP: u64 = 15;
const SET_POD_TARGET: u64 = 16;
const GET_SHARING_FREED_PAGES: u64 = 18;
const GET_SHARING_SHARED_PAGES: u64 = 19;
const CLAIM_PAGES: u64 = 24;
const GET_VNUMAINFO: u64 = 26;

/// What the structs and numbers above are in Xen's headers.
#[cfg(test)]
pub(super) fn layout() -> Vec<(&'static str, usize)> {
    use std::mem::offset_of;

    vec![
        ("offsetof(xen_memory_reservation_t, nr_extents)", offset_of!(Reservation, nr_extents)),
        ("offsetof(xen_memory_reservation_t, extent_order)", offset_of!(Reservation, extent_order)),
        ("offsetof(xen_memory_reservation_t, domid)", offset_of!(Reservation, domid)),
        ("XENMEM_increase_reservation", INCREASE_RESERVATION as usize),
        ("XENMEM_decrease_reservation", DECREASE_RESERVATION as usize),
        ("XENMEM_maximum_ram_page", MAXIMUM_RAM_PAGE as usize),
        ("XENMEM_current_reservation", CURRENT_RESERVATION as usize),
        ("XENMEM_maximum_reservation", MAXIMUM_RESERVATION as usize),
        ("XENMEM_populate_physmap", POPULATE_PHYSMAP as usize),
        ("XENMEM_add_to_physmap", ADD_TO_PHYSMAP as usize),
        ("XENMEM_set_memory_map", SET_MEMORY_MAP as usize),
        ("XENMEM_maximum_gpfn", MAXIMUM_GPFN as usize),
        ("XENMEM_remove_from_physmap", REMOVE_FROM_PHYSMAP as usize),
        ("XENMEM_set_pod_target", SET_POD_TARGET as usize),
        ("XENMEM_get_sharing_freed_pages", GET_SHARING_FREED_PAGES as usize),
        ("XENMEM_get_sharing_shared_pages", GET_SHARING_SHARED_PAGES as usize),
        ("XENMEM_claim_pages", CLAIM_PAGES as usize),
        ("XENMEM_get_vnumainfo", GET_VNUMAINFO as usize),
    ]
}
