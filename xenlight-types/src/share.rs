table! {
    struct P9 = "device_p9" since "4.9" {
        backend_domid: [domid];
        backend_domname: [text];
        tag: [text];
        path: [text];
        security_model: [text];
        devid: [devid];
        kind = "type": [enum P9Kind] since "4.19";
        max_space: [i32] since "4.19";
        max_files: [i32] since "4.19";
        max_open_files: [i32] since "4.19";
        auto_delete: [bool] since "4.19";
    }

    struct PvCalls = "device_pvcallsif" since "4.11" {
        backend_domid: [domid];
        backend_domname: [text];
        devid: [devid];
    }

    enum P9Kind = "p9_type" since "4.19" {
        Unknown = "unknown" 0;
        Qemu = "qemu" 1;
        Xen9pfsd = "xen_9pfsd" 2;
    }
}
