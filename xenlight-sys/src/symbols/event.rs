//! The ctx, the event loop, events and children.

use super::table::symbol_table;
use crate::Ctx;
use crate::children::ChildprocHooks;
use crate::domain::AsyncopHow;
use crate::event::{Event, EventHooks, EventPredicate, EvgenDiskEject, EvgenDomainDeath, OseventHooks};
use crate::log::Logger;
#[cfg(doc)]
use crate::{Library, contract::*};
use core::ffi::{c_char, c_int, c_short, c_uint, c_void};
use libc::pid_t;

symbol_table! {
    /// # The ctx, the event loop, events and children
    Table in event;
    always {
        /// Creates a ctx. `version` is [`codes::LIBXL_VERSION`](crate::codes::LIBXL_VERSION), `flags` is 0, and the logger must
        /// not be NULL ([X9]). Fails with `ERROR_FAIL` without a hypervisor or xenstored.
        fn ctx_alloc(ctx: *mut *mut Ctx, version: c_int, flags: c_uint, logger: *mut Logger) -> c_int;
        /// Frees a ctx; NULL is allowed. No other call may be in progress ([X4]). No operation, child, timeout or unfreed event
        /// may be left ([X3], [E3]). It must not be called in a callback of libxl ([X5]). It calls `fd_deregister` ([X2]).
        fn ctx_free(ctx: *mut Ctx) -> c_int;
        /// Sets the hooks of the host. Call it once, right after [`Library::ctx_alloc`] ([X1]). It calls no hook.
        fn osevent_register_hooks(ctx: *mut Ctx, hooks: *const OseventHooks, user: *mut c_void);
        /// Reports that `fd` is ready. `for_libxl` is the value of `fd_register`, `events` that of `fd_register` or the last
        /// `fd_modify`. Must not be called in a hook ([O1]) or with a lock held that a hook takes ([O2]).
        fn osevent_occurred_fd(
            ctx: *mut Ctx, for_libxl: *mut c_void, fd: c_int, events: c_short, revents: c_short,
        );
        /// Reports that a timeout is due, exactly once for each registration ([O5]). Must not be called in a hook ([O1]) or with
        /// a lock held that a hook takes ([O2]).
        fn osevent_occurred_timeout(ctx: *mut Ctx, for_libxl: *mut c_void);
        /// Sets callbacks for events. Call it before any event is enabled and while no other call is in progress ([E5]).
        fn event_register_callbacks(ctx: *mut Ctx, hooks: *const EventHooks, user: *mut c_void);
        /// Takes an event that was not passed to a callback, whose type is in the mask and which the predicate, if any, accepts.
        /// `ERROR_NOT_READY` if there is none. Does not wait ([E8]).
        fn event_check(
            ctx: *mut Ctx, event: *mut *mut Event, typemask: u64,
            predicate: Option<EventPredicate>, predicate_user: *mut c_void,
        ) -> c_int;
        /// Frees an event, before its ctx is freed ([E3]).
        fn event_free(ctx: *mut Ctx, event: *mut Event);
        /// Returns an event as JSON, to be freed with free(3); NULL on failure.
        fn event_to_json(ctx: *mut Ctx, event: *mut Event) -> *mut c_char;
        /// Enables events for the shutdown (once, [E11]) and death of a domain, with this `for_user`.
        fn evenable_domain_death(
            ctx: *mut Ctx, domid: u32, for_user: u64, evgen: *mut *mut EvgenDomainDeath,
        ) -> c_int;
        /// Disables the events. Earlier events can still arrive ([E10]).
        fn evdisable_domain_death(ctx: *mut Ctx, evgen: *mut EvgenDomainDeath);
        /// Enables events for ejects of a virtual device, with this `for_user`. `vdev` is copied.
        fn evenable_disk_eject(
            ctx: *mut Ctx, domid: u32, vdev: *const c_char, for_user: u64,
            evgen: *mut *mut EvgenDiskEject,
        ) -> c_int;
        /// Disables the events. Earlier events can still arrive ([E10]).
        fn evdisable_disk_eject(ctx: *mut Ctx, evgen: *mut EvgenDiskEject);
        /// Sets which code reaps children. Call it after the osevent hooks are set and before there is a child ([S1], [X1]).
        fn childproc_setmode(ctx: *mut Ctx, hooks: *const ChildprocHooks, user: *mut c_void);
        /// Reports that a child has ended, with its wait status. The result is 0, or `ERROR_UNKNOWN_CHILD` if it is not a child
        /// of this ctx. Runs callbacks. Must not be called in a signal handler or after the ctx was freed ([S2]).
        fn childproc_reaped(ctx: *mut Ctx, pid: pid_t, status: c_int) -> c_int;
        /// Makes libxl release the ctx in a child that was forked without exec. This is the only call with the ctx that is
        /// allowed there ([X7]).
        fn postfork_child_noexec(ctx: *mut Ctx);
    }
    later {
        /// Reaps the children of this ctx that have ended. For the modes mainloop and selective_reap. Must
        /// not be called in a signal handler ([S2]).
        (4, 4) fn childproc_sigchld_occurred(ctx: *mut Ctx);
        /// Asks an operation to end early; the return codes are in [E6]. It calls hooks, and may run
        /// callbacks, including that of this operation, before it returns.
        (4, 6) fn ao_abort(ctx: *mut Ctx, how: *const AsyncopHow) -> c_int;
    }
    changed {
    }
}
