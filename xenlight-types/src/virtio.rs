table! {
    /// A Virtio device of a domain on Arm. Its backend is a program of one's own; for a disk there is
    /// [`Disk`](crate::Disk).
    ///
    /// [`kind`](field@Self::kind) and [`transport`](field@Self::transport) have to be set. It cannot be added to a
    /// domain that runs. xl's `virtio = […]`.
    struct Virtio = "device_virtio" since "4.18" {
        /// What it is, for the device tree: `virtio,device`, or `virtio,device` with Virtio's number for the type of
        /// device in lower-case hexadecimal digits (`virtio,device1a` is a file system). Has to be set.
        kind = "type": [text];
        /// How the domain reaches it. Has to be set, to [`Mmio`](VirtioTransport::Mmio).
        transport: [enum VirtioTransport];
        /// The backend uses Xen grants to access the domain's memory. Default: true unless the backend runs in domain
        /// 0.
        grant_usage: [defbool];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The number of the device, from 0. Default: the next that is free.
        devid: [devid];
        /// Its interrupt, as the number of an Arm GIC interrupt. libxl chooses it (33 to 43) and overwrites what is
        /// set.
        irq: [u32];
        /// The guest physical address of its registers, 512 bytes. libxl chooses it (from 0x2000000) and overwrites
        /// what is set.
        base: [u64];
    }

    /// How a domain reaches a Virtio device.
    enum VirtioTransport = "virtio_transport" since "4.18" {
        /// None: libxl gives the domain no access to the device.
        Unknown = "unknown" 0;
        /// Registers in memory, virtio-mmio.
        Mmio = "mmio" 1;
    }
}
