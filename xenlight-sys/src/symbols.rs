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
/// It stays loaded for the life of the process, also after this is dropped: pointers to its functions
/// remain good. See the [crate] for the rules that each call must keep.
pub struct Library {
    pub(crate) table: Table,
    pub(crate) control: Option<Control>,
    pub(crate) release: Release,
    pub(crate) path: PathBuf,
}

/// One of libxl's functions, as this crate declares it.
#[derive(Clone, Copy)]
pub struct Symbol {
    /// Its name in the library, `libxl_…`.
    pub name: &'static str,
    /// The first release that has it. Later ones must have it, too, or else they are not loaded.
    pub since: Release,
    signature: fn(Release) -> &'static str,
}

impl Symbol {
    /// The type that this crate calls it with in `release`, as text; meant for tests and reports.
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
        /// Makes a ctx. `version` is [`codes::LIBXL_VERSION`](crate::codes::LIBXL_VERSION), `flags` 0;
        /// the logger must not be NULL ([X9]). Needs a hypervisor and xenstored: `ERROR_FAIL` without.
        fn ctx_alloc(ctx: *mut *mut Ctx, version: c_int, flags: c_uint, logger: *mut Logger) -> c_int;
        /// Frees a ctx, NULL included. No other call may be in progress ([X4]), no operation, child,
        /// timeout or unfreed event be left ([X3], [E3]), and no callback of libxl's be running on this
        /// thread ([X5]). fd_deregister is still called from it ([X2]).
        fn ctx_free(ctx: *mut Ctx) -> c_int;

        /// Gives the ctx its host; right after [`Library::ctx_alloc`], once ([X1]). Calls no hook.
        fn osevent_register_hooks(ctx: *mut Ctx, hooks: *const OseventHooks, user: *mut c_void);
        /// Tells libxl that `fd` is ready; `for_libxl` and `events` are what fd_register and the last
        /// fd_modify were given. Never from inside a hook ([O1]), with no lock held that a hook takes ([O2]).
        fn osevent_occurred_fd(
            ctx: *mut Ctx, for_libxl: *mut c_void, fd: c_int, events: c_short, revents: c_short,
        );
        /// Tells libxl that a timeout is due: exactly once for each registration ([O5]). Never from inside
        /// a hook ([O1]), with no lock held that a hook takes ([O2]).
        fn osevent_occurred_timeout(ctx: *mut Ctx, for_libxl: *mut c_void);

        /// Directs events to a callback, before any event is enabled and while no other call runs ([E5]).
        fn event_register_callbacks(ctx: *mut Ctx, hooks: *const EventHooks, user: *mut c_void);
        /// Takes one event that no callback took, of the types in the mask and, unless it is `None`, of
        /// the predicate's choice; `ERROR_NOT_READY` if there is none. Does not wait ([E8]).
        fn event_check(
            ctx: *mut Ctx, event: *mut *mut Event, typemask: u64,
            predicate: Option<EventPredicate>, predicate_user: *mut c_void,
        ) -> c_int;
        /// Frees an event, before its ctx is freed ([E3]).
        fn event_free(ctx: *mut Ctx, event: *mut Event);
        /// An event as JSON, to be freed with free(3); NULL on failure.
        fn event_to_json(ctx: *mut Ctx, event: *mut Event) -> *mut c_char;

        /// Begins to report one domain's shutdown (once, [E11]) and death, with this `for_user`.
        fn evenable_domain_death(
            ctx: *mut Ctx, domid: u32, for_user: u64, evgen: *mut *mut EvgenDomainDeath,
        ) -> c_int;
        /// Ends it. Events from before can still arrive ([E10]).
        fn evdisable_domain_death(ctx: *mut Ctx, evgen: *mut EvgenDomainDeath);
        /// Begins to report ejects of one virtual device (`vdev` is copied), with this `for_user`.
        fn evenable_disk_eject(
            ctx: *mut Ctx, domid: u32, vdev: *const c_char, for_user: u64,
            evgen: *mut *mut EvgenDiskEject,
        ) -> c_int;
        /// Ends it. Events from before can still arrive ([E10]).
        fn evdisable_disk_eject(ctx: *mut Ctx, evgen: *mut EvgenDiskEject);

