//! The C interface of libxenforeignmemory.so.1, whose real `open` wants `/dev/xen/privcmd`.
//!
//! The memory of pretend domains has no content: what is mapped is fresh memory, all zeros, and what is written there is forgotten
//! when it is unmapped. That is enough to build a domain, which is never read again.
//!
//! All of the library is here: a handle of ours in a function of the real one would be read as what it is not.
//! The symbols have no version, which satisfies a reference to any.
#![expect(clippy::missing_safety_doc, reason = "xenforeignmemory.h documents what callers promise")]

use std::{
    ffi::{c_int, c_uint, c_ulong, c_void},
    ptr,
};

use osevent_standin_hypervisor::PAGE;

use crate::{errno::set_errno, state::hypervisor};

/// An open handle; nothing is behind it.
#[derive(Debug)]
pub struct Handle;

/// A resource that is mapped.
#[derive(Debug)]
pub struct Resource {
    memory: *mut c_void,
    pages: usize,
}

/// Opens a handle; never fails.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_open(_logger: *mut c_void, _flags: c_uint) -> *mut Handle {
    Box::into_raw(Box::new(Handle))
}

/// Closes a handle, or does nothing for NULL.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xenforeignmemory_close(handle: *mut Handle) -> c_int {
    if !handle.is_null() {
        // SAFETY: the caller got it from xenforeignmemory_open and gives it back for good.
        drop(unsafe { Box::from_raw(handle) });
    }
    0
}

/// So many fresh pages for a domain that exists, each without an error; NULL and ESRCH for any other.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xenforeignmemory_map(
    handle: *mut Handle,
    domid: u32,
    protection: c_int,
    pages: usize,
    frames: *const c_ulong,
    errors: *mut c_int,
) -> *mut c_void {
    // SAFETY: the caller's promise, passed on.
    unsafe { xenforeignmemory_map2(handle, domid, ptr::null_mut(), protection, 0, pages, frames, errors) }
}

/// The same, near `address` if it is not NULL.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xenforeignmemory_map2(
    _handle: *mut Handle,
    domid: u32,
    address: *mut c_void,
    protection: c_int,
    flags: c_int,
    pages: usize,
    _frames: *const c_ulong,
    errors: *mut c_int,
) -> *mut c_void {
    if hypervisor().flags(domid).is_none() {
        set_errno(libc::ESRCH);
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise for address and flags, which are mmap's.
    let memory = unsafe { fresh(address, protection, flags, pages) };
    if !memory.is_null() && !errors.is_null() {
        // SAFETY: the caller's promise of an entry for each page.
        unsafe { ptr::write_bytes(errors, 0, pages) };
    }
    memory
}

/// Unmaps what was mapped.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xenforeignmemory_unmap(_handle: *mut Handle, address: *mut c_void, pages: usize) -> c_int {
    // SAFETY: the caller got these pages from us and gives them back for good.
    unsafe { libc::munmap(address, pages * PAGE) }
}

/// Refused: -1, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_restrict(_handle: *mut Handle, _domid: u16) -> c_int {
    refused()
}

/// Fresh pages as a domain's grant table, or any other resource.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xenforeignmemory_map_resource(
    _handle: *mut Handle,
    domid: u16,
    _kind: c_uint,
    _id: c_uint,
    _frame: c_ulong,
    frames: c_ulong,
    address: *mut *mut c_void,
    protection: c_int,
    flags: c_int,
) -> *mut Resource {
    if hypervisor().flags(domid.into()).is_none() {
        set_errno(libc::ESRCH);
        return ptr::null_mut();
    }
    let pages = frames as usize;
    // SAFETY: the caller's promise: `address` points to where it shall be mapped, or to NULL.
    let memory = unsafe { fresh(address.read(), protection, flags, pages) };
    if memory.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as above.
    unsafe { address.write(memory) };
    Box::into_raw(Box::new(Resource { memory, pages }))
}

/// Unmaps a resource.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xenforeignmemory_unmap_resource(_handle: *mut Handle, resource: *mut Resource) -> c_int {
    // SAFETY: the caller got it from us and gives it back for good.
    let resource = unsafe { Box::from_raw(resource) };
    // SAFETY: mapped with this size, and unmapped once.
    unsafe { libc::munmap(resource.memory, resource.pages * PAGE) }
}

/// Refused: -1, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_resource_size(
    _handle: *mut Handle,
    _domid: u16,
    _kind: c_uint,
    _id: c_uint,
    _size: *mut usize,
) -> c_int {
    refused()
}

/// Zeroed memory of this process's own, or NULL with errno.
///
/// # Safety
/// That of mmap(2), for `address` and `flags`.
unsafe fn fresh(address: *mut c_void, protection: c_int, flags: c_int, pages: usize) -> *mut c_void {
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the caller's promise.
    let memory = unsafe { libc::mmap(address, pages * PAGE, protection, flags, -1, 0) };
    if memory == libc::MAP_FAILED { ptr::null_mut() } else { memory }
}

fn refused() -> c_int {
    set_errno(libc::EOPNOTSUPP);
    -1
}
