//! The machine that a domain sees, by its type: PV, PVH or HVM.

use crate::graphics::{Sdl, Spice, Vga, Vnc};

table! {
    /// What only domains of one type have.
    union Machine = "domain_build_info.type" since "4.2" {
        /// A full machine, with firmware and emulated devices.
        Hvm(Hvm) = "hvm";
        /// Paravirtual.
        Pv(Pv) = "pv";
        /// A kernel made for it in memory and CPUs that hardware virtualises; also every domain on Arm.
        Pvh(Pvh) = "pvh" since "4.10";
    }

    /// What only HVM domains have: firmware and emulated devices. x86.
    ///
    /// Devices are those of QEMU, [`DeviceModelVersion::QemuXen`](crate::DeviceModelVersion::QemuXen), unless it is
    /// said otherwise.
    struct Hvm = "domain_build_info.type.hvm" since "4.2" {
        /// What the domain boots from, the first that works, by letters: `c` a hard disk, `d` a CD-ROM, `n` the
        /// network, `a` a floppy. Not set: `cda`.
        boot: [text];
        /// The firmware. Not set: [`Bios::Seabios`]; [`Bios::Rombios`] with
        /// [`DeviceModelVersion::QemuXenTraditional`](crate::DeviceModelVersion::QemuXenTraditional).
        bios: [enum Bios];
        /// A file with a firmware of the kind that [`field@Hvm::bios`] says, instead of the one that libxl was built
        /// with. xl: `bios_path_override`.
        system_firmware: [text] since "4.8";
        /// The loader of the firmware: a path, or a file in Xen's directory of firmware. Not set: `hvmloader`. xl:
        /// `firmware_override`, or a path as `firmware`.
        firmware: [text];
        /// A file with ACPI tables, one after the other, that are added to those of the firmware. They cannot replace
        /// any.
        acpi_firmware: [text] since "4.3";
        /// A file with SMBIOS structures, each after its size in 32 bits. Those of type 0, 1, 2, 3, 11, 22 and 39
        /// replace the firmware's, those of 128 and above are added.
        smbios_firmware: [text] since "4.3";
        /// Texts in the firmware's SMBIOS structures. Not set: the firmware's own.
        smbios: [list struct Smbios] since "4.18";

        /// Which emulated controller disks are at. CD-ROM drives are at IDE in any case. Not set:
        /// [`HardDiskKind::Ide`].
        hdtype: [enum HardDiskKind] since "4.6";
        /// The emulated graphics card.
        vga: [struct Vga];
        /// Whether there is no emulated display at all. It counts if neither [`field@Hvm::vnc`] nor [`field@Hvm::sdl`]
        /// is on. Default: no.
        nographic: [defbool];
        /// The display, shown by VNC. On unless it is turned off.
        vnc: [struct Vnc];
        /// The display, shown in a window on the host. Off unless it is turned on.
        sdl: [struct Sdl];
        /// The display, shown by SPICE. Off unless it is turned on.
        spice: [struct Spice];
        /// The layout of the keyboard, such as `de`. Not set: QEMU's default, `en-us`.
        keymap: [text];
        /// Whether a PCI device that is passed through is the domain's main graphics card. Default: no. xl:
        /// `gfx_passthru`, which names the kind, too.
        gfx_passthru: [defbool];
        /// What graphics card [`field@Hvm::gfx_passthru`] passes through. Not set: [`GfxPassthruKind::Default`].
        gfx_passthru_kind: [enum GfxPassthruKind] since "4.7";

        /// Where the emulated serial port leads to, as QEMU's `-serial` has it, such as `pty`. Not set: there is none.
        /// libxl refuses it together with [`field@Hvm::serial_list`].
        serial: [text];
        /// Where each of several emulated serial ports leads to, as QEMU's `-serial` has it. xl: a list as `serial`.
        serial_list: [list text] since "4.5";
        /// Whether there is an emulated USB controller, of version 1.1. [`field@Hvm::usbdevice`] and
        /// [`field@Hvm::usbdevice_list`] turn it on, too. Default: no.
        usb: [defbool];
        /// The version of an emulated USB controller: 1, 2 or 3. Not set: none; 2 if SPICE redirects USB. libxl refuses
        /// it together with [`field@Hvm::usb`], [`field@Hvm::usbdevice`] and [`field@Hvm::usbdevice_list`].
        usbversion: [i32] since "4.4";
        /// An emulated USB device, as QEMU's `-usbdevice` has it, such as `tablet` for a pointer with absolute
        /// coordinates. Not set: none. libxl refuses it together with [`field@Hvm::usbdevice_list`].
        usbdevice: [text];
        /// Several emulated USB devices, as QEMU's `-usbdevice` has them. xl: a list as `usbdevice`.
        usbdevice_list: [list text] since "4.3";
        /// Whether a domain without [`DomainConfig::vkbs`](field@crate::DomainConfig::vkbs) gets a paravirtual keyboard
        /// and pointer. Default: yes.
        vkb_device: [defbool] since "4.13";
        /// The emulated sound card: `ac97`, `adlib`, `cs4231a`, `es1370`, `gus`, `hda` or `sb16`, if QEMU has it. Not
        /// set: none.
        soundhw: [text];

        /// Whether there is the PCI device by which an operating system finds Xen's paravirtual devices. Default: yes.
        xen_platform_pci: [defbool];
        /// Whether the memory of that PCI device is uncached in the MTRRs. Default: yes.
        xen_platform_pci_bar_uc: [defbool] since "4.21";
        /// Which variant of the PCI device for drivers by vendors the domain has besides. Not set:
        /// [`VendorDevice::None`].
        vendor_device: [enum VendorDevice] since "4.4";
        /// Whether the domain can have interrupts of devices as event channels. Default: no; yes for a domain that is
        /// restored and whose configuration does not say. Domains of older releases always can. xl: `hvm_pirq`.
        pirq: [defbool] since "4.19";
        /// Whether the domain sees the usual interfaces of Hyper-V, which Windows uses: [`Viridian::Base`],
        /// [`Viridian::Freq`], [`Viridian::TimeRefCount`], [`Viridian::ApicAssist`], [`Viridian::CrashCtl`],
        /// [`Viridian::NoVpLimit`] and [`Viridian::CpuHotplug`]; fewer in older releases. Default: no.
        viridian: [defbool];
        /// Which interfaces of Hyper-V the domain sees besides those of [`field@Hvm::viridian`]: numbers of
        /// [`Viridian`]. All others need [`Viridian::Base`]. xl: `viridian`, as a list.
        viridian_enable: [bitmap] since "4.5";
        /// Which interfaces of Hyper-V the domain does not see of those of [`field@Hvm::viridian`]: numbers of
        /// [`Viridian`]. libxl refuses one that [`field@Hvm::viridian_enable`] has, too. xl: `viridian`, those with
        /// `!`.
        viridian_disable: [bitmap] since "4.5";
        /// A random number by which Windows knows that it runs from a snapshot or a copy. It must be a new one each
        /// time that the domain is created or restored. Not set, or all zeros: none. xl: `generate` makes one.
        ms_vm_genid: [genid] since "4.5";

        /// Whether the firmware has ACPI tables. Deprecated in favour of
        /// [`BuildInfo::acpi`](field@crate::BuildInfo::acpi), which counts for Arm, too. Default: yes; if either of the
        /// two is no, there are none.
        acpi: [defbool];
        /// Whether the ACPI tables have the state for suspend to RAM. Default: yes.
        acpi_s3: [defbool];
        /// Whether the ACPI tables have the state for suspend to disk. Default: yes.
        acpi_s4: [defbool];
        /// Whether the ACPI tables have the switch between laptop and tablet that Windows knows. Default: no.
        acpi_laptop_slate: [defbool] since "4.9";
        /// Whether the domain has physical address extension, which 64-bit kernels need. Default: yes.
        pae: [defbool];
        /// Deprecated: libxl keeps it, and does not use it. Default: yes. To hide the CPU's no-execute bit, use
        /// [`BuildInfo::cpuid`](field@crate::BuildInfo::cpuid).
        nx: [defbool];
        /// Whether there is an emulated HPET, a timer. Default: yes.
        hpet: [defbool];
        /// Whether ticks of emulated timers are aligned, so that there are fewer interrupts. Default: yes.
        vpt_align: [defbool];
        /// Features of machine checks that the domain sees besides the default ones. 1: local machine checks (LMCE) of
        /// Intel's. Not set: 0. xl: `mca_caps`, a list.
        mca_caps: [u64] since "4.10";
        /// The offset of the emulated clock, in s, as libxl writes it into xenstore (`rtc/timeoffset`). Set
        /// [`BuildInfo::rtc_timeoffset`](field@crate::BuildInfo::rtc_timeoffset) instead, which Xen heeds.
        timeoffset: [text];

        /// The size of the hole below 4 GiB that is for devices' memory, in KiB. Not set: 262144, which is also the
        /// least; libxl ignores less. xl: `mmio_hole`, in MiB there, at most 3840.
        mmio_hole_memory_kib = "mmio_hole_memkb": [kib] since "4.5";
        /// What becomes of the domain's memory where PCI devices reserve it.
        rdm: [struct RdmReserve] since "4.6";
        /// Below this address, in KiB, libxl does not make room for memory that PCI devices reserve; a conflict there
        /// goes by its [`RdmPolicy`]. Not set: 2097152. xl: `rdm_mem_boundary`, in MiB there.
        rdm_mem_boundary_memory_kib = "rdm_mem_boundary_memkb": [kib] since "4.6";

        /// Deprecated: [`BuildInfo::altp2m`](field@crate::BuildInfo::altp2m). A yes there means
        /// [`Altp2mMode::Mixed`](crate::Altp2mMode::Mixed) if that is not set. Default: no. xl: `altp2mhvm`.
        altp2m: [defbool] since "4.6";
        /// Deprecated since Xen 4.10: [`BuildInfo::apic`](field@crate::BuildInfo::apic).
        apic: [defbool];
        /// Deprecated since Xen 4.10: [`BuildInfo::nested_hvm`](field@crate::BuildInfo::nested_hvm).
        nested_hvm: [defbool];
        /// Deprecated since Xen 4.10: [`BuildInfo::timer_mode`](field@crate::BuildInfo::timer_mode).
        timer_mode: [enum TimerMode];
    }

    /// What only PV domains have. x86.
    struct Pv = "domain_build_info.type.pv" since "4.2" {
        /// Whether the domain's memory map has the host's holes for PCI devices, which Linux needs to use devices that
        /// are passed through. Default: no; xl makes it yes if there are such devices.
        e820_host: [defbool];
        /// Memory that the domain's memory map may have beyond
        /// [`BuildInfo::max_memory_kib`](field@crate::BuildInfo::max_memory_kib), in KiB. Not set: 0.
        slack_memory_kib = "slack_memkb": [kib];
        /// Features of Xen that the kernel is to use, by the names in its ELF notes, with `|` between them; `!` before
        /// one means that it must have it. Not set: what the kernel says.
        features: [text];
        /// Deprecated since Xen 4.5: [`BuildInfo::kernel`](field@crate::BuildInfo::kernel).
        kernel: [text];
        /// Deprecated since Xen 4.5: [`BuildInfo::ramdisk`](field@crate::BuildInfo::ramdisk).
        ramdisk: [text];
        /// Deprecated since Xen 4.5: [`BuildInfo::cmdline`](field@crate::BuildInfo::cmdline).
        cmdline: [text];
        /// Deprecated since Xen 4.10: [`BuildInfo::bootloader`](field@crate::BuildInfo::bootloader).
        bootloader: [text];
        /// Deprecated since Xen 4.10: [`BuildInfo::bootloader_args`](field@crate::BuildInfo::bootloader_args).
        bootloader_args: [list text];
    }

    /// What only PVH domains have: a shim, a small Xen in the domain, in which a kernel for PV runs. x86.
    struct Pvh = "domain_build_info.type.pvh" since "4.10" {
        /// Whether [`BuildInfo::kernel`](field@crate::BuildInfo::kernel) is for PV and runs in the shim. Default: no.
        pvshim: [defbool] since "4.11";
        /// The shim: a path. Not set: `xen-shim` in Xen's directory of firmware.
        pvshim_path: [text] since "4.11";
        /// The shim's command line. Not set: `pv-shim console=xen,pv`.
        pvshim_cmdline: [text] since "4.11";
        /// More for the shim's command line, after [`field@Pvh::pvshim_cmdline`]. Not set: nothing.
        pvshim_extra: [text] since "4.11";
    }

    /// What happens to a domain's memory where PCI devices reserve it (reserved device memory, as in the host's ACPI
    /// tables).
    struct RdmReserve = "rdm_reserve" since "4.6" {
        /// Which reservations count. Not set: [`RdmStrategy::Ignore`].
        strategy: [enum RdmStrategy];
        /// What happens if one of the host's cannot be kept free. Not set: [`RdmPolicy::Relaxed`]. For those of a
        /// device that is passed through, the device's policy counts.
        policy: [enum RdmPolicy];
    }

    /// A text in the firmware's SMBIOS structures.
    struct Smbios = "smbios" since "4.18" {
        /// Which text.
        key: [enum SmbiosKey];
        /// The text.
        value: [text];
    }

    /// What happens to ticks of emulated timers while a vCPU does not run.
    enum TimerMode = "timer_mode" since "4.2" {
        /// All are delivered when the vCPU runs again, and its time waits for them.
        DelayForMissedTicks = "delay_for_missed_ticks" 0;
        /// All are delivered when the vCPU runs again, but its time is always the real one.
        NoDelayForMissedTicks = "no_delay_for_missed_ticks" 1;
        /// None is delivered later. The timer goes on for a period, so that some ticks come in any case.
        NoMissedTicksPending = "no_missed_ticks_pending" 2;
        /// One is delivered for all of them, and the vCPU's time is always the real one.
        OneMissedTickPending = "one_missed_tick_pending" 3;
        /// Not specified: libxl uses [`TimerMode::NoDelayForMissedTicks`].
        Unknown = "unknown" -1 since "4.4";
    }

    /// The firmware of an HVM domain.
    enum Bios = "bios_type" since "4.2" {
        /// A BIOS, only with [`DeviceModelVersion::QemuXenTraditional`](crate::DeviceModelVersion::QemuXenTraditional).
        Rombios = "rombios" 1;
        /// SeaBIOS, a BIOS, only with [`DeviceModelVersion::QemuXen`](crate::DeviceModelVersion::QemuXen).
        Seabios = "seabios" 2;
        /// OVMF, an UEFI firmware, only with [`DeviceModelVersion::QemuXen`](crate::DeviceModelVersion::QemuXen).
        Ovmf = "ovmf" 3;
        /// Not specified: libxl chooses by the device model.
        Unknown = "unknown" 0 since "4.4";
    }

    /// A variant of the PCI device for drivers by vendors.
    enum VendorDevice = "vendor_device" since "4.4" {
        /// There is none.
        None = "none" 0;
        /// For the drivers of XenServer: the device's number is C000.
        Xenserver = "xenserver" 1;
    }

    /// Interfaces of Hyper-V (Viridian), which Windows uses if it finds them. [`field@Hvm::viridian_enable`] and
    /// [`field@Hvm::viridian_disable`] have them by [number](Viridian::number).
    enum Viridian = "viridian_enlightenment" since "4.5" {
        /// Hypercalls, the number of a vCPU, and the APIC by model-specific registers. All others need it.
        Base = "base" 0;
        /// The frequencies of the time stamp counter and of the APIC's timer.
        Freq = "freq" 1;
        /// A counter of the time since the domain started.
        TimeRefCount = "time_ref_count" 2;
        /// A page with what makes time of the time stamp counter.
        ReferenceTsc = "reference_tsc" 3 since "4.6";
        /// A hypercall that flushes the TLBs of other vCPUs.
        HcallRemoteTlbFlush = "hcall_remote_tlb_flush" 4 since "4.7";
        /// A page by which most ends of interrupts need not be told to the APIC.
        ApicAssist = "apic_assist" 5 since "4.7";
        /// Registers in which Windows says why it crashed, for Xen's log.
        CrashCtl = "crash_ctl" 6 since "4.9";
        /// The synthetic interrupt controller.
        Synic = "synic" 7 since "4.13";
        /// Synthetic timers, and with them [`Viridian::Synic`] and [`Viridian::TimeRefCount`].
        Stimer = "stimer" 8 since "4.13";
        /// A hypercall that interrupts other vCPUs.
        HcallIpi = "hcall_ipi" 9 since "4.13";
        /// Hypercalls with sets of more than 64 vCPUs. A domain with more than 64 needs it together with
        /// [`Viridian::HcallRemoteTlbFlush`] or [`Viridian::HcallIpi`].
        ExProcessorMasks = "ex_processor_masks" 10 since "4.15";
        /// That there is no limit to the number of vCPUs, for domains with more than 64.
        NoVpLimit = "no_vp_limit" 11 since "4.15";
        /// That vCPUs can come and go while the domain runs.
        CpuHotplug = "cpu_hotplug" 12 since "4.15";
    }

    /// Which reservations of memory by PCI devices count.
    enum RdmStrategy = "rdm_reserve_strategy" since "4.6" {
        /// Those of devices that are passed through when the domain is created.
        Ignore = "ignore" 0;
        /// All of the host's, so that any device can be given later.
        Host = "host" 1;
    }

    /// What happens if memory that a PCI device reserves cannot be kept free.
    enum RdmPolicy = "rdm_reserve_policy" since "4.6" {
        /// None is named; in what libxl tells, the reservation is not kept.
        Invalid = "invalid" -1;
        /// The domain is not created.
        Strict = "strict" 0;
        /// libxl logs a warning and leaves the reservation out. The device may fail then.
        Relaxed = "relaxed" 1;
    }

    /// An emulated controller of hard disks.
    enum HardDiskKind = "hdtype" since "4.6" {
        /// IDE: up to 4 disks, as old operating systems know it.
        Ide = "ide" 1;
        /// AHCI (SATA): up to 6 disks, faster, only with
        /// [`DeviceModelVersion::QemuXen`](crate::DeviceModelVersion::QemuXen) and not for disks that are read only.
        Ahci = "ahci" 2;
    }

    /// The kind of a graphics card that is passed through.
    enum GfxPassthruKind = "gfx_passthru_kind" since "4.7" {
        /// libxl finds it out, and refuses what it does not know.
        Default = "default" 0;
        /// Intel's, as a part of the CPU or chipset.
        Igd = "igd" 1;
    }

    /// A text in the firmware's SMBIOS structures.
    enum SmbiosKey = "smbios_type" since "4.18" {
        /// BIOS (structure of type 0): its vendor.
        BiosVendor = "bios_vendor" 1;
        /// BIOS (structure of type 0): its version.
        BiosVersion = "bios_version" 2;
        /// System (type 1): its manufacturer.
        SystemManufacturer = "system_manufacturer" 3;
        /// System (type 1): its name as a product.
        SystemProductName = "system_product_name" 4;
        /// System (type 1): its version.
        SystemVersion = "system_version" 5;
        /// System (type 1): its serial number.
        SystemSerialNumber = "system_serial_number" 6;
        /// Board (type 2): its manufacturer.
        BaseboardManufacturer = "baseboard_manufacturer" 7;
        /// Board (type 2): its name as a product.
        BaseboardProductName = "baseboard_product_name" 8;
        /// Board (type 2): its version.
        BaseboardVersion = "baseboard_version" 9;
        /// Board (type 2): its serial number.
        BaseboardSerialNumber = "baseboard_serial_number" 10;
        /// Board (type 2): its asset tag.
        BaseboardAssetTag = "baseboard_asset_tag" 11;
        /// Board (type 2): where in the chassis it is.
        BaseboardLocationInChassis = "baseboard_location_in_chassis" 12;
        /// Chassis (type 3): its manufacturer.
        EnclosureManufacturer = "enclosure_manufacturer" 13;
        /// Chassis (type 3): its serial number.
        EnclosureSerialNumber = "enclosure_serial_number" 14;
        /// Chassis (type 3): its asset tag.
        EnclosureAssetTag = "enclosure_asset_tag" 15;
        /// Battery (type 22): its manufacturer.
        BatteryManufacturer = "battery_manufacturer" 16;
        /// Battery (type 22): its name.
        BatteryDeviceName = "battery_device_name" 17;
        /// A text of the manufacturer's own (type 11). There can be up to 99 of them.
        Oem = "oem" 18;
    }
}
