//! Who reaps libxl's children: `libxl_childproc_hooks` ([S1]).

#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_int, c_uint, c_void};

use libc::pid_t;

/// libxl handles SIGCHLD while it has children, and reaps every child of the process (the default).
pub const SIGCHLD_OWNER_LIBXL: c_uint = 0;
/// The host reports each child with
/// [`Library::childproc_reaped`](crate::Library::childproc_reaped); libxl leaves SIGCHLD alone. The
/// only one that works in all releases with hooks and beside other handlers ([S1], [S4]).
pub const SIGCHLD_OWNER_MAINLOOP: c_uint = 1;
/// libxl handles SIGCHLD all the time, and reaps every child of the process. With hooks 4.4 and
/// later only ([S4]).
pub const SIGCHLD_OWNER_LIBXL_ALWAYS: c_uint = 2;
/// libxl handles SIGCHLD all the time, and reaps its own children alone; 4.4 and later.
pub const SIGCHLD_OWNER_LIBXL_ALWAYS_SELECTIVE_REAP: c_uint = 3;

/// `libxl_childproc_hooks`: given to
/// [`Library::childproc_setmode`](crate::Library::childproc_setmode), which keeps the pointer until
/// the ctx is freed ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ChildprocHooks {
    /// One of the `SIGCHLD_OWNER_…`.
    pub chldowner: c_uint,
    /// `(user)`: called instead of fork(2), which it must behave like, errno included. The ctx lock is
    /// held, and the call is made again inside some children ([S7]).
    pub fork_replacement: Option<unsafe extern "C" fn(*mut c_void) -> pid_t>,
    /// `(pid, status, user)`: libxl reaped a child that is not its own. 0 takes it,
    /// `ERROR_UNKNOWN_CHILD` disowns it. Not with [`SIGCHLD_OWNER_MAINLOOP`]. The ctx is unlocked ([S7]).
    pub reaped_callback: Option<unsafe extern "C" fn(pid_t, c_int, *mut c_void) -> c_int>,
}
