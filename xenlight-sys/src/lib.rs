//! Raw bindings to Xen's libxl, loaded at run time.
//!
//! libxl's SONAME changes with every release of Xen, while the part of its interface that a host of
//! its event loop needs has been the same from 4.2 on. So nothing is linked: [`Library::load`] finds
//! the libxl that is installed, tells its [`Release`], and one binary serves every dom0 and starts
//! with a clear error on a machine that has none. Clause ids ([R2], [X1], …) are those of
//! `docs/contract.md`; "the header" is `libxl.h`, `libxl_event.h` or `libxl_utils.h`.
//!
//! # What is here
//!
//! - [`Library`]: a method for each function that every supported release has. For one that came
//!   later, the method returns an `Option` of the function; for one whose parameters changed, an
//!   enum with a variant for each form ([`by_release`]).
//! - [`event`], [`children`], [`log`]: the structs of hooks that libxl calls, and the head of an event.
//! - [`domain`]: structs that libxl takes or fills. Those whose layout varies by release have no
//!   fields: they are made in an [`Opaque`](domain::Opaque) buffer and read and written as JSON.
//! - [`codes`]: error codes, event types, shutdown reasons, and their names.
//!
//! # What it refuses to do
//!
//! No logic: no method checks its arguments, waits, converts or frees. No libxl struct that varies
//! by release is laid out. Nothing that blocks inside libxl's own poll loop is bound
//! (`libxl_event_wait`, `libxl_osevent_beforepoll`; [E8]). The library is never unloaded.
//!
//! # Rules for every call
//!
//! The methods of [`Library`] are `unsafe`: the caller promises what the header asks for, and
//!
//! 1. pointers are valid for what the header does with them, for as long as it says: usually the
//!    call, but the hooks structs, their user pointers and the logger until the ctx is freed ([X1]),
//!    and what an asynchronous operation was given until it completes ([E9]);
//! 2. the ctx came from [`Library::ctx_alloc`] of this very library and has not been freed, nor is
//!    it freed while the call is in progress ([X4]);
//! 3. the call is not made from inside an osevent hook, `fork_replacement`, the logger or
//!    `disaster` ([R15], [X9], [E4]), nor in a child after a fork ([X7]), except
//!    [`Library::postfork_child_noexec`];
//! 4. no callback given to libxl unwinds.
//!
//! # Threads
//!
//! [`Library`] is `Send` and `Sync`. libxl locks its ctx: any thread may make any call at any time,
//! but [`Library::ctx_free`] only when no other call on that ctx is in progress ([X4]) and
//! [`Library::event_register_callbacks`], [`Library::osevent_register_hooks`] and
//! [`Library::childproc_setmode`] before others begin ([E5], [X1]). Hooks and callbacks come on
//! whichever thread is inside libxl ([R1], [E1]). Any call can take long ([O12]).
//!
//! Strings that libxl returns as `*mut c_char` were allocated with malloc(3): the caller frees them
//! with free(3).
//!
//! # The shortest program
//!
//! ```no_run
//! use std::ffi::{c_char, c_int, c_uint};
//! use std::ptr;
//! use xenlight_sys::log::{Logger, VaList};
//! use xenlight_sys::{Library, codes};
//!
//! unsafe extern "C" fn quiet(
//!     _: *mut Logger, _: c_uint, _: c_int, _: *const c_char, _: *const c_char, _: VaList,
//! ) {}
//! unsafe extern "C" fn destroy(_: *mut Logger) {}
//!
//! let library = Library::load()?;
//! println!("libxl of Xen {} in {}", library.release(), library.path().display());
//!
//! let mut logger = Logger { vmessage: quiet, progress: None, destroy };
//! let mut ctx = ptr::null_mut();
//! // SAFETY: both pointers are good for the call, the logger until after ctx_free.
//! let rc = unsafe { library.ctx_alloc(&mut ctx, codes::LIBXL_VERSION, 0, &mut logger) };
//! match codes::error_name(rc) {
//!     Some(name) => eprintln!("no ctx: {name}"),
//!     // SAFETY: the ctx has just been made and nobody else has it.
//!     None => unsafe { library.ctx_free(ctx); },
//! }
//! # Ok::<(), xenlight_sys::LoadError>(())
//! ```
#![deny(missing_debug_implementations, clippy::exhaustive_enums)]

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "xenlight-sys knows libxl's struct layouts on 64-bit Linux only, and how a va_list is passed on x86-64 and aarch64 only"
);

pub mod by_release;
pub mod children;
pub mod codes;
#[cfg(doc)]
pub mod contract;
mod control;
pub mod domain;
mod error;
pub mod event;
mod library;
pub mod log;
mod release;
mod shared_object;
mod soname;
mod symbols;

#[cfg(doc)]
use contract::*;
pub use error::LoadError;
pub use release::Release;
pub use symbols::{Library, SYMBOLS, Symbol};

/// A `libxl_ctx`: one connection to Xen's toolstack, with its lock, watches and operations.
///
/// Only libxl makes one; see [`Library::ctx_alloc`].
#[repr(C)]
#[derive(Debug)]
pub struct Ctx {
    _opaque: [u8; 0],
}
