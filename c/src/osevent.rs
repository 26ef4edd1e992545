#[cfg(doc)]
use crate::contract::*;
use crate::hosted::{HOOKS, Hosted, Registries};
use crate::libxl::{Ctx, Functions};
use osevent_core::{Exclusion, LockRule, Registry, current_thread};
use osevent_epoll::{CreateError, Reactor};
use std::ptr::NonNull;
use std::sync::Arc;

/// `osevent`: the reactor, and the ctxs on it.
pub struct Osevent {
    reactor: Arc<Reactor>,
    hosted: Arc<Registries>,
}

impl Osevent {
    pub(crate) fn new() -> Result<Arc<Self>, CreateError> {
        Ok(Arc::new(Self { reactor: Reactor::new()?, hosted: Arc::default() }))
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    pub(crate) fn hosted(&self) -> &Arc<Registries> {
        &self.hosted
    }

    /// Hosts `ctx` and registers the hooks; false if it is hosted already.
    ///
    /// # Safety
    /// The ctx has just been allocated and nobody else uses it ([X1]); `functions` are those of its libxl. It is not freed
    /// but by us.
    pub(crate) unsafe fn host(&self, ctx: NonNull<Ctx>, functions: Functions) -> bool {
        let added = self.hosted.add(ctx, || {
            let rule = if functions.serialized {
                LockRule::Serialized(Box::new(Exclusion::default()))
            } else {
                LockRule::Concurrent
            };
            Registry::new(self.reactor.clone(), rule, current_thread, |_| {
                // SAFETY: the caller's promise.
                unsafe { Hosted::new(ctx, functions, self.hosted.clone()) }
            })
        });
        let Some(registry) = added else { return false };
        // A thread that knows the address already could have closed it: then it is freed, and not hosted any more.
        if let Ok(_call) = registry.enter() {
            // SAFETY: inside the gate, so the ctx lives. The hooks are static, and the registry is kept until the ctx
            // is freed (X1).
            unsafe { (functions.register_hooks)(ctx.as_ptr(), &HOOKS, Arc::as_ptr(&registry).cast_mut().cast()) };
        }
        true
    }
}

impl std::fmt::Debug for Osevent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Osevent").field("reactor", &self.reactor).finish_non_exhaustive()
    }
}
