//! Libxl's log, passed on to the `log` crate and to those whom it concerns.

use crate::contain::contained;
#[cfg(doc)]
use crate::contract::*;
use crate::words::Hearing;
use core::ffi::{c_char, c_int, c_uint, c_ulong};
use osevent_core::InHook;
use std::borrow::Cow;
use std::ffi::CStr;
use xenlight_sys::log::{self as sys, VaList, format_message};

/// Longer messages are cut.
const LONGEST: usize = 1024;

/// One ctx's logger: its address goes to libxl.
#[repr(C)]
pub(crate) struct Logger {
    // First: libxl knows this part.
    functions: sys::Logger,
    process: libc::pid_t,
    pub(crate) hearing: Hearing,
}

impl Logger {
    pub(crate) fn new() -> Self {
        let functions = sys::Logger { vmessage, progress: Some(progress), destroy };
        // SAFETY: no preconditions.
        Self { functions, process: unsafe { libc::getpid() }, hearing: Hearing::default() }
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::Logger {
        (&raw const *self).cast_mut().cast()
    }
}

/// Under libxl's lock, on any thread, and in forked children ([X9]). There nothing is logged or heard: the
/// application's logger and ours take locks that another thread may have held when the child was forked.
unsafe extern "C" fn vmessage(
    logger: *mut sys::Logger,
    level: c_uint,
    errno: c_int,
    context: *const c_char,
    format: *const c_char,
    arguments: VaList,
) {
    // SAFETY: libxl gives back the address of a `Logger`, which outlives its ctx (X1).
    let logger = unsafe { &*logger.cast::<Logger>() };
    let level = match level {
        sys::LEVEL_CRITICAL | sys::LEVEL_ERROR => log::Level::Error,
        sys::LEVEL_WARN => log::Level::Warn,
        sys::LEVEL_NOTICE | sys::LEVEL_INFO => log::Level::Info,
        sys::LEVEL_PROGRESS | sys::LEVEL_DETAIL | sys::LEVEL_VERBOSE => log::Level::Debug,
        _ => log::Level::Trace,
    };
    // SAFETY: no preconditions.
    if unsafe { libc::getpid() } != logger.process {
        return;
    }
    let mut buffer = [0; LONGEST];
    // SAFETY: format and arguments are this call's own, and used once.
    let message = unsafe { format_message(&mut buffer, format, arguments) };
    let message = String::from_utf8_lossy(message);
    let context = if context.is_null() {
        Cow::Borrowed("")
    } else {
        // SAFETY: libxl passes a string that lasts for the call.
        unsafe { CStr::from_ptr(context) }.to_string_lossy()
    };
    let errno = (errno > 0).then(|| std::io::Error::from_raw_os_error(errno));
    let message = errno.map_or_else(|| message.to_string(), |errno| format!("{message}: {errno}"));
    if level == log::Level::Error {
        logger.hearing.hear(&context, &message);
    } else {
        logger.hearing.note(&message);
    }
    let _in_hook = InHook::begin();
    // The application's logger is no libxl code: its panic must not unwind into C.
    contained(|| {
        let colon = if context.is_empty() { "" } else { ": " };
        log::log!(target: "libxl", level, "{context}{colon}{message}");
    });
}

/// How far an operation has come is no log message.
unsafe extern "C" fn progress(
    _: *mut sys::Logger,
    _: *const c_char,
    _: *const c_char,
    _: c_int,
    _: c_ulong,
    _: c_ulong,
) {
}

/// Libxl never calls it; the ctx owns the logger.
unsafe extern "C" fn destroy(_: *mut sys::Logger) {}
