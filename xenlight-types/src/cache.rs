table! {
    info CatInfo = "psr_cat_info" since "4.6" {
        id: [u32];
        cos_max: [u32];
        cbm_len: [u32];
        cdp_enabled: [bool] since "4.7";
    }

    info PsrCat = "psr_hw_info.type.cat" since "4.11" {
        cos_max: [u32];
        cbm_len: [u32];
        cdp_enabled: [bool];
    }

    info PsrMba = "psr_hw_info.type.mba" since "4.11" {
        cos_max: [u32];
        thrtl_max: [u32];
        linear: [bool];
    }

    info PsrInfo = "psr_hw_info" since "4.11" {
        id: [u32];
        kind = "type": [optional union PsrFeature];
    }

    union PsrFeature = "psr_hw_info.type" since "4.11" {
        Cat(PsrCat) = "cat";
        Mba(PsrMba) = "mba";
    }

    enum CmtKind = "psr_cmt_type" since "4.5" {
        CacheOccupancy = "cache_occupancy" 1;
        TotalMemory = "total_mem_count" 2 since "4.6";
        LocalMemory = "local_mem_count" 3 since "4.6";
    }

    enum CbmKind = "psr_cbm_type" since "4.6" {
        Unknown = "unknown" 0;
        L3Cbm = "l3_cbm" 1;
        L3CbmCode = "l3_cbm_code" 2 since "4.7";
        L3CbmData = "l3_cbm_data" 3 since "4.7";
        L2Cbm = "l2_cbm" 4 since "4.10";
        MbaThrottle = "mba_thrtl" 5 since "4.11";
    }
}
