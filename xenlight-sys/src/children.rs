//! Which code reaps libxl's child processes: `libxl_childproc_hooks` ([S1]).

#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_int, c_uint, c_void};

use libc::pid_t;

/// libxl handles SIGCHLD while it has children, and reaps every child of the process (the default).
pub const SIGCHLD_OWNER_LIBXL: c_uint = 0;
/// The host reports each child with [`Library::childproc_reaped`](crate::Library::childproc_reaped), and libxl does not handle
/// SIGCHLD. This is the only mode that works with hooks in all releases and with other SIGCHLD handlers ([S1], [S4]).
pub const SIGCHLD_OWNER_MAINLOOP: c_uint = 1;
/// libxl always handles SIGCHLD, and reaps every child of the process. With hooks this needs 4.4 or later ([S4]).
pub const SIGCHLD_OWNER_LIBXL_ALWAYS: c_uint = 2;
/// libxl always handles SIGCHLD, and reaps only its own children. Needs 4.4 or later.
pub const SIGCHLD_OWNER_LIBXL_ALWAYS_SELECTIVE_REAP: c_uint = 3;

/// `libxl_childproc_hooks`, for [`Library::childproc_setmode`](crate::Library::childproc_setmode). libxl keeps the pointer
/// until the ctx is freed ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ChildprocHooks {
    /// One of the `SIGCHLD_OWNER_…`.
    pub chldowner: c_uint,
    /// `(user)`: called instead of fork(2). It must behave like fork(2), including errno. It is called under the ctx lock, and
    /// also inside some children ([S7]).
    pub fork_replacement: Option<unsafe extern "C" fn(*mut c_void) -> pid_t>,
    /// `(pid, status, user)`: libxl has reaped a child that is not its own. Return 0 if the child is known, otherwise
    /// `ERROR_UNKNOWN_CHILD`. Not used with [`SIGCHLD_OWNER_MAINLOOP`]. The ctx is unlocked ([S7]).
    pub reaped_callback: Option<unsafe extern "C" fn(pid_t, c_int, *mut c_void) -> c_int>,
}
