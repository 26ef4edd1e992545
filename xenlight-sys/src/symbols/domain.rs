//! Domains.

use super::table::symbol_table;
use crate::Ctx;
use crate::by_release::{CreateRestore, DomainControl, RetrieveConfiguration};
use crate::domain::{AsyncopHow, AsyncprogressHow, DomainConfig, Dominfo, RestoreParams, Vminfo};
#[cfg(doc)]
use crate::{Library, contract::*};
use core::ffi::{c_char, c_int};

symbol_table! {
    /// # Domains
    Table in domain;
    always {
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
    }
    later {
        /// Fills in a configuration that was initialized with `_init`. Unknown keys and
        /// values of the wrong type are ignored without an error.
        (4, 5) fn domain_config_from_json(ctx: *mut Ctx, config: *mut DomainConfig, json: *const c_char) -> c_int;
        /// Initializes a `RestoreParams` in raw memory.
        (4, 4) fn domain_restore_params_init(params: *mut RestoreParams);
        /// Frees the memory that it points to.
        (4, 4) fn domain_restore_params_dispose(params: *mut RestoreParams);
        /// Fills in a struct that was initialized with `_init`.
        (4, 5) fn domain_restore_params_from_json(ctx: *mut Ctx, params: *mut RestoreParams, json: *const c_char) -> c_int;
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
    }
}
