//! The C interface of libxencall.so.1, with its symbol versions; `xencall.h` says what each function does.
//!
//! Handles and buffers are memory of our own; a hypercall is a call of [`execute`].
#![expect(clippy::missing_safety_doc, reason = "xencall.h documents what callers promise")]

use std::{
    ffi::{c_int, c_long, c_uint, c_void},
    ptr,
};

use crate::errno::set_errno;
use crate::hypercall::execute;

/// An open handle; nothing is behind it.
#[derive(Debug)]
pub struct Handle;

// `remove`: the symbol exists with its version alone, as in the real library.
#[cfg(not(test))]
std::arch::global_asm!(
    ".symver xencall_open, xencall_open@@VERS_1.0, remove",
    ".symver xencall_close, xencall_close@@VERS_1.0, remove",
    ".symver xencall0, xencall0@@VERS_1.0, remove",
    ".symver xencall1, xencall1@@VERS_1.0, remove",
    ".symver xencall2, xencall2@@VERS_1.0, remove",
    ".symver xencall3, xencall3@@VERS_1.0, remove",
    ".symver xencall4, xencall4@@VERS_1.0, remove",
    ".symver xencall5, xencall5@@VERS_1.0, remove",
    ".symver xencall_alloc_buffer, xencall_alloc_buffer@@VERS_1.0, remove",
    ".symver xencall_free_buffer, xencall_free_buffer@@VERS_1.0, remove",
    ".symver xencall_alloc_buffer_pages, xencall_alloc_buffer_pages@@VERS_1.0, remove",
    ".symver xencall_free_buffer_pages, xencall_free_buffer_pages@@VERS_1.0, remove",
    ".symver xencall_buffers_never_fault, xencall_buffers_never_fault@@VERS_1.1, remove",
    ".symver xencall_fd, xencall_fd@@VERS_1.2, remove",
    ".symver xencall2L, xencall2L@@VERS_1.3, remove",
);

/// Opens a handle; never fails.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xencall_open(_logger: *mut c_void, _flags: c_uint) -> *mut Handle {
    Box::into_raw(Box::new(Handle))
}

/// Closes a handle, or does nothing for NULL.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall_close(handle: *mut Handle) -> c_int {
    if !handle.is_null() {
        // SAFETY: the caller got it from xencall_open and gives it back for good.
        drop(unsafe { Box::from_raw(handle) });
    }
    0
}

/// There is no fd: -1.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xencall_fd(_handle: *mut Handle) -> c_int {
    -1
}

/// A hypercall without arguments.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall0(_handle: *mut Handle, op: c_uint) -> c_int {
    // SAFETY: the caller's promise of a valid hypercall; so in all functions below.
    unsafe { call(op, [0; 5]) as c_int }
}

/// A hypercall with one argument.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall1(_handle: *mut Handle, op: c_uint, a: u64) -> c_int {
    // SAFETY: see xencall0.
    unsafe { call(op, [a, 0, 0, 0, 0]) as c_int }
}

/// A hypercall with two arguments.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall2(_handle: *mut Handle, op: c_uint, a: u64, b: u64) -> c_int {
    // SAFETY: see xencall0.
    unsafe { call(op, [a, b, 0, 0, 0]) as c_int }
}

/// A hypercall with two arguments and a long result.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[cfg_attr(test, expect(non_snake_case, reason = "libxencall's name; exported names may be anything"))]
pub unsafe extern "C" fn xencall2L(_handle: *mut Handle, op: c_uint, a: u64, b: u64) -> c_long {
    // SAFETY: see xencall0.
    unsafe { call(op, [a, b, 0, 0, 0]) }
}

/// A hypercall with three arguments.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall3(_handle: *mut Handle, op: c_uint, a: u64, b: u64, c: u64) -> c_int {
    // SAFETY: see xencall0.
    unsafe { call(op, [a, b, c, 0, 0]) as c_int }
}

/// A hypercall with four arguments.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall4(_handle: *mut Handle, op: c_uint, a: u64, b: u64, c: u64, d: u64) -> c_int {
    // SAFETY: see xencall0.
    unsafe { call(op, [a, b, c, d, 0]) as c_int }
}

/// A hypercall with five arguments.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall5(_handle: *mut Handle, op: c_uint, a: u64, b: u64, c: u64, d: u64, e: u64) -> c_int {
    // SAFETY: see xencall0.
    unsafe { call(op, [a, b, c, d, e]) as c_int }
}

/// Zeroed pages for a hypercall's arguments, or NULL with errno.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xencall_alloc_buffer_pages(_handle: *mut Handle, pages: usize) -> *mut c_void {
    let Some(length) = pages.checked_mul(PAGE).filter(|&length| length > 0) else {
        set_errno(libc::EINVAL);
        return ptr::null_mut();
    };
    let mut memory = ptr::null_mut();
    // SAFETY: the out pointer outlives the call.
    let failed = unsafe { libc::posix_memalign(&mut memory, PAGE, length) };
    if failed != 0 {
        set_errno(failed);
        return ptr::null_mut();
    }
    // SAFETY: posix_memalign gave `length` bytes.
    unsafe { ptr::write_bytes(memory.cast::<u8>(), 0, length) };
    memory
}

/// Frees what [`xencall_alloc_buffer_pages`] gave; NULL is legal. errno stays as it is.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall_free_buffer_pages(_handle: *mut Handle, memory: *mut c_void, _pages: usize) {
    // SAFETY: errno is the thread's own.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the caller got it from us (malloc's family) and gives it back for good.
    unsafe { libc::free(memory) };
    set_errno(errno);
}

/// Zeroed memory for a hypercall's arguments, or NULL with errno.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xencall_alloc_buffer(handle: *mut Handle, size: usize) -> *mut c_void {
    xencall_alloc_buffer_pages(handle, size.div_ceil(PAGE).max(1))
}

/// Frees what [`xencall_alloc_buffer`] gave; NULL is legal. errno stays as it is.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn xencall_free_buffer(handle: *mut Handle, memory: *mut c_void) {
    // SAFETY: the caller's promise, passed on.
    unsafe { xencall_free_buffer_pages(handle, memory, 1) }
}

/// Ours never fault: 1.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn xencall_buffers_never_fault(_handle: *mut Handle) -> c_int {
    1
}

/// A hypercall by C's convention: -1 and errno for an error.
///
/// # Safety
/// That of [`execute`].
unsafe fn call(op: c_uint, arguments: [u64; 5]) -> c_long {
    // SAFETY: the caller's promise.
    match unsafe { execute(op.into(), &arguments) } {
        Ok(value) => value,
        Err(errno) => {
            set_errno(errno);
            -1
        }
    }
}

const PAGE: usize = 4096;
