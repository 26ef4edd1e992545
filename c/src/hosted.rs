//! The ctxs that are hosted, each as the core's client.

#[cfg(doc)]
use crate::contract::*;
use crate::libxl::{Ctx, Functions, Hooks};
use libc::c_void;
use osevent_core::{Client, ClientValue, HookCall, Interest, Owner, Readiness, RegistrationError, Registry};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// With the ctx's registry as the user pointer, which [`Registries`] keeps until the ctx is freed ([X1]).
pub(crate) static HOOKS: Hooks = Hooks {
    fd_register: osevent_hooks::fd_register::<Hosted>,
    fd_modify: osevent_hooks::fd_modify::<Hosted>,
    fd_deregister: osevent_hooks::fd_deregister::<Hosted>,
    timeout_register: osevent_hooks::timeout_register::<Hosted>,
    timeout_modify: osevent_hooks::timeout_modify::<Hosted>,
    timeout_deregister: osevent_hooks::timeout_deregister::<Hosted>,
};

/// One ctx, as the core's client.
pub(crate) struct Hosted {
    ctx: NonNull<Ctx>,
    functions: Functions,
    /// A circle, which `closed` opens.
    registries: Arc<Registries>,
    /// What a hook refused last, and why.
    refusal: Mutex<Option<(HookCall, RegistrationError)>>,
}

// SAFETY: libxl locks its ctx; any thread may call it while it is not being freed, which the gate sees to (X4).
unsafe impl Send for Hosted {}
// SAFETY: as above.
unsafe impl Sync for Hosted {}

impl Hosted {
    /// # Safety
    /// `functions` are those of the ctx's libxl, and the ctx lives until [`Client::release`] frees it.
    pub(crate) unsafe fn new(ctx: NonNull<Ctx>, functions: Functions, registries: Arc<Registries>) -> Self {
        Self { ctx, functions, registries, refusal: Mutex::default() }
    }

    /// Whether it is this ctx, among these.
    pub(crate) fn is(&self, registries: &Arc<Registries>, ctx: NonNull<Ctx>) -> bool {
        self.ctx == ctx && Arc::ptr_eq(&self.registries, registries)
    }

    /// What a hook refused last, and why; not a second time.
    pub(crate) fn take_refusal(&self) -> Option<(HookCall, RegistrationError)> {
        lock(&self.refusal).take()
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
        self.registries.freeing(self);
        // SAFETY: the gate is closed and empty (X4, X5). That operations have ended is the program's promise (X3).
        unsafe { (self.functions.ctx_free)(self.ctx.as_ptr()) };
    }
}

impl Owner for Hosted {
    fn closed(&self) {
        self.registries.forget(self);
    }

    fn hook_returns(&self, call: HookCall, answer: Result<u64, &RegistrationError>) {
        if let Err(error) = answer {
            *lock(&self.refusal) = Some((call, error.clone()));
        }
    }
}

/// The registries of the ctxs that are hosted. These references keep them alive until their ctxs are freed, as libxl has
/// their addresses ([X1]).
#[derive(Default)]
pub(crate) struct Registries {
    /// Held for a few instructions, never across a call into libxl ([O2]).
    tables: Mutex<Tables>,
    /// Goes with `tables`: told whenever one is taken out.
    freed: Condvar,
}

#[derive(Default)]
struct Tables {
    /// By the address of the ctx; from `add` until `libxl_ctx_free` begins.
    standing: HashMap<usize, Arc<Registry<Hosted>>>,
    /// From there until it has returned: the allocator may give the address to a new ctx meanwhile.
    freeing: Vec<Arc<Registry<Hosted>>>,
}

impl Tables {
    fn all(&self) -> impl Iterator<Item = &Arc<Registry<Hosted>>> {
        self.standing.values().chain(&self.freeing)
    }

    fn has(&self, registry: &Arc<Registry<Hosted>>) -> bool {
        self.all().any(|there| Arc::ptr_eq(there, registry))
    }
}

impl Registries {
    /// Adds the one that `make` makes; `None` if the ctx at that address is here already.
    pub(crate) fn add(
        &self,
        ctx: NonNull<Ctx>,
        make: impl FnOnce() -> Arc<Registry<Hosted>>,
    ) -> Option<Arc<Registry<Hosted>>> {
        let mut tables = self.tables();
        let Entry::Vacant(place) = tables.standing.entry(ctx.addr().get()) else { return None };
        Some(place.insert(make()).clone())
    }

    /// The registry of the ctx at that address, if it is hosted: of the newer one, where an older one is being freed.
    pub(crate) fn find(&self, ctx: NonNull<Ctx>) -> Option<Arc<Registry<Hosted>>> {
        let tables = self.tables();
        let freeing = || tables.freeing.iter().rfind(|registry| registry.client().ctx == ctx);
        tables.standing.get(&ctx.addr().get()).or_else(freeing).cloned()
    }

    pub(crate) fn are_none(&self) -> bool {
        self.tables().all().next().is_none()
    }

    /// Whether this very one is hosted: not a newer one whose ctx has the same address.
    pub(crate) fn have(&self, registry: &Arc<Registry<Hosted>>) -> bool {
        self.tables().has(registry)
    }

    /// Whether the calling thread is inside libxl with any ctx here.
    pub(crate) fn is_inside_any(&self) -> bool {
        self.tables().all().any(|registry| registry.is_inside())
    }

    /// Waits until it is not hosted any more, `limit` at most, which is none by default; true if it is so.
    pub(crate) fn wait(&self, registry: &Arc<Registry<Hosted>>, limit: Option<Duration>) -> bool {
        let tables = self.tables();
        let Some(limit) = limit else {
            let until_freed = self.freed.wait_while(tables, |tables| tables.has(registry));
            drop(until_freed.unwrap_or_else(PoisonError::into_inner));
            return true;
        };
        let until_freed = self.freed.wait_timeout_while(tables, limit, |tables| tables.has(registry));
        !until_freed.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// `libxl_ctx_free` is about to begin, so the address may come back any time.
    fn freeing(&self, hosted: &Hosted) {
        let mut tables = self.tables();
        let registry = tables.standing.remove(&hosted.ctx.addr().get());
        tables.freeing.extend(registry);
    }

    /// The ctx is freed: its registry is not needed by libxl any more.
    fn forget(&self, hosted: &Hosted) {
        let mut tables = self.tables();
        let at = tables.freeing.iter().position(|registry| ptr::eq(registry.client(), hosted));
        // Taken out under the lock, dropped after it.
        let _registry = at.map(|at| tables.freeing.swap_remove(at));
        drop(tables);
        self.freed.notify_all();
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }
}

/// Nothing panics while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
