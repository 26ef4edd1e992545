//! What a domain has on Arm only.

table! {
    /// What only domains on Arm have.
    struct ArchArm = "domain_build_info.arch_arm" since "4.6" {
        /// The version of the interrupt controller that the domain sees. Not set: [`GicVersion::Default`].
        gic_version: [enum GicVersion];
        /// An emulated serial port. Not set: none. Its interrupt, number 32, cannot be passed through.
        vuart: [enum VirtualUart] since "4.10";
        /// The longest vectors of the Scalable Vector Extension that the domain can use. 64-bit Arm. Not set:
        /// [`SveLength::Disabled`]. libxl refuses what the host does not have. xl: `sve`.
        sve_vl: [enum SveLength] since "4.18";
        /// How many shared interrupts (SPIs) the domain has. Not set: as many as
        /// [`BuildInfo::irqs`](field@crate::BuildInfo::irqs), virtio devices and [`field@ArchArm::vuart`] need, and
        /// libxl refuses fewer. At most 960, and 5088 with extended ones, which need a GICv3.1 and a Xen that has them.
        nr_spis: [u32] since "4.19";
        /// How the domain reaches the firmware that manages clocks, power and the like.
        arm_sci: [struct ArmSci] since "4.21";
    }

    /// How a domain on Arm reaches the firmware that manages clocks, power and the like (the System Control Interface).
    struct ArmSci = "arm_sci" since "4.21" {
        /// The protocol. Not set: [`ArmSciKind::None`].
        kind = "type": [enum ArmSciKind];
    }

    /// The version of the interrupt controller (GIC) that a domain on Arm sees.
    enum GicVersion = "gic_version" since "4.6" {
        /// That of the host.
        Default = "default" 0;
        /// GICv2, if the host has it or can do it.
        V2 = "v2" 32;
        /// GICv3, without the modes of GICv2.
        V3 = "v3" 48;
    }

    /// An emulated serial port on Arm.
    enum VirtualUart = "vuart_type" since "4.10" {
        /// None.
        Unknown = "unknown" 0;
        /// That of Arm's Server Base System Architecture, a PL011 for input and output only.
        SbsaUart = "sbsa_uart" 1;
    }

    /// A trusted execution environment on Arm.
    enum TeeKind = "tee_type" since "4.13" {
        /// None.
        None = "none" 0;
        /// OP-TEE, through Xen. The host's OP-TEE must be one for virtual machines.
        OpTee = "optee" 1;
        /// Secure partitions of the host, by Arm's Firmware Framework (FF-A).
        Ffa = "ffa" 2 since "4.18";
    }

    /// The longest vectors of Arm's Scalable Vector Extension, in bits.
    enum SveLength = "sve_type" since "4.18" {
        /// The longest that the host has.
        Hw = "hw" -1;
        /// The domain cannot use the extension.
        Disabled = "disabled" 0;
        /// 128 bits.
        Bits128 = "128" 128;
        /// 256 bits.
        Bits256 = "256" 256;
        /// 384 bits.
        Bits384 = "384" 384;
        /// 512 bits.
        Bits512 = "512" 512;
        /// 640 bits.
        Bits640 = "640" 640;
        /// 768 bits.
        Bits768 = "768" 768;
        /// 896 bits.
        Bits896 = "896" 896;
        /// 1024 bits.
        Bits1024 = "1024" 1024;
        /// 1152 bits.
        Bits1152 = "1152" 1152;
        /// 1280 bits.
        Bits1280 = "1280" 1280;
        /// 1408 bits.
        Bits1408 = "1408" 1408;
        /// 1536 bits.
        Bits1536 = "1536" 1536;
        /// 1664 bits.
        Bits1664 = "1664" 1664;
        /// 1792 bits.
        Bits1792 = "1792" 1792;
        /// 1920 bits.
        Bits1920 = "1920" 1920;
        /// 2048 bits.
        Bits2048 = "2048" 2048;
    }

    /// A protocol to the firmware that manages clocks, power and the like on Arm.
    enum ArmSciKind = "arm_sci_type" since "4.21" {
        /// None.
        None = "none" 0;
        /// SCMI by calls of the secure monitor (SMC), which Xen passes on to the firmware. Needs `scmi-smc-passthrough`
        /// on Xen's command line.
        ScmiSmc = "scmi_smc" 1;
    }
}
