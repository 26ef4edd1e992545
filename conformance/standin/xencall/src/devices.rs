//! `open(2)` and its kin, which refuse what is under `/dev/xen` and `/proc/xen`.
//!
//! libxenevtchn, libxengnttab and libxendevicemodel open Xen's devices by themselves, whatever stands in for
//! libxencall. `ENOENT` is what they find on a machine without Xen, and what libxendevicemodel alone tolerates.
//!
//! `open` is not a cancellation point any more, for the process that preloads us. glibc's internal callers
//! (`fopen`) do not come here; Xen's libraries use none of these for devices.
#![expect(clippy::missing_safety_doc, reason = "open(2) documents what callers promise")]

use std::{
    ffi::{CStr, c_char, c_int},
    sync::atomic::Ordering::Relaxed,
};

use libc::mode_t;

use crate::{abi::set_errno, domains::table};

/// `open(2)`. C callers may leave out `mode`; what the register holds then is only used where they may not.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise; so in all functions below.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// `open64`, the same as [`open`] on x86-64.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// `openat(2)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(directory, path, flags, mode) }
}

/// `openat64`, the same as [`openat`] on x86-64.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(directory, path, flags, mode) }
}

/// What a fortified `open` without a mode is compiled to; libxenevtchn's is.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(libc::AT_FDCWD, path, flags, 0) }
}

/// What a fortified `open64` without a mode is compiled to.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(libc::AT_FDCWD, path, flags, 0) }
}

/// # Safety
/// `path` is a C string, or anything that the kernel may answer with EFAULT as long as it is null.
unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: not null, so a C string by the caller's promise.
    if !path.is_null() && is_xens(unsafe { CStr::from_ptr(path) }) {
        // Relaxed: a counter that publishes nothing.
        table().refused_opens.fetch_add(1, Relaxed);
        set_errno(libc::ENOENT);
        return -1;
    }
    // SAFETY: the kernel checks the pointer; the mode counts only with flags that demand one.
    unsafe { libc::syscall(libc::SYS_openat, directory, path, flags, mode) as c_int }
}

fn is_xens(path: &CStr) -> bool {
    [&b"/dev/xen/"[..], b"/proc/xen/"].iter().any(|prefix| path.to_bytes().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn xens_devices_do_not_exist_and_other_files_do() {
        // SAFETY: literal C strings, here and below.
        for opened in unsafe {
            [
                open(c"/dev/xen/privcmd".as_ptr(), libc::O_RDWR, 0),
                __open_2(c"/dev/xen/evtchn".as_ptr(), libc::O_RDWR),
                openat(libc::AT_FDCWD, c"/proc/xen/privcmd".as_ptr(), libc::O_RDWR, 0),
            ]
        } {
            assert_eq!(opened, -1);
            assert_eq!(Error::last_os_error().raw_os_error(), Some(libc::ENOENT));
        }
        // SAFETY: as above.
        let null = unsafe { open64(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0) };
        assert!(null >= 0);
        // SAFETY: opened a line ago and used by nobody else.
        assert_eq!(unsafe { libc::close(null) }, 0);
    }
}
