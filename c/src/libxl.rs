//! The types of libxl that `osevent.h` uses, and the hooks that libxl gets.

#[cfg(doc)]
use crate::contract::*;
use libc::{c_int, c_short, c_void, timeval};

/// `libxl_ctx`
#[repr(C)]
#[derive(Debug)]
pub struct Ctx {
    // Libxl's own.
    _private: [u8; 0],
}

/// `libxl_osevent_hooks`
#[repr(C)]
#[derive(Debug)]
pub struct Hooks {
    pub(crate) fd_register: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short, *mut c_void) -> c_int,
    pub(crate) fd_modify: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short) -> c_int,
    pub(crate) fd_deregister: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void),
    pub(crate) timeout_register: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval, *mut c_void) -> c_int,
    pub(crate) timeout_modify: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval) -> c_int,
    pub(crate) timeout_deregister: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// `struct osevent_libxl`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Libxl {
    /// `libxl_osevent_register_hooks`
    pub register_hooks: Option<RegisterHooks>,
    /// `libxl_osevent_occurred_fd`
    pub occurred_fd: Option<OccurredFd>,
    /// `libxl_osevent_occurred_timeout`
    pub occurred_timeout: Option<OccurredTimeout>,
    /// `libxl_ctx_free`
    pub ctx_free: Option<CtxFree>,
    /// Nonzero for Xen 4.2 ([O2]).
    pub serialized: c_int,
}

/// The type of `libxl_osevent_register_hooks`.
pub(crate) type RegisterHooks = unsafe extern "C" fn(*mut Ctx, *const Hooks, *mut c_void);
/// The type of `libxl_osevent_occurred_fd`.
pub(crate) type OccurredFd = unsafe extern "C" fn(*mut Ctx, *mut c_void, c_int, c_short, c_short);
/// The type of `libxl_osevent_occurred_timeout`.
pub(crate) type OccurredTimeout = unsafe extern "C" fn(*mut Ctx, *mut c_void);
/// The type of `libxl_ctx_free`.
pub(crate) type CtxFree = unsafe extern "C" fn(*mut Ctx) -> c_int;

/// [`Libxl`] with nothing missing.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    pub(crate) register_hooks: RegisterHooks,
    pub(crate) occurred_fd: OccurredFd,
    pub(crate) occurred_timeout: OccurredTimeout,
    pub(crate) ctx_free: CtxFree,
    pub(crate) serialized: bool,
}

impl Libxl {
    /// `None` if one is missing.
    pub(crate) fn functions(&self) -> Option<Functions> {
        Some(Functions {
            register_hooks: self.register_hooks?,
            occurred_fd: self.occurred_fd?,
            occurred_timeout: self.occurred_timeout?,
            ctx_free: self.ctx_free?,
            serialized: self.serialized != 0,
        })
    }
}
