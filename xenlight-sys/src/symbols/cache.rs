//! What Intel's processors share out: caches and memory bandwidth.

use super::table::symbol_table;
use crate::Ctx;
#[cfg(doc)]
use crate::Library;
use crate::domain::{Bitmap, PsrCatInfo, PsrHwInfo};
use core::ffi::{c_int, c_uint};

symbol_table! {
    /// # Caches and memory bandwidth
    ///
    /// Monitoring (CMT) and allocation (CAT, CDP, MBA) of what the CPUs of a socket share.
    Table in cache;
    always {
    }
    later {
        /// Begins to monitor a domain.
        (4, 5, "x86_64") fn psr_cmt_attach(ctx: *mut Ctx, domid: u32) -> c_int;
        /// Ends monitoring a domain.
        (4, 5, "x86_64") fn psr_cmt_detach(ctx: *mut Ctx, domid: u32) -> c_int;
        /// 1 if the domain is monitored; otherwise 0, also on failure.
        (4, 5, "x86_64") fn psr_cmt_domain_attached(ctx: *mut Ctx, domid: u32) -> c_int;
        /// 1 if the hypervisor can monitor domains; otherwise 0, also on failure.
        (4, 5, "x86_64") fn psr_cmt_enabled(ctx: *mut Ctx) -> c_int;
        /// Writes how many domains can be monitored at a time.
        (4, 5, "x86_64") fn psr_cmt_get_total_rmid(ctx: *mut Ctx, count: *mut u32) -> c_int;
        /// Writes the size of the L3 cache of a socket in KiB.
        (4, 5, "x86_64") fn psr_cmt_get_l3_cache_size(ctx: *mut Ctx, socket: u32, kib: *mut u32) -> c_int;
        /// Writes how much of the L3 cache of a socket a domain occupies, in KiB.
        (4, 5, "x86_64") fn psr_cmt_get_cache_occupancy(
            ctx: *mut Ctx, domid: u32, socket: u32, kib: *mut u32,
        ) -> c_int;
        /// Not 0 if this `libxl_psr_cmt_type` can be monitored; otherwise 0, also on failure.
        (4, 6, "x86_64") fn psr_cmt_type_supported(ctx: *mut Ctx, kind: c_uint) -> c_int;
        /// Writes what has been counted for a domain on the socket `scope`, in bytes; and the time stamp counter, unless `tsc` is
        /// NULL.
        (4, 6, "x86_64") fn psr_cmt_get_sample(
            ctx: *mut Ctx, domid: u32, kind: c_uint, scope: u64, sample: *mut u64, tsc: *mut u64,
        ) -> c_int;
        /// Sets the part of the cache that a domain gets on these sockets, as a mask. `kind` is a `libxl_psr_cbm_type`.
        (4, 6, "x86_64") fn psr_cat_set_cbm(
            ctx: *mut Ctx, domid: u32, kind: c_uint, sockets: *mut Bitmap, mask: u64,
        ) -> c_int;
        /// Writes the part of the cache that a domain gets on a socket, as a mask.
        (4, 6, "x86_64") fn psr_cat_get_cbm(
            ctx: *mut Ctx, domid: u32, kind: c_uint, socket: u32, mask: *mut u64,
        ) -> c_int;
        /// Writes what each socket can allocate of its L3 cache, as an array for [`Library::psr_cat_info_list_free`].
        (4, 6, "x86_64") fn psr_cat_get_l3_info(
            ctx: *mut Ctx, info: *mut *mut PsrCatInfo, count: *mut c_int,
        ) -> c_int;
        /// Frees the array of [`Library::psr_cat_get_info`] or [`Library::psr_cat_get_l3_info`].
        (4, 6, "x86_64") fn psr_cat_info_list_free(list: *mut PsrCatInfo, count: c_int);
        /// Writes what each socket can allocate of its cache of this level, as an array for [`Library::psr_cat_info_list_free`].
        (4, 10, "x86_64") fn psr_cat_get_info(
            ctx: *mut Ctx, info: *mut *mut PsrCatInfo, count: *mut c_uint, level: c_uint,
        ) -> c_int;
        /// Sets what a domain gets on these sockets: a mask of a cache, or the throttling of the memory bandwidth in percent. `kind`
        /// is a `libxl_psr_cbm_type`.
        (4, 11, "x86_64") fn psr_set_val(
            ctx: *mut Ctx, domid: u32, kind: c_uint, sockets: *mut Bitmap, value: u64,
        ) -> c_int;
        /// Writes what a domain gets on a socket.
        (4, 11, "x86_64") fn psr_get_val(
            ctx: *mut Ctx, domid: u32, kind: c_uint, socket: c_uint, value: *mut u64,
        ) -> c_int;
        /// Writes what each socket can allocate of this `libxl_psr_feat_type` and, for a cache, of this level, as an array for
        /// [`Library::psr_hw_info_list_free`].
        (4, 11, "x86_64") fn psr_get_hw_info(
            ctx: *mut Ctx, kind: c_uint, level: c_uint, count: *mut c_uint, info: *mut *mut PsrHwInfo,
        ) -> c_int;
        /// Frees the array of [`Library::psr_get_hw_info`].
        (4, 11, "x86_64") fn psr_hw_info_list_free(list: *mut PsrHwInfo, count: c_uint);
    }
    changed {
    }
}
