//! The reactor for C programs: `libosevent.so` and `libosevent.a`. `include/osevent.h` declares and documents the functions.
//!
//! It is for C programs that use libxl's own interface, with any event loop. Rust programs use `osevent-epoll` and `xenlight`
//! instead.
//!
//! `make && make install prefix=/usr/local` in this folder builds and installs the libraries, the header, its manual
//! and `osevent.pc` for pkg-config. It needs cargo, make and a C compiler.
//!
//! # What it does not do
//! It neither links nor loads libxl: the program passes libxl's functions with each ctx. It starts no thread, installs no
//! signal handler, prints nothing, and calls no code except libxl.
//!
//! # Handles
//! A ctx is identified by its `libxl_ctx` pointer. The pointer is looked up and never dereferenced, so a call after the ctx was
//! freed is an error. If a newer ctx has the same address, the call affects the newer one, which exists and whose gate counts
//! the call. The `osevent` pointer is a counted reference: each call holds its own until it returns.
//!
//! # Panics
//! Only a broken invariant of this project panics. The panic ends the process before it reaches C code.
#![cfg(target_os = "linux")]
#![expect(clippy::missing_safety_doc, reason = "include/osevent.h says what callers promise")]
#![deny(missing_debug_implementations)]

mod calls;
#[cfg(doc)]
pub mod contract;
mod hosted;
mod libxl;
mod osevent;

#[cfg(doc)]
use contract::*;
pub use libxl::{Ctx, Hooks, Libxl};
pub use osevent::Osevent;

use libc::{c_char, c_int};
use osevent_core::{Closed, LoopError};
use osevent_epoll::CreateError;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

/// `osevent_new`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_new(made: *mut *const Osevent) -> c_int {
    if made.is_null() {
        return -libc::EINVAL;
    }
    match Osevent::new() {
        Ok(ev) => {
            // SAFETY: the caller gives a place to write to.
            unsafe { made.write(Arc::into_raw(ev)) };
            0
        }
        Err(CreateError::TooManyFiles) => -libc::EMFILE,
        Err(CreateError::Os { errno, .. }) => -errno,
        Err(_) => -libc::ENFILE,
    }
}

/// `osevent_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_free(ev: *const Osevent) -> c_int {
    if ev.is_null() {
        return 0;
    }
    // SAFETY: the caller's pointer. In a forked child nobody is asked, since that takes a lock.
    if unsafe { share(ev) }.is_ok_and(|shared| !shared.hosted().are_none()) {
        return -libc::EBUSY;
    }
    // SAFETY: the reference that `osevent_new` gave; nobody uses the pointer after this.
    drop(unsafe { Arc::from_raw(ev) });
    0
}

/// `osevent_fd`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_fd(ev: *const Osevent) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { share(ev) }.map_or_else(|refused| refused, |ev| ev.reactor().as_raw_fd())
}

/// `osevent_dispatch`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_dispatch(ev: *const Osevent) -> c_int {
    // SAFETY: the caller's pointer.
    let ev = match unsafe { share(ev) } {
        Ok(ev) => ev,
        Err(refused) => return refused,
    };
    if ev.hosted().is_inside_any() {
        return -libc::EDEADLK;
    }
    match ev.reactor().dispatch() {
        Ok(made) => c_int::try_from(made).unwrap_or(c_int::MAX),
        Err(LoopError::Os(errno)) => -errno,
        Err(_) => -libc::EIO,
    }
}

/// `osevent_host_libxl`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_host_libxl(ev: *const Osevent, ctx: *mut Ctx, libxl: *const Libxl) -> c_int {
    // SAFETY: the caller's pointer.
    let (ev, ctx) = match unsafe { share_with(ev, ctx) } {
        Ok(both) => both,
        Err(refused) => return refused,
    };
    // SAFETY: null, or the caller's struct, which is read during this call only.
    let Some(functions) = (unsafe { libxl.as_ref() }).and_then(Libxl::functions) else { return -libc::EINVAL };
    // SAFETY: the caller gives a ctx that libxl_ctx_alloc has just made, and libxl's functions for it.
    if unsafe { ev.host(ctx, functions) } { 0 } else { -libc::EEXIST }
}

