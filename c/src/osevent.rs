use crate::exclusion::Exclusion;
use crate::hooks::HOOKS;
use crate::hosted::{Ctx, Functions, Hosted};
use osevent_core::{LockRule, Registry, current_thread};
use osevent_epoll::{CreateError, Reactor};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// `osevent`: the reactor, and the ctxs on it.
pub struct Osevent {
    reactor: Arc<Reactor>,
    /// Held for a few instructions, never across a call into libxl (O2).
    hosted: Mutex<Registries>,
    /// Goes with `hosted`: told whenever one is taken out.
    freed: Condvar,
}

/// These references keep the registries alive until their ctxs are freed, as libxl has their addresses (X1).
#[derive(Default)]
struct Registries {
    /// By the address of the ctx; from `host` until `libxl_ctx_free` begins.
    standing: HashMap<usize, Arc<Registry<Hosted>>>,
    /// From there until it has returned: the allocator may give the address to a new ctx meanwhile.
    freeing: Vec<Arc<Registry<Hosted>>>,
}

impl Registries {
    fn all(&self) -> impl Iterator<Item = &Arc<Registry<Hosted>>> {
        self.standing.values().chain(&self.freeing)
    }

    fn has(&self, registry: &Arc<Registry<Hosted>>) -> bool {
        self.all().any(|there| Arc::ptr_eq(there, registry))
    }
}

impl Osevent {
    pub(crate) fn new() -> Result<Arc<Self>, CreateError> {
        Ok(Arc::new(Self { reactor: Reactor::new()?, hosted: Mutex::default(), freed: Condvar::new() }))
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Hosts `ctx` and registers the hooks; false if it is hosted already.
    ///
    /// # Safety
    /// The ctx has just been allocated and nobody else uses it (X1); `functions` are those of its libxl. It is not freed
    /// but by us.
    pub(crate) unsafe fn host(self: &Arc<Self>, ctx: NonNull<Ctx>, functions: Functions) -> bool {
        let registry = {
            let mut hosted = self.hosted();
            let Entry::Vacant(place) = hosted.standing.entry(ctx.addr().get()) else { return false };
            let rule = if functions.serialized {
                LockRule::Serialized(Box::new(Exclusion::default()))
            } else {
                LockRule::Concurrent
            };
            let registry = Registry::new(self.reactor.clone(), rule, current_thread, |_| {
                // SAFETY: the caller's promise.
                unsafe { Hosted::new(ctx, functions, self.clone()) }
            });
            place.insert(registry).clone()
        };
        // A thread that knows the address already could have closed it: then it is freed, and not hosted any more.
        if let Ok(_call) = registry.enter() {
            // SAFETY: inside the gate, so the ctx lives. The hooks are static, and the registry is kept until the ctx
            // is freed (X1).
            unsafe { (functions.register_hooks)(ctx.as_ptr(), &HOOKS, Arc::as_ptr(&registry).cast_mut().cast()) };
        }
        true
    }

    /// The registry of the ctx at that address, if it is hosted: of the newer one, where an older one is being freed.
    pub(crate) fn find(&self, ctx: NonNull<Ctx>) -> Option<Arc<Registry<Hosted>>> {
        let hosted = self.hosted();
        let freeing = || hosted.freeing.iter().rfind(|registry| registry.client().ctx() == ctx);
        hosted.standing.get(&ctx.addr().get()).or_else(freeing).cloned()
    }

    pub(crate) fn hosts_any(&self) -> bool {
        self.hosted().all().next().is_some()
    }

    /// Whether this very one is hosted: not a newer one whose ctx has the same address.
    pub(crate) fn hosts(&self, registry: &Arc<Registry<Hosted>>) -> bool {
        self.hosted().has(registry)
    }

    /// Whether the calling thread is inside libxl with any ctx here.
    pub(crate) fn is_inside_any(&self) -> bool {
        self.hosted().all().any(|registry| registry.is_inside())
    }

    /// Waits until it is not hosted any more, `limit` at most, which is none by default; true if it is so.
    pub(crate) fn wait(&self, registry: &Arc<Registry<Hosted>>, limit: Option<Duration>) -> bool {
        let hosted = self.hosted();
        let Some(limit) = limit else {
            let until_freed = self.freed.wait_while(hosted, |hosted| hosted.has(registry));
            drop(until_freed.unwrap_or_else(PoisonError::into_inner));
            return true;
        };
        let until_freed = self.freed.wait_timeout_while(hosted, limit, |hosted| hosted.has(registry));
        !until_freed.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// `libxl_ctx_free` is about to begin, so the address may come back any time.
    pub(crate) fn freeing(&self, hosted: &Hosted) {
        let mut registries = self.hosted();
        let registry = registries.standing.remove(&hosted.ctx().addr().get());
        registries.freeing.extend(registry);
    }

    /// The ctx is freed: its registry is not needed by libxl any more.
    pub(crate) fn forget(&self, hosted: &Hosted) {
        let mut registries = self.hosted();
        let at = registries.freeing.iter().position(|registry| ptr::eq(registry.client(), hosted));
        // Taken out under the lock, dropped after it.
        let _registry = at.map(|at| registries.freeing.swap_remove(at));
        drop(registries);
        self.freed.notify_all();
    }

    /// Nothing panics while it is held.
    fn hosted(&self) -> MutexGuard<'_, Registries> {
        self.hosted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Osevent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Osevent").field("reactor", &self.reactor).finish_non_exhaustive()
    }
}
