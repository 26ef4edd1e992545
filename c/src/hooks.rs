//! The six functions that libxl calls to have fds and timeouts watched.
//!
//! Each comes with libxl's lock held, on any thread that is inside libxl (R1), and passes on to the
//! registry at once. The user pointer is the registry, which [`Osevent`](crate::Osevent) keeps until the ctx is freed (X1).

use crate::hosted::Hosted;
use libc::{c_int, c_short, c_void, timeval};
use osevent_core::{ClientValue, Deadline, Interest, RegistrationError, Registry, Token};

/// `libxl_osevent_hooks`
#[repr(C)]
#[derive(Debug)]
pub struct Hooks {
    fd_register: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short, *mut c_void) -> c_int,
    fd_modify: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short) -> c_int,
    fd_deregister: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void),
    timeout_register: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval, *mut c_void) -> c_int,
    timeout_modify: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval) -> c_int,
    timeout_deregister: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

pub(crate) static HOOKS: Hooks =
    Hooks { fd_register, fd_modify, fd_deregister, timeout_register, timeout_modify, timeout_deregister };

/// # Safety
/// `user` is what libxl was given with [`HOOKS`], and its ctx is alive.
unsafe fn registry<'a>(user: *mut c_void) -> &'a Registry<Hosted> {
    // SAFETY: the registry is kept until the ctx is freed (X1).
    unsafe { &*user.cast::<Registry<Hosted>>() }
}

fn handle(value: *mut c_void) -> u64 {
    value.addr() as u64
}

/// A hook's result (R3).
fn code(result: Result<(), RegistrationError>) -> c_int {
    result.map_or_else(|error| error.code(), |()| 0)
}

/// # Safety
/// Libxl passes a place to write the handle to.
unsafe fn write(handle_out: *mut *mut c_void, token: Token) {
    // SAFETY: the caller's promise; what is there is never read (R2).
    unsafe { handle_out.write(std::ptr::without_provenance_mut(token.to_handle() as usize)) };
}

unsafe extern "C" fn fd_register(
    user: *mut c_void,
    fd: c_int,
    handle_out: *mut *mut c_void,
    events: c_short,
    for_libxl: *mut c_void,
) -> c_int {
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // Libxl wants its pointer back as a pointer, so its provenance is exposed.
    let value = ClientValue(for_libxl.expose_provenance() as u64);
    let registered = Interest::from_poll(events).and_then(|interest| registry.register_fd(fd, interest, value));
    code(registered.map(|token| {
        // SAFETY: libxl passes the place.
        unsafe { write(handle_out, token) };
    }))
}

unsafe extern "C" fn fd_modify(
    user: *mut c_void,
    fd: c_int,
    handle_in_out: *mut *mut c_void,
    events: c_short,
) -> c_int {
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // SAFETY: libxl passes where it keeps the handle that fd_register wrote.
    let handle = handle(unsafe { *handle_in_out });
    code(Interest::from_poll(events).and_then(|interest| registry.modify_fd(handle, fd, interest)))
}

unsafe extern "C" fn fd_deregister(user: *mut c_void, fd: c_int, value: *mut c_void) {
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // The hook has no result, and a handle that is wrong is found out without harm.
    let _ = registry.deregister_fd(handle(value), fd);
}

unsafe extern "C" fn timeout_register(
    user: *mut c_void,
    handle_out: *mut *mut c_void,
    deadline: timeval,
    for_libxl: *mut c_void,
) -> c_int {
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    let value = ClientValue(for_libxl.expose_provenance() as u64);
    let registered = Deadline::from_timeval(deadline.tv_sec, deadline.tv_usec)
        .and_then(|deadline| registry.register_timeout(deadline, value));
    code(registered.map(|token| {
        registry.client().note_address(handle_out.addr(), token);
        // SAFETY: libxl passes the place.
        unsafe { write(handle_out, token) };
    }))
}

unsafe extern "C" fn timeout_modify(user: *mut c_void, handle_in_out: *mut *mut c_void, deadline: timeval) -> c_int {
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    // SAFETY: libxl passes where it keeps the handle that timeout_register wrote.
    let handle = handle(unsafe { *handle_in_out });
    code(
        Deadline::from_timeval(deadline.tv_sec, deadline.tv_usec)
            .and_then(|deadline| registry.modify_timeout(handle, deadline)),
    )
}

unsafe extern "C" fn timeout_deregister(user: *mut c_void, value: *mut c_void) {
    // SAFETY: libxl passes its user pointer.
    let registry = unsafe { registry(user) };
    let handle = Token::from_handle(handle(value))
        .or_else(|| registry.client().take_by_address(value.addr()))
        .map_or(handle(value), Token::to_handle);
    // As in fd_deregister.
    let _ = registry.deregister_timeout(handle);
}
