//! The host: its hypervisor, log, security policy and xenstored.

use super::table::symbol_table;
use crate::Ctx;
use crate::domain::{Physinfo, VersionInfo, XenConsoleReader, XsQuotaList};
use core::ffi::{c_char, c_int, c_void};

symbol_table! {
    /// # The host
    Table in host;
    always {
        /// Returns the version of the running hypervisor; NULL on failure. The ctx owns the struct.
        fn get_version_info(ctx: *mut Ctx) -> *const VersionInfo;
        /// Returns it as JSON, to be freed with free(3); NULL on failure. It does not write to `info`.
        fn version_info_to_json(ctx: *mut Ctx, info: *mut VersionInfo) -> *mut c_char;
        /// Fills in the number of CPUs, the memory and the capabilities of the host.
        fn get_physinfo(ctx: *mut Ctx, info: *mut Physinfo) -> c_int;
        /// Sends keys to the hypervisor, which writes the state that they stand for to its log.
        fn send_debug_keys(ctx: *mut Ctx, keys: *mut c_char) -> c_int;

        /// Begins to read the hypervisor's log, which is cleared meanwhile if `clear` is not 0.
        fn xen_console_read_start(ctx: *mut Ctx, clear: c_int) -> *mut XenConsoleReader;
        /// Reads the next part of the log, up to 16 KiB, and not a line. 1 with a string, which the reader owns until the next call;
        /// 0 at the end; negative on failure.
        fn xen_console_read_line(ctx: *mut Ctx, reader: *mut XenConsoleReader, text: *mut *mut c_char) -> c_int;
        /// Frees the reader.
        fn xen_console_read_finish(ctx: *mut Ctx, reader: *mut XenConsoleReader);

        /// Finds the number of a label of the security policy, which has `size` bytes. Negative on failure, with errno.
        fn flask_context_to_sid(ctx: *mut Ctx, label: *mut c_char, size: usize, sid: *mut u32) -> c_int;
        /// Writes the label with this number, to be freed with free(3), and its length. Negative on failure, with errno.
        fn flask_sid_to_context(ctx: *mut Ctx, sid: u32, label: *mut *mut c_char, size: *mut usize) -> c_int;
        /// 1 if the security policy is enforced, 0 if not; negative on failure, with errno.
        fn flask_getenforce(ctx: *mut Ctx) -> c_int;
        /// Enforces the security policy, or not. Negative on failure, with errno.
        fn flask_setenforce(ctx: *mut Ctx, enforce: c_int) -> c_int;
        /// Loads a security policy of `size` bytes. Negative on failure, with errno.
        fn flask_loadpolicy(ctx: *mut Ctx, policy: *mut c_void, size: u32) -> c_int;
    }
    later {
        /// Changes parameters of the hypervisor at run time, in the form of its command line.
        (4, 10) fn set_parameters(ctx: *mut Ctx, parameters: *mut c_char) -> c_int;
        /// Writes the limits that xenstored has for all domains. It calls `_init` itself. Without such limits the list is empty.
        (4, 22) fn xs_quota_global_get(ctx: *mut Ctx, quotas: *mut XsQuotaList) -> c_int;
        /// Sets limits that xenstored has for all domains.
        (4, 22) fn xs_quota_global_set(ctx: *mut Ctx, quotas: *mut XsQuotaList) -> c_int;
        /// Writes the limits that xenstored has for a domain. It calls `_init` itself.
        (4, 22) fn xs_quota_domain_get(ctx: *mut Ctx, domid: u32, quotas: *mut XsQuotaList) -> c_int;
        /// Sets limits that xenstored has for a domain.
        (4, 22) fn xs_quota_domain_set(ctx: *mut Ctx, domid: u32, quotas: *mut XsQuotaList) -> c_int;
    }
    changed {
    }
}
