table! {
    /// What a socket can do to allot a cache to domains (Intel CAT). From Xen 4.11 on, [`PsrInfo`] reports the same.
    info CatInfo = "psr_cat_info" since "4.6" {
        /// The number of the socket.
        id: [u32];
        /// The highest number of a class of service. Each domain is in a class; class 0 has all of the cache.
        cos_max: [u32];
        /// How many bits a mask of the cache has. Each stands for the same part of the cache.
        cbm_len: [u32];
        /// Masks for code and masks for data are apart (CDP).
        cdp_enabled: [bool] since "4.7";
    }

    /// What a socket can do to allot its cache, or access to memory, to domains (Intel PSR).
    info PsrInfo = "psr_hw_info" since "4.11" {
        /// The number of the socket.
        id: [u32];
        /// What it can do of that for which libxl was asked.
        kind = "type": [optional union PsrFeature];
    }

    /// A way to allot a socket's resources to domains.
    union PsrFeature = "psr_hw_info.type" since "4.11" {
        /// Parts of a cache.
        Cat(PsrCat) = "cat";
        /// Access to memory.
        Mba(PsrMba) = "mba";
    }

    /// How a cache is allotted to domains (Intel CAT, Cache Allocation Technology).
    info PsrCat = "psr_hw_info.type.cat" since "4.11" {
        /// The highest number of a class of service. Each domain is in a class; class 0 has all of the cache.
        cos_max: [u32];
        /// How many bits a mask of the cache has. Each stands for the same part of the cache.
        cbm_len: [u32];
        /// Masks for code and masks for data are apart (CDP). Never for a level 2 cache.
        cdp_enabled: [bool];
    }

    /// How access to memory is slowed for domains (Intel MBA, Memory Bandwidth Allocation).
    info PsrMba = "psr_hw_info.type.mba" since "4.11" {
        /// The highest number of a class of service. Each domain is in a class; class 0 is not slowed.
        cos_max: [u32];
        /// The highest value by which access can be slowed.
        thrtl_max: [u32];
        /// A value is a delay in percent, in steps of 100 less [`thrtl_max`](Self::thrtl_max). If not, it is a power of
        /// two, and other values are rounded down to one.
        linear: [bool];
    }

    /// What is measured of a domain (Intel CMT, Cache Monitoring Technology), for each socket.
    enum CmtKind = "psr_cmt_type" since "4.5" {
        /// How much of the level 3 cache the domain has: in bytes as a sample, in KiB where libxl is asked for this
        /// alone.
        CacheOccupancy = "cache_occupancy" 1;
        /// How much the domain has transferred between the level 3 cache and any memory, in bytes. Two samples make a
        /// bandwidth.
        TotalMemory = "total_mem_count" 2 since "4.6";
        /// How much the domain has transferred between the level 3 cache and the socket's own memory, in bytes. Two
        /// samples make a bandwidth.
        LocalMemory = "local_mem_count" 3 since "4.6";
    }

    /// What a domain is allotted of a socket.
    ///
    /// For a cache it is a mask of [`PsrCat::cbm_len`] bits, of which those that are set are adjacent. Default: all.
    enum CbmKind = "psr_cbm_type" since "4.6" {
        /// None: libxl refuses it.
        Unknown = "unknown" 0;
        /// The mask of the level 3 cache, for code and data alike.
        L3Cbm = "l3_cbm" 1;
        /// The mask of the level 3 cache for code. Needs [`PsrCat::cdp_enabled`].
        L3CbmCode = "l3_cbm_code" 2 since "4.7";
        /// The mask of the level 3 cache for data. Needs [`PsrCat::cdp_enabled`].
        L3CbmData = "l3_cbm_data" 3 since "4.7";
        /// The mask of the level 2 cache.
        L2Cbm = "l2_cbm" 4 since "4.10";
        /// By how much access to memory is slowed, 0 to [`PsrMba::thrtl_max`]. Default 0.
        MbaThrottle = "mba_thrtl" 5 since "4.11";
    }
}
