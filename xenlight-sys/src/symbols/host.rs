//! The host.

use super::table::symbol_table;
use crate::Ctx;
use crate::by_release::FreeMemory;
use crate::domain::VersionInfo;
#[cfg(doc)]
use crate::{Library, contract::*};
use core::ffi::c_char;

symbol_table! {
    /// # The host
    Table in host;
    always {
        /// Returns the version of the running hypervisor; NULL on failure. The ctx owns the struct.
        fn get_version_info(ctx: *mut Ctx) -> *const VersionInfo;
        /// Returns it as JSON, to be freed with free(3); NULL on failure. It does not write to `info`.
        fn version_info_to_json(ctx: *mut Ctx, info: *mut VersionInfo) -> *mut c_char;
    }
    later {
    }
    changed {
        /// The hypervisor's free memory.
        get_free_memory: FreeMemory;
    }
}
