//! The C interface of libxenforeignmemory.so.1, whose real `open` wants `/dev/xen/privcmd`: handles can be opened and
//! closed, and no memory of any domain can be mapped (`EOPNOTSUPP`).
//!
//! All of the library is here: a handle of ours in a function of the real one would be read as what it is not.
//! The symbols have no version, which satisfies a reference to any.
#![expect(clippy::missing_safety_doc, reason = "xenforeignmemory.h documents what callers promise")]

use std::{
    ffi::{c_int, c_uint, c_ulong, c_void},
    ptr,
};

use crate::errno::set_errno;

/// An open handle; nothing is behind it.
#[derive(Debug)]
pub struct Handle;

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

/// Refused: NULL, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_map(
    _handle: *mut Handle,
    _domid: u32,
    _protection: c_int,
    _pages: usize,
    _frames: *const c_ulong,
    _errors: *mut c_int,
) -> *mut c_void {
    no_memory()
}

/// Refused: NULL, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_map2(
    _handle: *mut Handle,
    _domid: u32,
    _address: *mut c_void,
    _protection: c_int,
    _flags: c_int,
    _pages: usize,
    _frames: *const c_ulong,
    _errors: *mut c_int,
) -> *mut c_void {
    no_memory()
}

/// Refused: -1, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_unmap(_handle: *mut Handle, _address: *mut c_void, _pages: usize) -> c_int {
    refused()
}

/// Refused: -1, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_restrict(_handle: *mut Handle, _domid: u16) -> c_int {
    refused()
}

/// Refused: NULL, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_map_resource(
    _handle: *mut Handle,
    _domid: u16,
    _kind: c_uint,
    _id: c_uint,
    _frame: c_ulong,
    _frames: c_ulong,
    _address: *mut *mut c_void,
    _protection: c_int,
    _flags: c_int,
) -> *mut c_void {
    no_memory()
}

/// Refused: -1, EOPNOTSUPP.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xenforeignmemory_unmap_resource(_handle: *mut Handle, _resource: *mut c_void) -> c_int {
    refused()
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

fn no_memory() -> *mut c_void {
    refused();
    ptr::null_mut()
}

fn refused() -> c_int {
    set_errno(libc::EOPNOTSUPP);
    -1
}
