//! A loaded libxl, and its symbol table: one declaration of each function makes its entry, its loading and its caller.

#[cfg(doc)]
use crate::contract::*;
use core::any::type_name;
use core::ffi::{c_char, c_int, c_short, c_uint, c_void};
use core::fmt;
use std::path::PathBuf;

use libc::pid_t;

use crate::Ctx;
use crate::by_release::{ByRelease, CreateRestore, DomainControl, FreeMemory, RetrieveConfiguration, function};
use crate::children::ChildprocHooks;
use crate::control::Control;
use crate::domain::{
    AsyncopHow, AsyncprogressHow, DeviceDisk, DeviceNic, DomainConfig, Dominfo, RestoreParams, VersionInfo, Vminfo,
};
use crate::error::LoadError;
use crate::event::{Event, EventHooks, EventPredicate, EvgenDiskEject, EvgenDomainDeath, OseventHooks};
use crate::log::Logger;
use crate::release::Release;
use crate::shared_object::SharedObject;

/// A loaded libxl, with its functions as methods.
///
/// It stays loaded until the process ends, also after this is dropped, so pointers to its functions remain valid. See the
/// [crate] for the rules for every call.
pub struct Library {
    pub(crate) table: Table,
    pub(crate) control: Option<Control>,
    pub(crate) release: Release,
    pub(crate) path: PathBuf,
}

/// A function of libxl, as this crate declares it.
#[derive(Clone, Copy)]
pub struct Symbol {
    /// Its name in the library, `libxl_…`.
    pub name: &'static str,
    /// The first release that has it. A later release without it is not loaded.
    pub since: Release,
    signature: fn(Release) -> &'static str,
}

impl Symbol {
    /// The type that this crate uses for it with `release`, as text. For tests and reports.
    pub fn signature(&self, release: Release) -> &'static str {
        (self.signature)(release)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbol").field("name", &self.name).field("since", &self.since).finish_non_exhaustive()
    }
}

