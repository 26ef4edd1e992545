use std::ffi::{c_char, c_int, c_uint};
use xenlight_sys::log::{Logger, VaList};

unsafe extern "C" fn ignore(_: *mut Logger, _: c_uint, _: c_int, _: *const c_char, _: *const c_char, _: VaList) {}
unsafe extern "C" fn destroyed(_: *mut Logger) {}

/// For a ctx whose messages nobody wants.
pub(crate) fn logger() -> Logger {
    Logger { vmessage: ignore, progress: None, destroy: destroyed }
}