        /// Says who reaps children; after the osevent hooks, before there is any child ([S1], [X1]).
        fn childproc_setmode(ctx: *mut Ctx, hooks: *const ChildprocHooks, user: *mut c_void);
        /// Reports that a child ended, with its wait status; 0, or `ERROR_UNKNOWN_CHILD` if it is not one
        /// of this ctx. Runs callbacks. Never from a signal handler, nor after the ctx was freed ([S2]).
        fn childproc_reaped(ctx: *mut Ctx, pid: pid_t, status: c_int) -> c_int;
        /// In a child that was forked without exec: makes libxl let go of the ctx, the only call on it
        /// that is legal there ([X7]).
        fn postfork_child_noexec(ctx: *mut Ctx);

        /// All domains (4.6 and earlier: without domain 0), as an array that
        /// [`Library::vminfo_list_free`] frees; NULL on failure. Stub domains are left out. Slow with many.
        fn list_vm(ctx: *mut Ctx, count: *mut c_int) -> *mut Vminfo;
        /// Frees what [`Library::list_vm`] returned.
        fn vminfo_list_free(list: *mut Vminfo, count: c_int);
        /// The state of all domains, domain 0 included, as an array that [`Library::dominfo_list_free`]
        /// frees; NULL on failure. How far apart its entries are varies by release: as far as
        /// [`Library::dominfo_init`] clears. Quicker than [`Library::list_vm`].
        fn list_domain(ctx: *mut Ctx, count: *mut c_int) -> *mut Dominfo;
        /// Frees what [`Library::list_domain`] returned.
        fn dominfo_list_free(list: *mut Dominfo, count: c_int);
        /// Fills in the state of one domain. An unknown one: `ERROR_INVAL`, `ERROR_DOMAIN_NOTFOUND` from
        /// 4.6 on.
        fn domain_info(ctx: *mut Ctx, info: *mut Dominfo, domid: u32) -> c_int;
        /// Makes a `Dominfo` out of raw memory.
        fn dominfo_init(info: *mut Dominfo);
        /// Frees what hangs on it.
        fn dominfo_dispose(info: *mut Dominfo);
        /// As JSON, to be freed with free(3); NULL on failure. What is false, zero or nil is left out.
        fn dominfo_to_json(ctx: *mut Ctx, info: *mut Dominfo) -> *mut c_char;
        /// The domain's name, to be freed with free(3); NULL if there is none.
        fn domid_to_name(ctx: *mut Ctx, domid: u32) -> *mut c_char;
        /// The domain of that name. Asks for all domains first.
        fn name_to_domid(ctx: *mut Ctx, name: *const c_char, domid: *mut u32) -> c_int;

        /// Makes a `DomainConfig` out of raw memory.
        fn domain_config_init(config: *mut DomainConfig);
        /// Frees what hangs on it.
        fn domain_config_dispose(config: *mut DomainConfig);
        /// As JSON, to be freed with free(3); NULL on failure. What is false, zero or nil is left out.
        fn domain_config_to_json(ctx: *mut Ctx, config: *mut DomainConfig) -> *mut c_char;

        /// Makes a domain, paused. Configuration and the domid's address must last until completion ([E9]).
        /// Can take seconds, with an `AsyncopHow`, too ([O12]). A failed one may have written a domid.
        fn domain_create_new(
            ctx: *mut Ctx, config: *mut DomainConfig, domid: *mut u32, how: *const AsyncopHow,
            console: *const AsyncprogressHow,
        ) -> c_int;
        /// Suspends the domain and writes its state to `fd`, which must last until completion; `flags`
        /// are `codes::SUSPEND_…`. It stays, suspended, also after a failure: destroy or resume it.
        fn domain_suspend(
            ctx: *mut Ctx, domid: u32, fd: c_int, flags: c_int, how: *const AsyncopHow,
        ) -> c_int;
        /// Lets a suspended domain run on. `suspend_cancel` 1: co-operative, its suspend call returns
        /// "cancelled", which its kernel must support; 0: it is made to set itself up anew.
        fn domain_resume(
            ctx: *mut Ctx, domid: u32, suspend_cancel: c_int, how: *const AsyncopHow,
        ) -> c_int;
        /// Destroys a domain, whatever it does.
        fn domain_destroy(ctx: *mut Ctx, domid: u32, how: *const AsyncopHow) -> c_int;

