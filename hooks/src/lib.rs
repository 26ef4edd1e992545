//! libxl's six event hooks as C functions, answered by an osevent-core registry.
//!
//! This crate is for other bindings of libxl. Its functions are those of `libxl_osevent_hooks`, generic over the type of the
//! client. The user pointer for `libxl_osevent_register_hooks` must be the address of the client's [`Registry`]. The functions
//! only convert the arguments; [`Hooks`] documents what each hook does.
//!
//! libxl calls the hooks on any thread that is inside libxl, and holds its lock ([R1]). Ids such as [R1] are clauses of
//! `docs/contract.md`.
//!
//! ```
//! use osevent_core::{Client, ClientValue, Interest, Owner, Readiness};
//! use std::ffi::{c_int, c_short, c_void};
//!
//! /// `libxl_osevent_hooks`, as in libxl_event.h.
//! #[repr(C)]
//! struct LibxlHooks {
//!     fd_register: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short, *mut c_void) -> c_int,
//!     fd_modify: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short) -> c_int,
//!     fd_deregister: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void),
//!     timeout_register: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, libc::timeval, *mut c_void) -> c_int,
//!     timeout_modify: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, libc::timeval) -> c_int,
//!     timeout_deregister: unsafe extern "C" fn(*mut c_void, *mut c_void),
//! }
//!
//! struct Ctx(/* `*mut libxl_ctx`, and its functions */);
//!
//! impl Client for Ctx {
//!     fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) { /* libxl_osevent_occurred_fd */ }
//!     fn occurred_timeout(&self, _: ClientValue) { /* libxl_osevent_occurred_timeout */ }
//!     fn release(&self) { /* libxl_ctx_free */ }
//! }
//!
//! impl Owner for Ctx {}
//!
//! static HOOKS: LibxlHooks = LibxlHooks {
//!     fd_register: osevent_hooks::fd_register::<Ctx>,
//!     fd_modify: osevent_hooks::fd_modify::<Ctx>,
//!     fd_deregister: osevent_hooks::fd_deregister::<Ctx>,
//!     timeout_register: osevent_hooks::timeout_register::<Ctx>,
//!     timeout_modify: osevent_hooks::timeout_modify::<Ctx>,
//!     timeout_deregister: osevent_hooks::timeout_deregister::<Ctx>,
//! };
//! // libxl_osevent_register_hooks(ctx, &HOOKS, Arc::as_ptr(&registry) as *mut c_void);
//! ```

#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(doc)]
pub mod contract;
#[cfg(doc)]
use contract::*;
use libc::timeval;
use osevent_core::{ClientValue, Hooks, Owner, Registry};
use std::ffi::{c_int, c_short, c_void};
use std::ptr::without_provenance_mut;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a handle is 64 bits, and libxl keeps it in a pointer: build for a 64-bit machine");

/// The `fd_register` hook.
///
/// # Safety
/// `user` must be the address of a `Registry<C>` that exists until libxl has freed the ctx ([X1]). `handle_out` must be valid for
/// writing a handle; it is never read ([R2]).
pub unsafe extern "C" fn fd_register<C: Owner>(
    user: *mut c_void,
    fd: c_int,
    handle_out: *mut *mut c_void,
    events: c_short,
    for_libxl: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let hooks = unsafe { hooks::<C>(user) };
    match hooks.fd_register(fd, events, value(for_libxl)) {
        Ok(handle) => {
            // SAFETY: the caller's promise.
            unsafe { handle_out.write(pointer(handle)) };
            0
        }
        Err(code) => code,
    }
}

/// The `fd_modify` hook.
///
/// # Safety
/// `user` as for [`fd_register`]. `handle_in_out` must point to a handle.
pub unsafe extern "C" fn fd_modify<C: Owner>(
    user: *mut c_void,
    fd: c_int,
    handle_in_out: *mut *mut c_void,
    events: c_short,
) -> c_int {
    // SAFETY: the caller's promise.
    let (hooks, handle) = unsafe { (hooks::<C>(user), *handle_in_out) };
    code(hooks.fd_modify(number(handle), fd, events))
}

/// The `fd_deregister` hook.
///
/// # Safety
/// `user` as for [`fd_register`].
pub unsafe extern "C" fn fd_deregister<C: Owner>(user: *mut c_void, fd: c_int, handle: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { hooks::<C>(user) }.fd_deregister(number(handle), fd);
}

/// The `timeout_register` hook.
///
/// # Safety
/// The same as for [`fd_register`].
pub unsafe extern "C" fn timeout_register<C: Owner>(
    user: *mut c_void,
    handle_out: *mut *mut c_void,
    deadline: timeval,
    for_libxl: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let hooks = unsafe { hooks::<C>(user) };
    let place = handle_out.addr() as u64;
    match hooks.timeout_register(place, deadline.tv_sec, deadline.tv_usec, value(for_libxl)) {
        Ok(handle) => {
            // SAFETY: the caller's promise.
            unsafe { handle_out.write(pointer(handle)) };
            0
        }
        Err(code) => code,
    }
}

/// The `timeout_modify` hook.
///
/// # Safety
/// The same as for [`fd_modify`].
pub unsafe extern "C" fn timeout_modify<C: Owner>(
    user: *mut c_void,
    handle_in_out: *mut *mut c_void,
    deadline: timeval,
) -> c_int {
    // SAFETY: the caller's promise.
    let (hooks, handle) = unsafe { (hooks::<C>(user), *handle_in_out) };
    code(hooks.timeout_modify(number(handle), deadline.tv_sec, deadline.tv_usec))
}

/// The `timeout_deregister` hook, which 4.2.0 and 4.2.1 call ([R13]).
///
/// # Safety
/// `user` as for [`fd_register`]. `named` is only compared.
pub unsafe extern "C" fn timeout_deregister<C: Owner>(user: *mut c_void, named: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { hooks::<C>(user) }.timeout_deregister(number(named));
}

/// # Safety
/// `user` is the address of a `Registry<C>` that lives.
unsafe fn hooks<'a, C: Owner>(user: *mut c_void) -> Hooks<'a, C> {
    // SAFETY: the caller's promise.
    unsafe { &*user.cast::<Registry<C>>() }.hooks()
}

/// Libxl wants its pointer back as a pointer, so its provenance is exposed.
fn value(for_libxl: *mut c_void) -> ClientValue {
    ClientValue(for_libxl.expose_provenance() as u64)
}

fn number(handle: *mut c_void) -> u64 {
    handle.addr() as u64
}

fn pointer(handle: u64) -> *mut c_void {
    without_provenance_mut(handle as usize)
}

fn code(answer: Result<(), i32>) -> c_int {
    answer.err().unwrap_or(0)
}
