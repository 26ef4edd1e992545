//! The six functions that libxl calls to have fds and timeouts watched.
//!
//! Each comes with libxl's lock held, on any thread that is inside libxl (R1), and passes on to the
//! registry at once. The user pointer is the registry, which the ctx's owner keeps until the ctx is freed (X1).

use crate::contain::{contained, say};
use crate::ctx::Hosted;
use crate::inside::Inside;
use crate::lock;
use crate::trace::{Trace, Tracer};
use core::ffi::{c_int, c_short, c_void};
use libc::timeval;
use osevent_core::{ClientValue, Deadline, Interest, RegistrationError, Registry, Token};
use std::collections::HashMap;
use std::sync::Mutex;
use xenlight_sys::event::OseventHooks;

pub(crate) static HOOKS: OseventHooks =
    OseventHooks { fd_register, fd_modify, fd_deregister, timeout_register, timeout_modify, timeout_deregister };

/// What a hook refused last, for the error of the operation that it made fail (R3), and what 4.2 needs.
pub(crate) struct HookState {
    tracer: Option<Tracer>,
    refusal: Mutex<Option<RegistrationError>>,
    /// 4.2.0 passes timeout_deregister the address of the handle, and 4.2.1 the handle; they cannot
    /// be told apart (R13). So each handle is also found by where it was written to.
    by_address: Mutex<HashMap<usize, Token>>,
}

impl HookState {
    pub(crate) fn new(tracer: Option<Tracer>) -> Self {
        Self { tracer, refusal: Mutex::default(), by_address: Mutex::default() }
    }

    pub(crate) fn trace(&self, step: Trace) {
        if let Some(tracer) = &self.tracer {
            // Also around occurrences, where the lock is not held yet: one rule for all steps.
            let _inside = Inside::begin();
            contained(|| tracer(step));
        }
    }

    pub(crate) fn take_refusal(&self) -> Option<RegistrationError> {
        lock(&self.refusal).take()
    }
}

/// # Safety
/// `user` is what libxl was given with [`HOOKS`], and its ctx is alive.
unsafe fn registry<'a>(user: *mut c_void) -> &'a Registry<Hosted> {
    // SAFETY: the owner of the ctx keeps the registry until the ctx is freed (X1).
    unsafe { &*user.cast::<Registry<Hosted>>() }
}

fn refused(registry: &Registry<Hosted>, hook: &str, error: RegistrationError) -> c_int {
    say!(Debug, "{hook} refused: {error}");
    let code = error.code();
    *lock(&registry.client().hooks.refusal) = Some(error);
    code
}

fn returned(registry: &Registry<Hosted>, handle: u64, code: c_int) -> c_int {
    registry.client().hooks.trace(Trace::HookReturned { handle, code });
    code
}

fn handle(value: *mut c_void) -> u64 {
    value.addr() as u64
}

fn pointer(token: Token) -> *mut c_void {
    std::ptr::without_provenance_mut(token.to_handle() as usize)
}

unsafe extern "C" fn fd_register(
    user: *mut c_void,
    fd: c_int,
    handle_out: *mut *mut c_void,
    events: c_short,
    for_libxl: *mut c_void,
) -> c_int {
    let _inside = Inside::begin();
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // Libxl wants its pointer back as a pointer, so its provenance is exposed.
    let value = ClientValue(for_libxl.expose_provenance() as u64);
    registry.client().hooks.trace(Trace::FdRegister { fd, events, value: value.0 });
    // First: once the loop knows of it, it can occur on another thread.
    registry.client().hearing().registered(value.0, Some(fd));
    let registered = Interest::from_poll(events).and_then(|interest| registry.register_fd(fd, interest, value));
    let (handle, code) = match registered {
        Ok(token) => {
            // SAFETY: libxl passes a place to write the handle to; what is there is never read (R2).
            unsafe { handle_out.write(pointer(token)) };
            (token.to_handle(), 0)
        }
        Err(error) => (0, refused(registry, "fd_register", error)),
    };
    returned(registry, handle, code)
}

