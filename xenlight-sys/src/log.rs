//! The logger of libxl, `xentoollog_logger`, and the formatting of its messages.

#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

/// Never used for a message.
pub const LEVEL_NONE: c_uint = 0;
/// `XTL_DEBUG`, the least important.
pub const LEVEL_DEBUG: c_uint = 1;
/// `XTL_VERBOSE`.
pub const LEVEL_VERBOSE: c_uint = 2;
/// `XTL_DETAIL`.
pub const LEVEL_DETAIL: c_uint = 3;
/// `XTL_PROGRESS`.
pub const LEVEL_PROGRESS: c_uint = 4;
/// `XTL_INFO`.
pub const LEVEL_INFO: c_uint = 5;
/// `XTL_NOTICE`.
pub const LEVEL_NOTICE: c_uint = 6;
/// `XTL_WARN`.
pub const LEVEL_WARN: c_uint = 7;
/// `XTL_ERROR`.
pub const LEVEL_ERROR: c_uint = 8;
/// `XTL_CRITICAL`, the most important.
pub const LEVEL_CRITICAL: c_uint = 9;

/// `xentoollog_logger`: three functions. libxl calls them for all levels, on any thread, under the ctx lock, and in forked
/// children ([X9]). They must not wait, call libxl on that ctx, or unwind ([R15]).
///
/// A logger with data is a `repr(C)` struct that starts with this one. It must outlive the ctx ([X1]); `libxl_ctx_free` does
/// not call `destroy`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Logger {
    /// `(logger, level, errno or -1, context or NULL, format, arguments)`: a message without a newline; see [`format_message`].
    pub vmessage: unsafe extern "C" fn(*mut Logger, c_uint, c_int, *const c_char, *const c_char, VaList),
    /// `(logger, context or NULL, what, percent, done, total)`: the progress of a long step; `done` is 0 when it begins.
    pub progress: Option<unsafe extern "C" fn(*mut Logger, *const c_char, *const c_char, c_int, c_ulong, c_ulong)>,
    /// `(logger)`: only called by `xtl_logger_destroy`, which libxl never calls for the program's logger.
    pub destroy: unsafe extern "C" fn(*mut Logger),
}

/// A C `va_list` as a function parameter. It can be used once, during the call that received it.
///
/// It is a pointer in both ABIs that this crate supports. On x86-64, `va_list` is an array, which decays to a pointer. On
/// aarch64, it is a struct of 32 bytes; the caller copies it and passes the address.
#[repr(transparent)]
#[derive(Debug)]
pub struct VaList(*mut c_void);

/// Formats a message into `buffer` and returns the part that was written, without a NUL.
///
/// A message that does not fit is truncated. The result is empty if `buffer` is empty or the C library rejects the format. It
/// does not allocate and takes no lock, so it may run in a forked child ([X9]).
///
/// # Safety
///
/// `format` and `arguments` must be those of the current call of [`Logger::vmessage`].
pub unsafe fn format_message(buffer: &mut [u8], format: *const c_char, arguments: VaList) -> &[u8] {
    // SAFETY: the buffer is writable for its length; the caller passes on what C's caller promised
    // about format and arguments, which are moved in here, hence used once.
    let length = unsafe { vsnprintf(buffer.as_mut_ptr().cast(), buffer.len(), format, arguments) };
    // vsnprintf returns the length of the whole message, and spends the buffer's last byte on a NUL.
    let written = usize::try_from(length).unwrap_or(0).min(buffer.len().saturating_sub(1));
    &buffer[..written]
}

unsafe extern "C" {
    fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, arguments: VaList) -> c_int;
}
