//! Domains.

use super::table::symbol_table;
use crate::Ctx;
use crate::by_release::{CreateRestore, DomainControl, MonitorCommand, RetrieveConfiguration, SendTrigger};
use crate::domain::{
    AsyncopHow, AsyncprogressHow, CpuidPolicyList, DomainConfig, DomainCreateInfo, DomainRemusInfo, Dominfo, Uuid,
    Vminfo,
};
#[cfg(doc)]
use crate::{Library, contract::*};
use core::ffi::{c_char, c_int, c_uint, c_ulong};

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
        /// The size of an entry varies by release: it is the number of bytes that its [`_init`](crate::StructFunctions::init) clears. Faster than
        /// [`Library::list_vm`].
        fn list_domain(ctx: *mut Ctx, count: *mut c_int) -> *mut Dominfo;
        /// Frees the array of [`Library::list_domain`].
        fn dominfo_list_free(list: *mut Dominfo, count: c_int);
        /// Fills in the state of a domain. If it does not exist: `ERROR_INVAL`, or `ERROR_DOMAIN_NOTFOUND` from 4.6 on.
        fn domain_info(ctx: *mut Ctx, info: *mut Dominfo, domid: u32) -> c_int;
        /// Returns the domain's name, to be freed with free(3); NULL if it has none.
        fn domid_to_name(ctx: *mut Ctx, domid: u32) -> *mut c_char;
        /// Finds the domain with this name. Queries all domains first.
        fn name_to_domid(ctx: *mut Ctx, name: *const c_char, domid: *mut u32) -> c_int;
        /// 1 if the number could be that of a domain other than domain 0, which need not exist; otherwise 0.
        fn domid_valid_guest(domid: u32) -> c_int;
        /// 1 if the domain is a stub domain, and writes the domain that it serves, unless `target` is NULL; otherwise 0.
        fn is_stubdom(ctx: *mut Ctx, domid: u32, target: *mut u32) -> c_int;
        /// Returns the stub domain of a domain; 0 if it has none.
        fn get_stubdom_id(ctx: *mut Ctx, domid: c_int) -> c_int;
        /// Gives a domain another name; `old_name`, unless it is NULL, has to be the one that it has.
        fn domain_rename(ctx: *mut Ctx, domid: u32, old_name: *const c_char, new_name: *const c_char) -> c_int;
        /// Makes room for a successor of a domain that has shut down: adds the suffix to the name that `info` has, and gives the
        /// domain another UUID.
        fn domain_preserve(
            ctx: *mut Ctx, domid: u32, info: *mut DomainCreateInfo, name_suffix: *const c_char, new_uuid: Uuid,
        ) -> c_int;
        /// Returns when the domain was created, in seconds since 1970; `u32::MAX` on failure.
        fn vm_get_start_time(ctx: *mut Ctx, domid: u32) -> u32;
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
        /// Writes the domain's memory to a file. It is complete, or has failed, when the call returns, also with a `how`. Until then
        /// it holds the ctx lock, which can take minutes ([O12]).
        fn domain_core_dump(ctx: *mut Ctx, domid: u32, file: *const c_char, how: *const AsyncopHow) -> c_int;
        /// Replicates the domain over `send_fd` and `recv_fd` to another host. It completes when replication fails, or the domain
        /// fails over. The fds and `info`, in which it fills in defaults, must remain valid until then.
        fn domain_remus_start(
            ctx: *mut Ctx, info: *mut DomainRemusInfo, domid: u32, send_fd: c_int, recv_fd: c_int, how: *const AsyncopHow,
        ) -> c_int;

        /// Sends a key to the domain's kernel (Linux: SysRq). Always 0.
        fn send_sysrq(ctx: *mut Ctx, domid: u32, key: c_char) -> c_int;
        /// Writes the path of the terminal of a console, to be freed with free(3). `kind` is a `libxl_console_type`: 1 for an
        /// emulated serial port, 2 for a PV console.
        fn console_get_tty(
            ctx: *mut Ctx, domid: u32, number: c_int, kind: c_uint, path: *mut *mut c_char,
        ) -> c_int;
        /// The same for the console that a user wants: the emulated one of an HVM domain, that of its stub domain if it has one, or
        /// the PV console.
        fn primary_console_get_tty(ctx: *mut Ctx, domid: u32, path: *mut *mut c_char) -> c_int;

        /// Stores data about a domain in a file of the host, under the name of its owner, such as `xl`. It is deleted with the
        /// domain, or by a size of 0.
        fn userdata_store(
            ctx: *mut Ctx, domid: u32, owner: *const c_char, data: *const u8, size: c_int,
        ) -> c_int;
        /// Reads that data, to be freed with free(3). Without any: 0, NULL and a size of 0. Each address may be NULL.
        fn userdata_retrieve(
            ctx: *mut Ctx, domid: u32, owner: *const c_char, data: *mut *mut u8, size: *mut c_int,
        ) -> c_int;

        /// Adds a change of CPU features in xl's form, such as `host,tm=0`, to a list, which is NULL at first. On failure a number
        /// that is not one of libxl's codes.
        fn cpuid_parse_config(list: *mut CpuidPolicyList, text: *const c_char) -> c_int;
        /// The same in xend's form, such as `1:ecx=xxxx…`.
        fn cpuid_parse_config_xend(list: *mut CpuidPolicyList, text: *const c_char) -> c_int;
        /// Frees the memory that a list points to.
        fn cpuid_dispose(list: *mut CpuidPolicyList);
    }
    later {
        /// Reads a number, which need not be that of a domain, or else finds the domain with this name.
        (4, 3) fn domain_qualifier_to_domid(ctx: *mut Ctx, name: *const c_char, domid: *mut u32) -> c_int;
        /// Deletes the data that this owner has stored ([`Library::userdata_store`]).
        (4, 5) fn userdata_unlink(ctx: *mut Ctx, domid: u32, owner: *const c_char) -> c_int;
        /// Sets up an HVM domain again that shut down for a soft reset, as for kexec: it keeps its memory. The configuration must
        /// remain valid until completion.
        (4, 7) fn domain_soft_reset(
            ctx: *mut Ctx, config: *mut DomainConfig, domid: u32, how: *const AsyncopHow,
            console: *const AsyncprogressHow,
        ) -> c_int;
        /// Suspends the domain, whose state stays in memory. [`Library::domain_resume`] continues it.
        (4, 11) fn domain_suspend_only(ctx: *mut Ctx, domid: u32, how: *const AsyncopHow) -> c_int;
        /// Forgets which numbers domains have had, so that they can be used again at once.
        (4, 14) fn clear_domid_history(ctx: *mut Ctx) -> c_int;
        /// Writes the xenstore entries of a domain's PV console, whose backend is in domain `backend`; `gfn` is the page of its
        /// ring.
        (4, 18) fn console_add_xenstore(
            ctx: *mut Ctx, domid: u32, backend: u32, event_channel: c_uint, gfn: c_ulong, how: *const AsyncopHow,
        ) -> c_int;
    }
    changed {
        /// Presses a button of the virtual machine, such as power.
        send_trigger: SendTrigger;
        /// Has the domain's QEMU run a command of its human monitor.
        qemu_monitor_command: MonitorCommand;
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
