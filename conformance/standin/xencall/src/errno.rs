use std::ffi::c_int;

/// Sets the calling thread's errno.
pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: the location is the calling thread's own and valid for its life.
    unsafe { *libc::__errno_location() = errno };
}
