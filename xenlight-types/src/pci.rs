use crate::build::RdmPolicy;

table! {
    struct Pci = "device_pci" since "4.2" {
        function = "func": [u8];
        device = "dev": [u8];
        bus: [u8];
        domain: [i32];
        vdevfn: [u32];
        vfunc_mask: [u32];
        msitranslate: [bool];
        power_mgmt: [bool];
        permissive: [bool];
        seize: [bool] since "4.5";
        rdm_policy: [enum RdmPolicy] since "4.6";
        name: [text] since "4.15";
    }

    struct Rdm = "device_rdm" since "4.6" {
        start: [u64];
        size: [u64];
        policy: [enum RdmPolicy];
    }

    struct DtDevice = "device_dtdev" since "4.6" {
        path: [text];
    }
}
