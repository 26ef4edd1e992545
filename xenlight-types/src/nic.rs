table! {
    struct Nic = "device_nic" since "4.2" {
        backend_domid: [domid];
        devid: [devid];
        mtu: [i32];
        model: [text];
        mac: [mac];
        ip: [text];
        bridge: [text];
        ifname: [text];
        script: [text];
        nictype: [enum NicKind];
        rate_bytes_per_interval: [u64];
        rate_interval_us = "rate_interval_usecs": [u32];
        backend_domname: [text] since "4.3";
        gatewaydev: [text] since "4.3";
        trusted: [defbool] since "4.17";
        vlan: [text] since "4.19";
    }

    info NicInfo = "nicinfo" since "4.2" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        evtch: [i32];
        rref_tx: [i32];
        rref_rx: [i32];
    }

    enum NicKind = "nic_type" since "4.2" {
        VifIoemu = "vif_ioemu" 1;
        Vif = "vif" 2;
        Unknown = "unknown" 0 since "4.4";
    }
}