        /// Makes a `DeviceNic` out of raw memory.
        fn device_nic_init(nic: *mut DeviceNic);
        /// Frees what hangs on it.
        fn device_nic_dispose(nic: *mut DeviceNic);
        /// As JSON, to be freed with free(3); NULL on failure.
        fn device_nic_to_json(ctx: *mut Ctx, nic: *mut DeviceNic) -> *mut c_char;
        /// Fills in the domain's nic of that number. It calls `_init` itself.
        fn devid_to_device_nic(ctx: *mut Ctx, domid: u32, devid: c_int, nic: *mut DeviceNic) -> c_int;
        /// Asks the domain to give up the nic, waits for it, and runs the hotplug script. The nic must last
        /// until completion ([E9]).
        fn device_nic_remove(
            ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow,
        ) -> c_int;
        /// Like [`Library::device_nic_remove`], without asking the domain.
        fn device_nic_destroy(
            ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow,
        ) -> c_int;
        /// Makes a `DeviceDisk` out of raw memory.
        fn device_disk_init(disk: *mut DeviceDisk);
        /// Frees what hangs on it.
        fn device_disk_dispose(disk: *mut DeviceDisk);
        /// As JSON, to be freed with free(3); NULL on failure.
        fn device_disk_to_json(ctx: *mut Ctx, disk: *mut DeviceDisk) -> *mut c_char;
        /// Fills in the domain's disk of that virtual device, such as `xvda`. It calls `_init` itself.
        fn vdev_to_device_disk(
            ctx: *mut Ctx, domid: u32, vdev: *const c_char, disk: *mut DeviceDisk,
        ) -> c_int;
        /// Asks the domain to give up the disk, waits for it, and runs the hotplug script. The disk must
        /// last until completion ([E9]).
        fn device_disk_remove(
            ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow,
        ) -> c_int;
        /// Like [`Library::device_disk_remove`], without asking the domain.
        fn device_disk_destroy(
            ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow,
        ) -> c_int;

        /// About the hypervisor that runs; belongs to the ctx. NULL on failure.
        fn get_version_info(ctx: *mut Ctx) -> *const VersionInfo;
        /// As JSON, to be freed with free(3); NULL on failure. It does not write to `info`.
        fn version_info_to_json(ctx: *mut Ctx, info: *mut VersionInfo) -> *mut c_char;
    }
    later {
        /// `(ctx)`, 4.4 and later: reaps those of this ctx's children that have ended. With owner
        /// mainloop or selective_reap; never from a signal handler ([S2]).
        V4_4 fn childproc_sigchld_occurred(*mut Ctx);
        /// `(ctx, how)`, 4.6 and later: asks an operation to end early; the return codes are in [E6]. Calls
        /// hooks, and may run callbacks, this operation's included, before it returns.
        V4_6 fn ao_abort(*mut Ctx, *const AsyncopHow) -> c_int;
        /// `(ctx, config, json)`, 4.5 and later: fills in a configuration that `_init` was called on.
        /// Unknown keys and values of the wrong type are ignored in silence.
        V4_5 fn domain_config_from_json(*mut Ctx, *mut DomainConfig, *const c_char) -> c_int;
        /// `(params)`, 4.4 and later: makes a `RestoreParams` out of raw memory.
        V4_4 fn domain_restore_params_init(*mut RestoreParams);
        /// `(params)`, 4.4 and later: frees what hangs on it.
        V4_4 fn domain_restore_params_dispose(*mut RestoreParams);
        /// `(ctx, params, json)`, 4.5 and later: fills in one that `_init` was called on.
        V4_5 fn domain_restore_params_from_json(*mut Ctx, *mut RestoreParams, *const c_char) -> c_int;
        /// `(ctx, nic, json)`, 4.5 and later: fills in one that `_init` was called on.
        V4_5 fn device_nic_from_json(*mut Ctx, *mut DeviceNic, *const c_char) -> c_int;
        /// `(ctx, disk, json)`, 4.5 and later: fills in one that `_init` was called on.
        V4_5 fn device_disk_from_json(*mut Ctx, *mut DeviceDisk, *const c_char) -> c_int;
    }
    changed {
        /// Stops the domain's virtual CPUs.
        domain_pause: DomainControl;
        /// Lets the domain's virtual CPUs run; a new domain begins.
        domain_unpause: DomainControl;
        /// Asks the domain to shut down. 4.13 and later: complete when it has taken note, which one that
        /// does not listen never does: a time limit of 60 s, or abort it.
        domain_shutdown: DomainControl;
        /// Asks the domain to reboot; completion as with shutdown.
        domain_reboot: DomainControl;
        /// Makes a domain out of a saved state.
        domain_create_restore: CreateRestore;
        /// The present configuration of a domain.
        retrieve_domain_configuration: RetrieveConfiguration;
        /// The hypervisor's free memory.
        get_free_memory: FreeMemory;
    }
}
