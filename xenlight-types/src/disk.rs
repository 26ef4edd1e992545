table! {
    struct Disk = "device_disk" since "4.2" {
        backend_domid: [domid];
        pdev_path: [text];
        vdev: [text];
        backend: [enum DiskBackend];
        format: [enum DiskFormat];
        script: [text];
        removable: [flag];
        readwrite: [flag];
        is_cdrom: [flag];
        backend_domname: [text] since "4.3";
        direct_io_safe: [bool] since "4.5";
        discard_enable: [defbool] since "4.5";
        specification: [enum DiskSpecification] since "4.17";
        transport: [enum DiskTransport] since "4.17";
        irq: [u32] since "4.17";
        base: [u64] since "4.17";
        trusted: [defbool] since "4.17";
        grant_usage: [defbool] since "4.19";
    }

    info DiskInfo = "diskinfo" since "4.2" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        evtch: [i32];
        rref: [i32];
    }

    enum DiskFormat = "disk_format" since "4.2" {
        Unknown = "unknown" 0;
        Qcow = "qcow" 1;
        Qcow2 = "qcow2" 2;
        Vhd = "vhd" 3;
        Raw = "raw" 4;
        Empty = "empty" 5;
        Qed = "qed" 6 since "4.9";
    }

    enum DiskBackend = "disk_backend" since "4.2" {
        Unknown = "unknown" 0;
        Phy = "phy" 1;
        Tap = "tap" 2;
        Qdisk = "qdisk" 3;
        Standalone = "standalone" 4 since "4.17";
    }

    enum DiskSpecification = "disk_specification" since "4.17" {
        Unknown = "unknown" 0;
        Xen = "xen" 1;
        Virtio = "virtio" 2;
    }

    enum DiskTransport = "disk_transport" since "4.17" {
        Unknown = "unknown" 0;
        Mmio = "mmio" 1;
    }
}
