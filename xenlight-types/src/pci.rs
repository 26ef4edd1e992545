use crate::machine::RdmPolicy;

table! {
    /// A PCI device of the host that a domain is given.
    ///
    /// [`bus`](field@Self::bus), [`device`](field@Self::device) and [`function`](field@Self::function) say which, or
    /// [`name`](field@Self::name). The device has to be assignable (`xl pci-assignable-add`), unless
    /// [`seize`](field@Self::seize) is set; an HVM domain needs an IOMMU. xl's `pci = […]`.
    struct Pci = "device_pci" since "4.2" {
        /// The PCI domain (segment) of the host, 0 to 65535. Default 0.
        domain: [i32];
        /// The bus of the host, 0 to 255. Default 0.
        bus: [u8];
        /// The device (slot) on the bus, 0 to 31. Default 0.
        device = "dev": [u8];
        /// The function of the device, 0 to 7. Default 0.
        function = "func": [u8];
        /// The name that the device was given when it was made assignable. Set instead of
        /// [`domain`](field@Self::domain), [`bus`](field@Self::bus), [`device`](field@Self::device) and
        /// [`function`](field@Self::function), which libxl looks up by it.
        name: [text] since "4.15";
        /// Where an HVM domain has the device, on its bus 0: slot × 8 + function, slots 1 to 31. 0, the default: a slot
        /// that is free. xl's `vslot` is the slot alone.
        vdevfn: [u32];
        /// 0xffff_ffff gives the domain all functions of the device, in the slot of [`vdevfn`](field@Self::vdevfn),
        /// which has to be set. With any other value, as with the default 0, it has the one
        /// [`function`](field@Self::function). xl's `*` in place of the function.
        vfunc_mask: [u32];
        /// If the device is not assignable yet, libxl takes it from its driver and makes it so. Nothing asks whether
        /// the host needs it. Default false.
        seize: [bool] since "4.5";
        /// The domain may write to all of the device's configuration space, not only to what is known to be safe. Some
        /// devices need it, and it weakens the host's protection. Default false.
        permissive: [bool];
        /// What happens if a region of memory that is reserved for the device overlaps the domain's memory. Default
        /// [`Strict`](RdmPolicy::Strict). Only HVM domains on x86.
        rdm_policy: [enum RdmPolicy] since "4.6";
        /// The device uses MSI on the host even if the domain uses INTx. Default false. Only QEMU's traditional device
        /// model heeds it, which Xen 4.22 has no more.
        msitranslate: [bool];
        /// The domain may set the device's power states, D0 to D3hot. Default false. Only QEMU's traditional device
        /// model heeds it, which Xen 4.22 has no more.
        power_mgmt: [bool];
    }

    /// A region of memory that the host reserves for a device (on x86: an RMRR), and that an HVM domain's memory leaves
    /// free.
    ///
    /// libxl makes the list of them when it builds the domain, if the list is empty.
    struct Rdm = "device_rdm" since "4.6" {
        /// The physical address at which it begins.
        start: [u64];
        /// How long it is, in bytes.
        size: [u64];
        /// What happens if it overlaps the domain's memory. libxl sets [`Invalid`](RdmPolicy::Invalid) if it does and
        /// the policy is [`Relaxed`](RdmPolicy::Relaxed): the region is not reserved then.
        policy: [enum RdmPolicy];
    }

    /// A device of the host's device tree that a domain is given. Arm only; it needs an IOMMU. xl's `dtdev = […]`.
    struct DtDevice = "device_dtdev" since "4.6" {
        /// The absolute path of the device's node in the host's device tree, such as `/soc/ethernet@ff0e0000`. Has to
        /// be set.
        path: [text];
    }
}