/// `osevent_enter`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_enter(ev: *const Osevent, ctx: *mut Ctx) -> c_int {
    // SAFETY: the caller's pointer.
    let (ev, ctx) = match unsafe { share_with(ev, ctx) } {
        Ok(both) => both,
        Err(refused) => return refused,
    };
    let Some(registry) = ev.hosted().find(ctx) else { return -libc::ENOENT };
    match calls::enter(registry) {
        Ok(()) => 0,
        Err(Closed) => -libc::ESHUTDOWN,
    }
}

/// `osevent_leave`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_leave(ev: *const Osevent, ctx: *mut Ctx) -> c_int {
    // SAFETY: the caller's pointer.
    let (ev, ctx) = match unsafe { share_with(ev, ctx) } {
        Ok(both) => both,
        Err(refused) => return refused,
    };
    if calls::leave(|hosted| hosted.is(ev.hosted(), ctx)) { 0 } else { -libc::EPERM }
}

/// `osevent_close`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_close(ev: *const Osevent, ctx: *mut Ctx) -> c_int {
    // SAFETY: the caller's pointer.
    let (ev, ctx) = match unsafe { share_with(ev, ctx) } {
        Ok(both) => both,
        Err(refused) => return refused,
    };
    let Some(registry) = ev.hosted().find(ctx) else { return -libc::ENOENT };
    registry.close();
    if ev.hosted().have(&registry) { -libc::EINPROGRESS } else { 0 }
}

/// `osevent_wait`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_wait(ev: *const Osevent, ctx: *mut Ctx, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's pointer.
    let (ev, ctx) = match unsafe { share_with(ev, ctx) } {
        Ok(both) => both,
        Err(refused) => return refused,
    };
    let Some(registry) = ev.hosted().find(ctx) else { return 0 };
    if registry.is_inside() {
        return -libc::EDEADLK;
    }
    let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    if ev.hosted().wait(&registry, limit) { 0 } else { -libc::ETIMEDOUT }
}

/// `osevent_refusal`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn osevent_refusal(ev: *const Osevent, ctx: *mut Ctx, text: *mut c_char, size: usize) -> c_int {
    // SAFETY: the caller's pointer.
    let (ev, ctx) = match unsafe { share_with(ev, ctx) } {
        Ok(both) => both,
        Err(refused) => return refused,
    };
    let Some(registry) = ev.hosted().find(ctx) else { return -libc::ENOENT };
    let refusal = registry.client().take_refusal();
    let words = refusal.map_or_else(String::new, |(call, error)| format!("{call}: {error}"));
    if !text.is_null() && size > 0 {
        let written = words.len().min(size - 1);
        // SAFETY: the caller's `size` bytes at `text`, of which this is one fewer at most; the words are elsewhere.
        unsafe { ptr::copy_nonoverlapping(words.as_ptr(), text.cast(), written) };
        // SAFETY: the byte behind is one of them, too.
        unsafe { text.add(written).write(0) };
    }
    c_int::try_from(words.len()).unwrap_or(c_int::MAX)
}

/// A reference of our own to what the caller's pointer names.
///
/// # Errors
/// The result to return: for null, and in a forked child of the process that made it, where nothing of it may be used ([X7]).
///
/// # Safety
/// `ev` is null, or comes from [`osevent_new`] and was not given to [`osevent_free`] yet.
unsafe fn share(ev: *const Osevent) -> Result<Arc<Osevent>, c_int> {
    if ev.is_null() {
        return Err(-libc::EINVAL);
    }
    // SAFETY: by the caller's promise, a pointer of Arc::into_raw whose reference is alive.
    unsafe { Arc::increment_strong_count(ev) };
    // SAFETY: the reference of the line before.
    let shared = unsafe { Arc::from_raw(ev) };
    if shared.reactor().is_forked() { Err(-libc::EACCES) } else { Ok(shared) }
}

/// The same, for a call on a ctx.
///
/// # Errors
/// As above; also for a null ctx.
///
/// # Safety
/// As above.
unsafe fn share_with(ev: *const Osevent, ctx: *mut Ctx) -> Result<(Arc<Osevent>, NonNull<Ctx>), c_int> {
    // SAFETY: the caller's promise.
    let shared = unsafe { share(ev) }?;
    Ok((shared, NonNull::new(ctx).ok_or(-libc::EINVAL)?))
}
