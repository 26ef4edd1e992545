use crate::graphics::{Sdl, Spice, Vga, Vnc};
use crate::scheduler::SchedulerParams;

table! {
    struct Hvm = "domain_build_info.type.hvm" since "4.2" {
        firmware: [text];
        bios: [enum Bios];
        pae: [defbool];
        apic: [defbool];
        acpi: [defbool];
        acpi_s3: [defbool];
        acpi_s4: [defbool];
        nx: [defbool];
        viridian: [defbool];
        timeoffset: [text];
        hpet: [defbool];
        vpt_align: [defbool];
        timer_mode: [enum TimerMode];
        nested_hvm: [defbool];
        nographic: [defbool];
        vga: [struct Vga];
        vnc: [struct Vnc];
        keymap: [text];
        sdl: [struct Sdl];
        spice: [struct Spice];
        gfx_passthru: [defbool];
        serial: [text];
        boot: [text];
        usb: [defbool];
        usbdevice: [text];
        soundhw: [text];
        xen_platform_pci: [defbool];
        smbios_firmware: [text] since "4.3";
        acpi_firmware: [text] since "4.3";
        usbdevice_list: [list text] since "4.3";
        usbversion: [i32] since "4.4";
        vendor_device: [enum VendorDevice] since "4.4";
        viridian_enable: [bitmap] since "4.5";
        viridian_disable: [bitmap] since "4.5";
        mmio_hole_memory_kib = "mmio_hole_memkb": [kib] since "4.5";
        ms_vm_genid: [genid] since "4.5";
        serial_list: [list text] since "4.5";
        altp2m: [defbool] since "4.6";
        hdtype: [enum HardDiskKind] since "4.6";
        rdm: [struct RdmReserve] since "4.6";
        rdm_mem_boundary_memory_kib = "rdm_mem_boundary_memkb": [kib] since "4.6";
        gfx_passthru_kind: [enum GfxPassthruKind] since "4.7";
        system_firmware: [text] since "4.8";
        acpi_laptop_slate: [defbool] since "4.9";
        mca_caps: [u64] since "4.10";
        vkb_device: [defbool] since "4.13";
        smbios: [list struct Smbios] since "4.18";
        pirq: [defbool] since "4.19";
        xen_platform_pci_bar_uc: [defbool] since "4.21";
    }

    struct Pv = "domain_build_info.type.pv" since "4.2" {
        kernel: [text];
        slack_memory_kib = "slack_memkb": [kib];
        bootloader: [text];
        bootloader_args: [list text];
        cmdline: [text];
        ramdisk: [text];
        features: [text];
        e820_host: [defbool];
    }

    struct Pvh = "domain_build_info.type.pvh" since "4.10" {
        pvshim: [defbool] since "4.11";
        pvshim_path: [text] since "4.11";
        pvshim_cmdline: [text] since "4.11";
        pvshim_extra: [text] since "4.11";
    }

    struct ArchArm = "domain_build_info.arch_arm" since "4.6" {
        gic_version: [enum GicVersion];
        vuart: [enum VirtualUart] since "4.10";
        sve_vl: [enum SveLength] since "4.18";
        nr_spis: [u32] since "4.19";
        arm_sci: [struct ArmSci] since "4.21";
    }

    struct ArchX86 = "domain_build_info.arch_x86" since "4.15" {
        msr_relaxed: [defbool];
    }

    struct BuildInfo = "domain_build_info" since "4.2" {
        max_vcpus: [i32];
        avail_vcpus: [bitmap];
        cpumap: [bitmap];
        numa_placement: [defbool];
        tsc_mode: [enum TscMode];
        max_memory_kib = "max_memkb": [kib];
        target_memory_kib = "target_memkb": [kib];
        video_memory_kib = "video_memkb": [kib];
        shadow_memory_kib = "shadow_memkb": [kib];
        rtc_timeoffset: [u32];
        localtime: [defbool];
        disable_migrate: [defbool];
        cpuid: [cpuid];
        blkdev_start: [text];
        device_model_version: [enum DeviceModelVersion];
        device_model_stubdomain: [defbool];
        device_model: [text];
        device_model_ssidref: [u32];
        extra: [list text];
        extra_pv: [list text];
        extra_hvm: [list text];
        sched_params: [struct SchedulerParams];
        ioports: [list struct IoPorts];
        irqs: [list u32];
        machine = "type": [union Machine];
        nodemap: [bitmap] since "4.3";
        exec_ssidref: [u32] since "4.3";
        iomem: [list struct IoMemory] since "4.3";
        claim_mode: [defbool] since "4.3";
        event_channels: [u32] since "4.4";
        vcpu_hard_affinity: [list bitmap] since "4.5";
        vcpu_soft_affinity: [list bitmap] since "4.5";
        exec_ssid_label: [text] since "4.5";
        device_model_ssid_label: [text] since "4.5";
        kernel: [text] since "4.5";
        cmdline: [text] since "4.5";
        ramdisk: [text] since "4.5";
        vnuma_nodes: [list struct VirtualNode] since "4.6";
        device_tree: [text] since "4.6";
        arch_arm: [struct ArchArm] since "4.6";
        device_model_user: [text] since "4.7";
        acpi: [defbool] since "4.8";
        altp2m: [enum Altp2mMode] since "4.9";
        max_grant_frames: [u32] since "4.10";
        max_maptrack_frames: [u32] since "4.10";
        bootloader: [text] since "4.10";
        bootloader_args: [list text] since "4.10";
        timer_mode: [enum TimerMode] since "4.10";
        nested_hvm: [defbool] since "4.10";
        apic: [defbool] since "4.10";
        dm_restrict: [defbool] since "4.10";
        iommu_memory_kib = "iommu_memkb": [kib] since "4.13";
        tee: [enum TeeKind] since "4.13";
        stubdomain_memory_kib = "stubdomain_memkb": [kib] since "4.14";
        stubdomain_kernel: [text] since "4.14";
        stubdomain_ramdisk: [text] since "4.14";
        arch_x86: [struct ArchX86] since "4.15";
        vmtrace_buffer_kib = "vmtrace_buf_kb": [i32] since "4.15";
        max_grant_version: [i32] since "4.16";
        stubdomain_cmdline: [text] since "4.16";
        vpmu: [defbool] since "4.16";
        bootloader_restrict: [defbool] since "4.18";
        bootloader_user: [text] since "4.18";
        llc_colors: [list u32] since "4.20";
        altp2m_count: [u32] since "4.21";
        trap_unmapped_accesses: [defbool] since "4.21";
        xenstore_feature_mask: [u32] since "4.21";
        xenstore_quota: [struct XenstoreQuotas] since "4.22";
    }

    union Machine = "domain_build_info.type" since "4.2" {
        Hvm(Hvm) = "hvm";
        Pv(Pv) = "pv";
        Pvh(Pvh) = "pvh" since "4.10";
    }

    struct VirtualNode = "vnode_info" since "4.6" {
        memory_kib = "memkb": [kib];
        distances: [list u32];
        pnode: [u32];
        vcpus: [bitmap];
    }

    struct IoPorts = "ioport_range" since "4.2" {
        first: [u32];
        number: [u32];
    }

    struct IoMemory = "iomem_range" since "4.3" {
        start: [u64];
        number: [u64];
        gfn: [u64] since "4.5";
    }

    struct ArmSci = "arm_sci" since "4.21" {
        kind = "type": [enum ArmSciKind];
    }

    struct RdmReserve = "rdm_reserve" since "4.6" {
        strategy: [enum RdmStrategy];
        policy: [enum RdmPolicy];
    }

    struct Smbios = "smbios" since "4.18" {
        key: [enum SmbiosKey];
        value: [text];
    }

    struct XenstoreQuota = "xs_quota_item" since "4.22" {
        name: [text];
        val: [u32];
    }

    struct XenstoreQuotas = "xs_quota_list" since "4.22" {
        quota: [list struct XenstoreQuota];
    }

    enum DeviceModelVersion = "device_model_version" since "4.2" {
        QemuXenTraditional = "qemu_xen_traditional" 1;
        QemuXen = "qemu_xen" 2;
        Unknown = "unknown" 0 since "4.4";
    }

    enum TscMode = "tsc_mode" since "4.2" {
        Default = "default" 0;
        AlwaysEmulate = "always_emulate" 1;
        Native = "native" 2;
        NativeParavirt = "native_paravirt" 3;
    }

    enum TimerMode = "timer_mode" since "4.2" {
        DelayForMissedTicks = "delay_for_missed_ticks" 0;
        NoDelayForMissedTicks = "no_delay_for_missed_ticks" 1;
        NoMissedTicksPending = "no_missed_ticks_pending" 2;
        OneMissedTickPending = "one_missed_tick_pending" 3;
        Unknown = "unknown" -1 since "4.4";
    }

    enum Bios = "bios_type" since "4.2" {
        Rombios = "rombios" 1;
        Seabios = "seabios" 2;
        Ovmf = "ovmf" 3;
        Unknown = "unknown" 0 since "4.4";
    }

    enum VendorDevice = "vendor_device" since "4.4" {
        None = "none" 0;
        Xenserver = "xenserver" 1;
    }

    enum Viridian = "viridian_enlightenment" since "4.5" {
        Base = "base" 0;
        Freq = "freq" 1;
        TimeRefCount = "time_ref_count" 2;
        ReferenceTsc = "reference_tsc" 3 since "4.6";
        HcallRemoteTlbFlush = "hcall_remote_tlb_flush" 4 since "4.7";
        ApicAssist = "apic_assist" 5 since "4.7";
        CrashCtl = "crash_ctl" 6 since "4.9";
        Synic = "synic" 7 since "4.13";
        Stimer = "stimer" 8 since "4.13";
        HcallIpi = "hcall_ipi" 9 since "4.13";
        ExProcessorMasks = "ex_processor_masks" 10 since "4.15";
        NoVpLimit = "no_vp_limit" 11 since "4.15";
        CpuHotplug = "cpu_hotplug" 12 since "4.15";
    }

    enum RdmStrategy = "rdm_reserve_strategy" since "4.6" {
        Ignore = "ignore" 0;
        Host = "host" 1;
    }

    enum RdmPolicy = "rdm_reserve_policy" since "4.6" {
        Invalid = "invalid" -1;
        Strict = "strict" 0;
        Relaxed = "relaxed" 1;
    }

    enum HardDiskKind = "hdtype" since "4.6" {
        Ide = "ide" 1;
        Ahci = "ahci" 2;
    }

    enum GicVersion = "gic_version" since "4.6" {
        Default = "default" 0;
        V2 = "v2" 32;
        V3 = "v3" 48;
    }

    enum GfxPassthruKind = "gfx_passthru_kind" since "4.7" {
        Default = "default" 0;
        Igd = "igd" 1;
    }

    enum Altp2mMode = "altp2m_mode" since "4.9" {
        Disabled = "disabled" 0;
        Mixed = "mixed" 1;
        External = "external" 2;
        Limited = "limited" 3;
    }

    enum VirtualUart = "vuart_type" since "4.10" {
        Unknown = "unknown" 0;
        SbsaUart = "sbsa_uart" 1;
    }

    enum TeeKind = "tee_type" since "4.13" {
        None = "none" 0;
        OpTee = "optee" 1;
        Ffa = "ffa" 2 since "4.18";
    }

    enum SmbiosKey = "smbios_type" since "4.18" {
        BiosVendor = "bios_vendor" 1;
        BiosVersion = "bios_version" 2;
        SystemManufacturer = "system_manufacturer" 3;
        SystemProductName = "system_product_name" 4;
        SystemVersion = "system_version" 5;
        SystemSerialNumber = "system_serial_number" 6;
        BaseboardManufacturer = "baseboard_manufacturer" 7;
        BaseboardProductName = "baseboard_product_name" 8;
        BaseboardVersion = "baseboard_version" 9;
        BaseboardSerialNumber = "baseboard_serial_number" 10;
        BaseboardAssetTag = "baseboard_asset_tag" 11;
        BaseboardLocationInChassis = "baseboard_location_in_chassis" 12;
        EnclosureManufacturer = "enclosure_manufacturer" 13;
        EnclosureSerialNumber = "enclosure_serial_number" 14;
        EnclosureAssetTag = "enclosure_asset_tag" 15;
        BatteryManufacturer = "battery_manufacturer" 16;
        BatteryDeviceName = "battery_device_name" 17;
        Oem = "oem" 18;
    }

    enum SveLength = "sve_type" since "4.18" {
        Hw = "hw" -1;
        Disabled = "disabled" 0;
        Bits128 = "128" 128;
        Bits256 = "256" 256;
        Bits384 = "384" 384;
        Bits512 = "512" 512;
        Bits640 = "640" 640;
        Bits768 = "768" 768;
        Bits896 = "896" 896;
        Bits1024 = "1024" 1024;
        Bits1152 = "1152" 1152;
        Bits1280 = "1280" 1280;
        Bits1408 = "1408" 1408;
        Bits1536 = "1536" 1536;
        Bits1664 = "1664" 1664;
        Bits1792 = "1792" 1792;
        Bits1920 = "1920" 1920;
        Bits2048 = "2048" 2048;
    }

    enum ArmSciKind = "arm_sci_type" since "4.21" {
        None = "none" 0;
        ScmiSmc = "scmi_smc" 1;
    }
}
