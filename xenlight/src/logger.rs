//! Libxl's log, passed on to the `log` crate and to those whom it concerns.

use crate::contain::contained;
#[cfg(doc)]
use crate::contract::*;
use crate::progress::{self, Progress};
use crate::queue::Queue;
use crate::words::Hearing;
use core::ffi::{c_char, c_int, c_uint, c_ulong};
use osevent_core::InHook;
use std::borrow::Cow;
use std::ffi::CStr;
use std::io;
use std::sync::Arc;
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
    queue: Arc<Queue>,
}

impl Logger {
    /// From the queue, those who wait for an operation's progress are woken.
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        let functions = sys::Logger { vmessage, progress: Some(progress), destroy };
        // SAFETY: no preconditions.
        Self { functions, process: unsafe { libc::getpid() }, hearing: Hearing::default(), queue }
    }

    /// Whether a message may be of use to anybody. Most are not, and are not even formatted: whenever a domain ends, libxl says two lines
    /// for each that is watched. It takes no lock and makes no system call; forked children may ask, too.
    fn wants(&self, level: log::Level) -> bool {
        level == log::Level::Error || level <= log::max_level() || self.hearing.needs_notes()
    }

    /// Whether this is a forked child, where nothing is logged or heard.
    fn is_forked(&self) -> bool {
        // SAFETY: no preconditions.
        unsafe { libc::getpid() != self.process }
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
    if !logger.wants(level) || logger.is_forked() {
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
    let message =
        if errno > 0 { format!("{message}: {}", io::Error::from_raw_os_error(errno)).into() } else { message };
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

/// How far an operation has come: for the operation, and not for the log. Called as [`vmessage`].
unsafe extern "C" fn progress(
    logger: *mut sys::Logger,
    _: *const c_char,
    what: *const c_char,
    _: c_int,
    done: c_ulong,
    total: c_ulong,
) {
    // SAFETY: libxl gives back the address of a `Logger`, which outlives its ctx (X1).
    let logger = unsafe { &*logger.cast::<Logger>() };
    let Some(percent) = progress::percent(done, total).filter(|_| !logger.is_forked()) else { return };
    let what = if what.is_null() {
        String::new()
    } else {
        // SAFETY: libxl passes a string that lasts for the call.
        unsafe { CStr::from_ptr(what) }.to_string_lossy().into_owned()
    };
    if let Some(waker) = logger.hearing.progresses(Progress::Step { what, percent }) {
        logger.queue.wake(waker);
    }
}

/// Libxl never calls it; the ctx owns the logger.
unsafe extern "C" fn destroy(_: *mut sys::Logger) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Listener;

    #[test]
    fn r15_only_errors_are_looked_at_while_nobody_is_at_work_or_logs() {
        let logger = Logger::new(Arc::new(Queue::new().expect("there are fds")));
        let wants = || (logger.wants(log::Level::Error), logger.wants(log::Level::Trace));
        assert_eq!(wants(), (true, false));
        {
            let _occurrence = logger.hearing.attend(None);
            assert_eq!(wants(), (true, false));
            let _call = logger.hearing.attend(Some(Listener::new(None)));
            assert_eq!(wants(), (true, true));
        }
        assert_eq!(wants(), (true, false));
    }
}
