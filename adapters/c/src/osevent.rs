use crate::exclusion::Exclusion;
use crate::hooks::HOOKS;
use crate::hosted::{Ctx, Functions, Hosted};
use osevent_core::{LockRule, Registry, current_thread};
use osevent_epoll::{CreateError, Reactor};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// `osevent`: the reactor, and the ctxs on it.
pub struct Osevent {
    reactor: Arc<Reactor>,
    /// By the address of the ctx; from `host` until it is freed. These references keep the registries alive, as libxl
    /// has their addresses (X1). Held for a few instructions, never across a call into libxl (O2).
    hosted: Mutex<HashMap<usize, Arc<Registry<Hosted>>>>,
    /// Goes with `hosted`: told whenever one is taken out.
    freed: Condvar,
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
            let Entry::Vacant(place) = hosted.entry(ctx.addr().get()) else { return false };
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

    /// The ctx's registry, if it is hosted.
    pub(crate) fn find(&self, ctx: NonNull<Ctx>) -> Option<Arc<Registry<Hosted>>> {
        self.hosted().get(&ctx.addr().get()).cloned()
    }

    pub(crate) fn hosts_any(&self) -> bool {
        !self.hosted().is_empty()
    }

    /// Whether this very one is hosted: not a newer one whose ctx has the same address.
    pub(crate) fn hosts(&self, registry: &Arc<Registry<Hosted>>) -> bool {
        Self::has(&self.hosted(), registry)
    }

    /// Whether the calling thread is inside libxl with any ctx here.
    pub(crate) fn is_inside_any(&self) -> bool {
        self.hosted().values().any(|registry| registry.is_inside())
    }

    /// Waits until it is not hosted any more, `limit` at most, which is none by default; true if it is so.
    pub(crate) fn wait(&self, registry: &Arc<Registry<Hosted>>, limit: Option<Duration>) -> bool {
        let hosted = self.hosted();
        let Some(limit) = limit else {
            let until_freed = self.freed.wait_while(hosted, |hosted| Self::has(hosted, registry));
            drop(until_freed.unwrap_or_else(PoisonError::into_inner));
            return true;
        };
        let until_freed = self.freed.wait_timeout_while(hosted, limit, |hosted| Self::has(hosted, registry));
        !until_freed.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The ctx is freed: its address may come back any time, and its registry is not needed by libxl any more.
    pub(crate) fn forget(&self, hosted: &Hosted) {
        // Taken out under the lock, dropped after it.
        let _registry = self.hosted().remove(&hosted.ctx().addr().get());
        self.freed.notify_all();
    }

    fn has(hosted: &HashMap<usize, Arc<Registry<Hosted>>>, registry: &Arc<Registry<Hosted>>) -> bool {
        let there = hosted.get(&registry.guest().ctx().addr().get());
        there.is_some_and(|there| Arc::ptr_eq(there, registry))
    }

    /// Nothing panics while it is held.
    fn hosted(&self) -> MutexGuard<'_, HashMap<usize, Arc<Registry<Hosted>>>> {
        self.hosted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Osevent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Osevent").field("reactor", &self.reactor).finish_non_exhaustive()
    }
}
