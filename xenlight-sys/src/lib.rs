//! Raw bindings to Xen's libxl, loaded at run time.
//!
//! libxl's SONAME changes with every release of Xen, but the event interface has been the same since 4.2. So nothing is linked.
//! [`Library::load`] loads the installed libxl and determines its [`Release`]. One binary runs in every dom0, and on a machine
//! without libxl it starts and gets a clear error. Ids such as [R2] are clauses of `docs/contract.md`. "The header" is
//! `libxl.h`, `libxl_event.h` or `libxl_utils.h`.
//!
//! # Overview
//!
//! - [`Library`]: a method for each function that all supported releases have. For a function of later releases, the method
//!   returns an `Option` of the function. For a function whose parameters changed, it returns an enum with a variant for each
//!   form ([`by_release`]).
//! - [`event`], [`children`], [`log`]: the structs of hooks that libxl calls, and the head of an event.
//! - [`domain`]: structs that libxl reads or fills in. Structs whose layout varies by release have no fields. They are created
//!   in an [`Opaque`](domain::Opaque) buffer and are read and written as JSON.
//! - [`StructFunctions`]: the functions that each struct has, such as `_init`, found by the name of the struct.
//! - [`codes`]: error codes, event types, shutdown reasons, and their names.
//!
//! # What it does not do
//!
//! It has no logic: no method checks its arguments, waits, converts or frees. It defines no struct of libxl whose layout varies
//! by release. It does not bind functions that run libxl's own poll loop (`libxl_event_wait`, `libxl_osevent_beforepoll`;
//! [E8]), that replace the process (`libxl_console_exec`), or whose work Rust's own types do (`libxl_bitmap_set`); all others of
//! the three headers are there. It never unloads the library.
//!
//! # Rules for every call
//!
//! The methods of [`Library`] are `unsafe`. The caller has to follow the header and these rules:
//!
//! 1. Pointers are valid as long as the header requires. Usually this is the duration of the call. The hooks structs, their user
//!    pointers and the logger are valid until the ctx is freed ([X1]), and the arguments of an asynchronous operation until it
//!    completes ([E9]).
//! 2. The ctx is from [`Library::ctx_alloc`] of the same library, has not been freed, and is not freed while the call is in
//!    progress ([X4]).
//! 3. The call is not made inside an osevent hook, `fork_replacement`, the logger or `disaster` ([R15], [X9], [E4]), nor in a
//!    child after a fork ([X7]), except [`Library::postfork_child_noexec`].
//! 4. No callback that is passed to libxl unwinds.
//!
//! # Threads
//!
//! [`Library`] is `Send` and `Sync`. libxl locks its ctx, so any thread may make any call at any time, with two exceptions:
//! [`Library::ctx_free`] is only allowed when no other call on that ctx is in progress ([X4]).
//! [`Library::event_register_callbacks`], [`Library::osevent_register_hooks`] and [`Library::childproc_setmode`] have to come
//! before all other calls ([E5], [X1]). Hooks and callbacks run on any thread that is inside libxl ([R1], [E1]). Any call can
//! take long ([O12]).
//!
//! # What functions have in common
//!
//! - A `c_int` that is returned is 0 or one of [`codes`], unless the function says something else.
//! - Strings that libxl returns as `*mut c_char` are allocated with malloc(3). The caller frees them with free(3).
//! - A function that returns an array writes its length to `count`. The array is for the `_list_free` function of its struct
//!   ([`Library::struct_list_free`]). The size of an element varies by release ([`StructFunctions::init`]).
//! - A function with a `how` begins an operation, and returns before it is complete. With NULL it blocks until then, in libxl's
//!   own loop ([E8]). Structs that it was given must remain valid until completion ([E9]).
//! - Other functions are done when they return. They make hypercalls and ask xenstored, and do not wait for a domain.
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
mod structs;
mod symbols;
mod xenstore;

#[cfg(doc)]
use contract::*;
pub use error::LoadError;
pub use release::Release;
pub use structs::StructFunctions;
pub use symbols::{Library, SYMBOLS, Symbol};
pub use xenstore::XenstoreFunctions;

/// A `libxl_ctx`: a connection to Xen's toolstack, with its lock, watches and operations.
///
/// Only libxl creates it; see [`Library::ctx_alloc`].
#[repr(C)]
#[derive(Debug)]
pub struct Ctx {
    _opaque: [u8; 0],
}