/// Declares `libxl_` functions in three groups: those that every supported release has alike become
/// methods; those that came `later`, methods that return an `Option` of the function; those whose
/// parameters `changed`, methods that return the enum of its forms.
macro_rules! symbol_table {
    (
        always {
            $( $(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?; )*
        }
        later {
            $( $(#[$later_doc:meta])* $since:ident fn $later:ident($($later_ty:ty),* $(,)?) $(-> $later_ret:ty)?; )*
        }
        changed {
            $( $(#[$changed_doc:meta])* $changed:ident: $forms:ty; )*
        }
    ) => {
        pub(crate) struct Table {
            $( $name: unsafe extern "C" fn($($ty),*) $(-> $ret)?, )*
            $( $later: Option<unsafe extern "C" fn($($later_ty),*) $(-> $later_ret)?>, )*
            $( $changed: $forms, )*
        }

        impl Table {
            /// Finds each symbol that `release` must have.
            pub(crate) fn find(object: &SharedObject, release: Release) -> Result<Self, LoadError> {
                let since = |first: Release, symbol| {
                    if release < first { Ok(None) } else { object.require(symbol).map(Some) }
                };
                Ok(Self {
                    $( $name: {
                        let address = object.require(concat!("libxl_", stringify!($name)))?;
                        // SAFETY: the function of this name has this type in every supported release
                        // (tests/against_c.rs), and a SharedObject is never unloaded.
                        unsafe { function(address) }
                    }, )*
                    $( $later: since(Release::$since, concat!("libxl_", stringify!($later)))?
                        // SAFETY: likewise, in each release since that.
                        .map(|address| unsafe { function(address) }), )*
                    $( $changed: {
                        let address = since(
                            <$forms as ByRelease>::SINCE,
                            concat!("libxl_", stringify!($changed)),
                        )?;
                        // SAFETY: the symbol of this release, in an object that is never unloaded.
                        unsafe { <$forms as ByRelease>::form(release, address) }
                    }, )*
                })
            }
        }

        impl Library {
            $(
                $(#[$doc])*
                ///
                /// # Safety
                ///
                /// The [rules for every call](crate#rules-for-every-call), and what the header asks for.
                #[allow(clippy::too_many_arguments, reason = "libxl's parameters")]
                pub unsafe fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: the function is loaded and of this type; the rest is the caller's promise.
                    unsafe { (self.table.$name)($($arg),*) }
                }
            )*
            $(
                $(#[$later_doc])*
                pub fn $later(&self) -> Option<unsafe extern "C" fn($($later_ty),*) $(-> $later_ret)?> {
                    self.table.$later
                }
            )*
            $(
                $(#[$changed_doc])*
                pub fn $changed(&self) -> $forms {
                    self.table.$changed
                }
            )*
        }

        /// Every function that this crate knows of.
        pub const SYMBOLS: &[Symbol] = &[
            $( Symbol {
                name: concat!("libxl_", stringify!($name)),
                since: Release::V4_2,
                signature: |_| type_name::<unsafe extern "C" fn($($ty),*) $(-> $ret)?>(),
            }, )*
            $( Symbol {
                name: concat!("libxl_", stringify!($later)),
                since: Release::$since,
                signature: |_| type_name::<unsafe extern "C" fn($($later_ty),*) $(-> $later_ret)?>(),
            }, )*
            $( Symbol {
                name: concat!("libxl_", stringify!($changed)),
                since: <$forms as ByRelease>::SINCE,
                signature: <$forms as ByRelease>::signature,
            }, )*
        ];
    };
}

symbol_table! {
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

        /// Returns all domains except stub domains (4.6 and earlier: also without domain 0), as an array for
        /// [`Library::vminfo_list_free`]; NULL on failure. Slow with many domains.
        fn list_vm(ctx: *mut Ctx, count: *mut c_int) -> *mut Vminfo;
        /// Frees the array of [`Library::list_vm`].
        fn vminfo_list_free(list: *mut Vminfo, count: c_int);
        /// Returns the state of all domains, including domain 0, as an array for [`Library::dominfo_list_free`]; NULL on failure.
        /// The size of an entry varies by release: it is the number of bytes that [`Library::dominfo_init`] clears. Faster than
        /// [`Library::list_vm`].
        fn list_domain(ctx: *mut Ctx, count: *mut c_int) -> *mut Dominfo;
        /// Frees the array of [`Library::list_domain`].
        fn dominfo_list_free(list: *mut Dominfo, count: c_int);
        /// Fills in the state of a domain. If it does not exist: `ERROR_INVAL`, or `ERROR_DOMAIN_NOTFOUND` from 4.6 on.
        fn domain_info(ctx: *mut Ctx, info: *mut Dominfo, domid: u32) -> c_int;
        /// Initializes a `Dominfo` in raw memory.
        fn dominfo_init(info: *mut Dominfo);
        /// Frees the memory that it points to.
        fn dominfo_dispose(info: *mut Dominfo);
        /// Returns it as JSON, to be freed with free(3); NULL on failure. Values that are false, zero or nil are omitted.
        fn dominfo_to_json(ctx: *mut Ctx, info: *mut Dominfo) -> *mut c_char;
        /// Returns the domain's name, to be freed with free(3); NULL if it has none.
        fn domid_to_name(ctx: *mut Ctx, domid: u32) -> *mut c_char;
        /// Finds the domain with this name. Queries all domains first.
        fn name_to_domid(ctx: *mut Ctx, name: *const c_char, domid: *mut u32) -> c_int;

        /// Initializes a `DomainConfig` in raw memory.
        fn domain_config_init(config: *mut DomainConfig);
        /// Frees the memory that it points to.
        fn domain_config_dispose(config: *mut DomainConfig);
        /// Returns it as JSON, to be freed with free(3); NULL on failure. Values that are false, zero or nil are omitted.
        fn domain_config_to_json(ctx: *mut Ctx, config: *mut DomainConfig) -> *mut c_char;

        /// Creates a domain, paused. The configuration and the address of `domid` must remain valid until completion ([E9]). Can
        /// take seconds, also with an `AsyncopHow` ([O12]). It may write `domid` even if it fails.
        fn domain_create_new(
            ctx: *mut Ctx, config: *mut DomainConfig, domid: *mut u32, how: *const AsyncopHow,
            console: *const AsyncprogressHow,
        ) -> c_int;
        /// Suspends the domain and writes its state to `fd`, which must remain open until completion. `flags` are
        /// `codes::SUSPEND_…`. The domain remains suspended, also after a failure: destroy or resume it.
        fn domain_suspend(
            ctx: *mut Ctx, domid: u32, fd: c_int, flags: c_int, how: *const AsyncopHow,
        ) -> c_int;
        /// Resumes a suspended domain. With `suspend_cancel` 1, its suspend call returns "cancelled", which its kernel must
        /// support. With 0, its kernel has to set itself up again, as after a restore.
        fn domain_resume(
            ctx: *mut Ctx, domid: u32, suspend_cancel: c_int, how: *const AsyncopHow,
        ) -> c_int;
        /// Destroys a domain, without its cooperation.
        fn domain_destroy(ctx: *mut Ctx, domid: u32, how: *const AsyncopHow) -> c_int;

        /// Initializes a `DeviceNic` in raw memory.
        fn device_nic_init(nic: *mut DeviceNic);
        /// Frees the memory that it points to.
        fn device_nic_dispose(nic: *mut DeviceNic);
        /// Returns it as JSON, to be freed with free(3); NULL on failure.
        fn device_nic_to_json(ctx: *mut Ctx, nic: *mut DeviceNic) -> *mut c_char;
        /// Fills in the domain's network interface with this number. It calls `_init` itself.
        fn devid_to_device_nic(ctx: *mut Ctx, domid: u32, devid: c_int, nic: *mut DeviceNic) -> c_int;
        /// Asks the domain to release the interface, waits for it, and runs the hotplug script. `nic` must remain valid until
        /// completion ([E9]).
        fn device_nic_remove(
            ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow,
        ) -> c_int;
        /// The same as [`Library::device_nic_remove`], without asking the domain.
        fn device_nic_destroy(
            ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow,
        ) -> c_int;
        /// Initializes a `DeviceDisk` in raw memory.
        fn device_disk_init(disk: *mut DeviceDisk);
        /// Frees the memory that it points to.
        fn device_disk_dispose(disk: *mut DeviceDisk);
        /// Returns it as JSON, to be freed with free(3); NULL on failure.
        fn device_disk_to_json(ctx: *mut Ctx, disk: *mut DeviceDisk) -> *mut c_char;
        /// Fills in the domain's disk with this virtual device, such as `xvda`. It calls `_init` itself.
        fn vdev_to_device_disk(
            ctx: *mut Ctx, domid: u32, vdev: *const c_char, disk: *mut DeviceDisk,
        ) -> c_int;
        /// Asks the domain to release the disk, waits for it, and runs the hotplug script. `disk` must remain valid until
        /// completion ([E9]).
        fn device_disk_remove(
            ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow,
        ) -> c_int;
        /// The same as [`Library::device_disk_remove`], without asking the domain.
        fn device_disk_destroy(
            ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow,
        ) -> c_int;

        /// Returns the version of the running hypervisor; NULL on failure. The ctx owns the struct.
        fn get_version_info(ctx: *mut Ctx) -> *const VersionInfo;
        /// Returns it as JSON, to be freed with free(3); NULL on failure. It does not write to `info`.
        fn version_info_to_json(ctx: *mut Ctx, info: *mut VersionInfo) -> *mut c_char;
    }
    later {
        /// `(ctx)`, 4.4 and later: reaps the children of this ctx that have ended. For the modes mainloop and selective_reap. Must
        /// not be called in a signal handler ([S2]).
        V4_4 fn childproc_sigchld_occurred(*mut Ctx);
        /// `(ctx, how)`, 4.6 and later: asks an operation to end early; the return codes are in [E6]. It calls hooks, and may run
        /// callbacks, including that of this operation, before it returns.
        V4_6 fn ao_abort(*mut Ctx, *const AsyncopHow) -> c_int;
        /// `(ctx, config, json)`, 4.5 and later: fills in a configuration that was initialized with `_init`. Unknown keys and
        /// values of the wrong type are ignored without an error.
        V4_5 fn domain_config_from_json(*mut Ctx, *mut DomainConfig, *const c_char) -> c_int;
        /// `(params)`, 4.4 and later: initializes a `RestoreParams` in raw memory.
        V4_4 fn domain_restore_params_init(*mut RestoreParams);
        /// `(params)`, 4.4 and later: frees the memory that it points to.
        V4_4 fn domain_restore_params_dispose(*mut RestoreParams);
        /// `(ctx, params, json)`, 4.5 and later: fills in a struct that was initialized with `_init`.
        V4_5 fn domain_restore_params_from_json(*mut Ctx, *mut RestoreParams, *const c_char) -> c_int;
        /// `(ctx, nic, json)`, 4.5 and later: fills in a struct that was initialized with `_init`.
        V4_5 fn device_nic_from_json(*mut Ctx, *mut DeviceNic, *const c_char) -> c_int;
        /// `(ctx, disk, json)`, 4.5 and later: fills in a struct that was initialized with `_init`.
        V4_5 fn device_disk_from_json(*mut Ctx, *mut DeviceDisk, *const c_char) -> c_int;
    }
    changed {
        /// Stops the domain's virtual CPUs.
        domain_pause: DomainControl;
        /// Lets the domain's virtual CPUs run. This starts a new domain.
        domain_unpause: DomainControl;
        /// Asks the domain to shut down. From 4.13 on the operation completes when the domain has acknowledged the request, or
        /// fails after 60 s; it can be aborted.
        domain_shutdown: DomainControl;
        /// Asks the domain to reboot. It completes in the same way as a shutdown.
        domain_reboot: DomainControl;
        /// Creates a domain from a saved state.
        domain_create_restore: CreateRestore;
        /// The present configuration of a domain.
        retrieve_domain_configuration: RetrieveConfiguration;
        /// The hypervisor's free memory.
        get_free_memory: FreeMemory;
    }
}