unsafe extern "C" fn fd_modify(
    user: *mut c_void,
    fd: c_int,
    handle_in_out: *mut *mut c_void,
    events: c_short,
) -> c_int {
    let _inside = Inside::begin();
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // SAFETY: libxl passes where it keeps the handle that fd_register wrote.
    let handle = handle(unsafe { *handle_in_out });
    registry.client().hooks.trace(Trace::FdModify { handle, fd, events });
    let modified = Interest::from_poll(events).and_then(|interest| registry.modify_fd(handle, fd, interest));
    let code = modified.map_or_else(|error| refused(registry, "fd_modify", error), |()| 0);
    returned(registry, handle, code)
}

unsafe extern "C" fn fd_deregister(user: *mut c_void, fd: c_int, value: *mut c_void) {
    let _inside = Inside::begin();
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    let handle = handle(value);
    registry.client().hooks.trace(Trace::FdDeregister { handle, fd });
    if let Err(error) = registry.deregister_fd(handle, fd) {
        say!(Error, "fd_deregister: {error}");
    }
    returned(registry, handle, 0);
}

unsafe extern "C" fn timeout_register(
    user: *mut c_void,
    handle_out: *mut *mut c_void,
    deadline: timeval,
    for_libxl: *mut c_void,
) -> c_int {
    let _inside = Inside::begin();
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    let value = ClientValue(for_libxl.expose_provenance() as u64);
    let wanted = (deadline.tv_sec, deadline.tv_usec);
    registry.client().hooks.trace(Trace::TimeoutRegister { deadline: wanted, value: value.0 });
    // First, as above.
    registry.client().hearing().registered(value.0, None);
    let registered = Deadline::from_timeval(deadline.tv_sec, deadline.tv_usec)
        .and_then(|deadline| registry.register_timeout(deadline, value));
    let (handle, code) = match registered {
        Ok(token) => {
            if registry.client().is_4_2() {
                lock(&registry.client().hooks.by_address).insert(handle_out.addr(), token);
            }
            // SAFETY: libxl passes a place to write the handle to; what is there is never read (R2).
            unsafe { handle_out.write(pointer(token)) };
            (token.to_handle(), 0)
        }
        Err(error) => (0, refused(registry, "timeout_register", error)),
    };
    returned(registry, handle, code)
}

unsafe extern "C" fn timeout_modify(user: *mut c_void, handle_in_out: *mut *mut c_void, deadline: timeval) -> c_int {
    let _inside = Inside::begin();
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // SAFETY: libxl passes where it keeps the handle that timeout_register wrote.
    let handle = handle(unsafe { *handle_in_out });
    let wanted = (deadline.tv_sec, deadline.tv_usec);
    registry.client().hooks.trace(Trace::TimeoutModify { handle, deadline: wanted });
    let modified = Deadline::from_timeval(deadline.tv_sec, deadline.tv_usec)
        .and_then(|deadline| registry.modify_timeout(handle, deadline));
    let code = modified.map_or_else(|error| refused(registry, "timeout_modify", error), |()| 0);
    returned(registry, handle, code)
}

unsafe extern "C" fn timeout_deregister(user: *mut c_void, value: *mut c_void) {
    let _inside = Inside::begin();
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // Not removed: a blocking call of 4.2.0 deregisters a timeout that its own loop took twice (R14).
    let handle = Token::from_handle(handle(value))
        .or_else(|| lock(&registry.client().hooks.by_address).get(&value.addr()).copied())
        .map_or(handle(value), Token::to_handle);
    registry.client().hooks.trace(Trace::TimeoutDeregister { handle });
    if let Err(error) = registry.deregister_timeout(handle) {
        say!(Error, "timeout_deregister: {error}");
    }
    returned(registry, handle, 0);
}
