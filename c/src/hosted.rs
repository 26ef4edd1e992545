use crate::hooks::Hooks;
use crate::osevent::Osevent;
use libc::{c_int, c_short, c_void};
use osevent_core::{Client, ClientValue, Interest, Owner, Readiness, Token};
use std::collections::HashMap;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `libxl_ctx`
#[repr(C)]
#[derive(Debug)]
pub struct Ctx {
    // Libxl's own.
    _private: [u8; 0],
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
    /// Not 0 for Xen 4.2 (O2).
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
    occurred_fd: OccurredFd,
    occurred_timeout: OccurredTimeout,
    ctx_free: CtxFree,
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

/// One ctx, as the core's client.
pub(crate) struct Hosted {
    ctx: NonNull<Ctx>,
    functions: Functions,
    /// A circle, which `closed` opens.
    osevent: Arc<Osevent>,
    /// 4.2.0 passes timeout_deregister the address of the handle, and 4.2.1 the handle; they cannot
    /// be told apart (R13). So each handle is also found by where it was written to. Only for a serialized libxl.
    by_address: Mutex<HashMap<usize, Token>>,
}

// SAFETY: libxl locks its ctx; any thread may call it while it is not being freed, which the gate sees to (X4).
unsafe impl Send for Hosted {}
// SAFETY: as above.
unsafe impl Sync for Hosted {}

impl Hosted {
    /// # Safety
    /// `functions` are those of the ctx's libxl, and the ctx lives until [`Client::release`] frees it.
    pub(crate) unsafe fn new(ctx: NonNull<Ctx>, functions: Functions, osevent: Arc<Osevent>) -> Self {
        Self { ctx, functions, osevent, by_address: Mutex::default() }
    }

    pub(crate) fn ctx(&self) -> NonNull<Ctx> {
        self.ctx
    }

    /// Whether it is this ctx of this osevent.
    pub(crate) fn is(&self, osevent: &Arc<Osevent>, ctx: NonNull<Ctx>) -> bool {
        self.ctx == ctx && Arc::ptr_eq(&self.osevent, osevent)
    }

    /// The handle was written to that address.
    pub(crate) fn note_address(&self, address: usize, token: Token) {
        if self.functions.serialized {
            self.by_address().insert(address, token);
        }
    }

    /// The handle that was written there.
    pub(crate) fn take_by_address(&self, address: usize) -> Option<Token> {
        self.by_address().remove(&address)
    }

    /// Nothing panics while it is held.
    fn by_address(&self) -> MutexGuard<'_, HashMap<usize, Token>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pointer(value: ClientValue) -> *mut c_void {
        ptr::with_exposed_provenance_mut(value.0 as usize)
    }
}

impl Client for Hosted {
    fn occurred_fd(&self, value: ClientValue, fd: i32, asked: Interest, readiness: Readiness) {
        let (ctx, for_libxl) = (self.ctx.as_ptr(), Self::pointer(value));
        // SAFETY: the core calls this inside the gate, outside every hook (O1), holding no lock that
        // a hook takes (O2); `for_libxl` is what libxl registered, not dereferenced by us.
        unsafe { (self.functions.occurred_fd)(ctx, for_libxl, fd, asked.to_poll(), readiness.to_poll()) };
    }

    fn occurred_timeout(&self, value: ClientValue) {
        // SAFETY: as above; the core makes one occurrence for a registration (O5).
        unsafe { (self.functions.occurred_timeout)(self.ctx.as_ptr(), Self::pointer(value)) };
    }

    fn release(&self) {
        self.osevent.freeing(self);
        // SAFETY: the gate is closed and empty (X4, X5). That operations have ended is the program's promise (X3).
        unsafe { (self.functions.ctx_free)(self.ctx.as_ptr()) };
    }
}

impl Owner for Hosted {
    fn closed(&self) {
        self.osevent.forget(self);
    }
}
