table! {
    struct Virtio = "device_virtio" since "4.18" {
        backend_domid: [domid];
        backend_domname: [text];
        kind = "type": [text];
        transport: [enum VirtioTransport];
        grant_usage: [defbool];
        devid: [devid];
        irq: [u32];
        base: [u64];
    }

    enum VirtioTransport = "virtio_transport" since "4.18" {
        Unknown = "unknown" 0;
        Mmio = "mmio" 1;
    }
}
