//! What the core tells of a ctx, and where that goes.

use crate::children::Children;
#[cfg(doc)]
use crate::contract::*;
use crate::hosted::{DeliverySource, Hosted};
use crate::trace::Trace;
use crate::{child_watch, close, delivery, follow, inside, lock, watch, work};
use osevent_core::{Client, ClientValue, HookCall, Interest, Owner, Readiness, RegistrationError};
use std::os::fd::RawFd;
use xenlight_sys::event::OseventHooks;

/// The delivery source's two.
pub(crate) const QUEUE: ClientValue = ClientValue(0);
pub(crate) const LINK: ClientValue = ClientValue(1);

/// Children are numbered from 1 on.
pub(crate) const WORK: ClientValue = ClientValue(0);

/// With the ctx's registry as the user pointer, which the ctx's owner keeps until the ctx is freed ([X1]).
pub(crate) static HOOKS: OseventHooks = OseventHooks {
    fd_register: osevent_hooks::fd_register::<Hosted>,
    fd_modify: osevent_hooks::fd_modify::<Hosted>,
    fd_deregister: osevent_hooks::fd_deregister::<Hosted>,
    timeout_register: osevent_hooks::timeout_register::<Hosted>,
    timeout_modify: osevent_hooks::timeout_modify::<Hosted>,
    timeout_deregister: osevent_hooks::timeout_deregister::<Hosted>,
};

impl Client for Hosted {
    fn occurred_fd(&self, value: ClientValue, fd: i32, asked: Interest, readiness: Readiness) {
        let (ctx, for_libxl) = (self.raw_inside(), Self::pointer(value));
        let (events, revents) = (asked.to_poll(), readiness.to_poll());
        self.hooks.trace(Trace::FdOccurrence { value: value.0, fd, events, revents });
        // Libxl's pipe for SIGCHLD may be this fd, and is for all children: it comes and goes with them.
        let serves_several = self.children.owner() == Children::Libxl;
        let owner = if serves_several { None } else { self.hearing().owner(value.0) };
        let _attending = self.hearing().attend(owner);
        // SAFETY: the core calls this inside the gate, outside every hook (O1), holding no lock that
        // a hook takes (O2); `for_libxl` is what libxl registered, not dereferenced by us.
        unsafe { self.library().osevent_occurred_fd(ctx, for_libxl, fd, events, revents) };
        self.hooks.trace(Trace::OccurrenceReturned);
    }

    fn occurred_timeout(&self, value: ClientValue) {
        self.hooks.trace(Trace::TimeoutOccurrence { value: value.0 });
        let _attending = self.hearing().attend(self.hearing().owner(value.0));
        // SAFETY: as above; the core makes one occurrence for a registration (O5).
        unsafe { self.library().osevent_occurred_timeout(self.raw_inside(), Self::pointer(value)) };
        self.hooks.trace(Trace::OccurrenceReturned);
    }

    fn release(&self) {
        self.hooks.trace(Trace::Free);
        // SAFETY: the gate is closed and empty (X4, X5). Operations and children have ended (X3),
        // the evgens are off.
        unsafe { self.library().ctx_free(self.raw_inside()) };
        self.hooks.trace(Trace::Freed);
    }
}

impl Owner for Hosted {
    fn closed(&self) {
        close::finished(self);
        // Not the last reference: whoever called into the registry has one.
        let _kept = lock(&self.keep).take();
    }

    fn idle(&self) {
        let Some(registry) = self.registry.upgrade() else { return };
        watch::disable_dropped(&registry);
        match &self.worker {
            Some(worker) if !worker.is_current() => worker.post(&registry, close::step),
            _ => close::step(&registry),
        }
    }

    fn own_fd(&self, value: ClientValue, _: Readiness) {
        let Some(registry) = self.registry.upgrade() else { return };
        match &self.worker {
            Some(worker) if value == WORK => work::own_fd(&registry, worker),
            _ if follow::watches(value) => follow::own_fd(&registry, value),
            _ => child_watch::own_fd(&registry, value),
        }
    }

    fn own_timeout(&self, value: ClientValue) {
        let Some(registry) = self.registry.upgrade() else { return };
        match value {
            inside::LATER => registry.when_idle(),
            follow::AGAIN => follow::own_timeout(&registry),
            _ => child_watch::own_timeout(&registry),
        }
    }

    fn hook_called(&self, call: HookCall) {
        self.hooks.called(self.hearing(), call);
    }

    fn hook_returns(&self, call: HookCall, answer: Result<u64, &RegistrationError>) {
        self.hooks.returns(self.hearing(), call, answer);
    }
}

impl Client for DeliverySource {
    fn occurred_fd(&self, _: ClientValue, _: RawFd, _: Interest, _: Readiness) {}

    fn occurred_timeout(&self, _: ClientValue) {}

    fn release(&self) {}
}

impl Owner for DeliverySource {
    fn own_fd(&self, value: ClientValue, _: Readiness) {
        let Some(registry) = self.0.upgrade() else { return };
        let hosted = registry.client();
        match value {
            LINK => hosted.link.ready(hosted.delivery_source(), &hosted.queue),
            _ => delivery::own_fd(hosted),
        }
    }
}
