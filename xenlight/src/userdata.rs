//! What is noted about a domain in files of the host.

use crate::error::Error;
use crate::question::Question;
use core::ffi::c_void;
use core::ptr;
use std::ffi::CStr;
use xenlight_types::DomainId;

/// Nothing if nothing was noted under this name. Waits for libxl's lock.
pub(crate) fn retrieve(question: &Question<'_>, domid: DomainId, name: &CStr) -> Result<Vec<u8>, Error> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    let library = question.hosted.library();
    // SAFETY: the ctx lives during the question, the name during the call; address and size are written by it.
    let rc = unsafe { library.userdata_retrieve(question.ctx, domid.get(), name.as_ptr(), &mut data, &mut size) };
    question.succeeded(rc)?;
    let size = if data.is_null() { 0 } else { usize::try_from(size).unwrap_or(0) };
    let mut noted = vec![0; size];
    if size != 0 {
        // SAFETY: libxl has written this many bytes there.
        unsafe { ptr::copy_nonoverlapping(data, noted.as_mut_ptr(), size) };
    }
    // SAFETY: null, or allocated with malloc(3), for its caller to free.
    unsafe { libc::free(data.cast::<c_void>()) };
    Ok(noted)
}
