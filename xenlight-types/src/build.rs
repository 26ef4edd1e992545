//! What a domain is built from.

use crate::graphics::{Sdl, Spice, Vga, Vnc};
use crate::scheduler::SchedulerParams;

table! {
    /// What a domain is built from: CPUs, memory, what it boots, how it sees the machine, and what it may use of the
    /// host.
    ///
    /// Only [`field@BuildInfo::machine`] must be set, and a kernel or a boot loader for PV and PVH domains.
    struct BuildInfo = "domain_build_info" since "4.2" {
        /// What only domains of one type have. It must be set, and be of the same type as
        /// [`CreateInfo::kind`](field@crate::CreateInfo::kind).
        machine = "type": [union Machine];

        /// How many vCPUs the domain can have at most. Not set: 1. Xen allows 128 for HVM and PVH on x86. xl:
        /// `maxvcpus`.
        max_vcpus: [i32];
        /// The numbers of the vCPUs that are online when the domain starts. Not set: only vCPU 0. xl: `vcpus`, how
        /// many.
        avail_vcpus: [bitmap];
        /// For each vCPU, the numbers of the host's CPUs that it may run on. vCPUs beyond the end of the list may run
        /// on all. xl: `cpus`.
        vcpu_hard_affinity: [list bitmap] since "4.5";
        /// For each vCPU, the numbers of the host's CPUs that it runs on by preference. vCPUs beyond the end of the
        /// list have no preference. Not set: those that [`field@BuildInfo::numa_placement`] or
        /// [`field@BuildInfo::vnuma_nodes`] choose. xl: `cpus_soft`.
        vcpu_soft_affinity: [list bitmap] since "4.5";
        /// The older form of [`field@BuildInfo::vcpu_hard_affinity`], one for all vCPUs. libxl takes it if that is
        /// empty.
        cpumap: [bitmap];
        /// The domain's share of the host's CPU time.
        sched_params: [struct SchedulerParams];

        /// The most memory that the domain can ever have, in KiB, with [`field@BuildInfo::video_memory_kib`]. Not set:
        /// 32768. xl: `maxmem`, in MiB there.
        max_memory_kib = "max_memkb": [kib];
        /// The memory that the domain starts with, in KiB, with [`field@BuildInfo::video_memory_kib`]. Not set:
        /// [`field@BuildInfo::max_memory_kib`]. xl: `memory`, in MiB there.
        ///
        /// A domain with less than its most starts with the rest ballooned. If it is HVM or PVH, it needs a balloon
        /// driver, and libxl refuses it devices that are passed through, [`field@BuildInfo::vnuma_nodes`] and
        /// [`field@BuildInfo::altp2m`].
        target_memory_kib = "target_memkb": [kib];
        /// The memory of the emulated graphics card, in KiB. HVM. Default and minimum depend on [`field@Hvm::vga`]:
        /// 8192 for Cirrus, 16384 for standard VGA, 131072 for QXL; default 0 without a card. xl: `videoram`, in MiB
        /// there.
        video_memory_kib = "video_memkb": [kib];
        /// Memory of Xen's for the domain's shadow or nested page tables, in KiB. HVM and PVH. xl: `shadow_memory`, in
        /// MiB there.
        ///
        /// Not set: 1024 for each vCPU, and 4 for each MiB of [`field@BuildInfo::max_memory_kib`] (8 with shadow page
        /// tables, and in any case before Xen 4.17), and 512 on Arm. Before Xen 4.13, 0: then Xen takes the least that
        /// it needs.
        shadow_memory_kib = "shadow_memkb": [kib];
        /// Memory that libxl counts as needed for the IOMMU's page tables, in KiB. Not set: enough for
        /// [`field@BuildInfo::max_memory_kib`] with [`Passthrough::SyncPt`](crate::Passthrough::SyncPt), otherwise 0.
        iommu_memory_kib = "iommu_memkb": [kib] since "4.13";
        /// Whether the domain's memory is claimed from Xen before it is filled, so that creation fails at once if there
        /// is not enough. x86. Default: no; xl has it in `xl.conf`, and there the default is yes.
        claim_mode: [defbool] since "4.3";

        /// The kernel: a path in the domain that libxl runs in. PV and PVH need it or [`field@BuildInfo::bootloader`],
        /// which gets it as its argument `--kernel` if both are set. An HVM domain boots it directly, by the device
        /// model, instead of from a disk.
        kernel: [text] since "4.5";
        /// The initial ramdisk for [`field@BuildInfo::kernel`]: a path in the domain that libxl runs in. HVM: only with
        /// a kernel.
        ramdisk: [text] since "4.5";
        /// The command line for [`field@BuildInfo::kernel`]. HVM: only with a kernel. xl: `cmdline`, or `root` and
        /// `extra`.
        cmdline: [text] since "4.5";
        /// A program that finds the kernel on the first of [`DomainConfig::disks`](field@crate::DomainConfig::disks),
        /// such as `pygrub`. Without a slash at its beginning, it is looked for in the directory of Xen's own programs,
        /// then in `PATH`. PV and PVH; not run when a domain is restored.
        bootloader: [text] since "4.10";
        /// Arguments for [`field@BuildInfo::bootloader`], after libxl's own and before the disk.
        bootloader_args: [list text] since "4.10";
        /// Whether [`field@BuildInfo::bootloader`] runs with few rights, and without a dialogue, for it reads what the
        /// domain wrote. Default: yes if [`field@BuildInfo::bootloader_user`] is set, otherwise no. The environment
        /// variables `LIBXL_BOOTLOADER_RESTRICT` and `LIBXL_BOOTLOADER_USER` turn it on, too.
        bootloader_restrict: [defbool] since "4.18";
        /// The user that a restricted boot loader runs as, one for each domain. Not set: the number of the user
        /// `xen-qemuuser-range-base` plus that of the domain, or `xen-qemuuser-shared`. The environment variable
        /// `LIBXL_BOOTLOADER_USER` takes precedence over it.
        bootloader_user: [text] since "4.18";
        /// Where libxl begins to look for a free virtual disk, when it has to attach the domain's disk to its own
        /// domain for the boot loader. Not set: `xvda`. xl has it in `xl.conf`.
        blkdev_start: [text];

        /// Which device model. Not set: [`DeviceModelVersion::QemuXen`]; before Xen 4.21,
        /// [`DeviceModelVersion::QemuXenTraditional`] for a stub domain, or if the other is not installed.
        device_model_version: [enum DeviceModelVersion];
        /// The program that is the device model: a path. Not set: the one that libxl was built with. It must be of
        /// [`field@BuildInfo::device_model_version`], which must be set, too. xl: `device_model_override`.
        device_model: [text];
        /// The user that QEMU runs as, one for each domain, not root. HVM. Not set: root; with
        /// [`field@BuildInfo::dm_restrict`], the number of the user `xen-qemuuser-range-base` plus that of the domain,
        /// or `xen-qemuuser-shared`.
        device_model_user: [text] since "4.7";
        /// Whether QEMU is confined to its domain, as an unprivileged user in a directory of its own. Default: no.
        /// Needs a Linux and a QEMU that can.
        dm_restrict: [defbool] since "4.10";
        /// Arguments for the device model. xl: `device_model_args`; its `extra` is a part of
        /// [`field@BuildInfo::cmdline`].
        device_model_args = "extra": [list text];
        /// Arguments for the device model of a PV or PVH domain. xl: `device_model_args_pv`.
        device_model_args_pv = "extra_pv": [list text];
        /// Arguments for the device model of an HVM domain. xl: `device_model_args_hvm`.
        device_model_args_hvm = "extra_hvm": [list text];
        /// Whether the device model runs in a domain of its own, a stub domain. HVM. Default: no. xl:
        /// `device_model_stubdomain_override`.
        device_model_stubdomain: [defbool];
        /// The memory of the stub domain, in KiB, to which [`field@BuildInfo::video_memory_kib`] is added. Not set:
        /// 131072 if it runs Linux, 28672 if MiniOS. xl: `stubdomain_memory`, in MiB there.
        stubdomain_memory_kib = "stubdomain_memkb": [kib] since "4.14";
        /// The kernel of the stub domain: a path. Not set: `qemu-stubdom-linux-kernel` in Xen's directory of firmware.
        stubdomain_kernel: [text] since "4.14";
        /// The ramdisk of the stub domain: a path. Not set: `qemu-stubdom-linux-rootfs` in Xen's directory of firmware.
        stubdomain_ramdisk: [text] since "4.14";
        /// The command line for the stub domain's kernel. Not set: none.
        stubdomain_cmdline: [text] since "4.16";
        /// The label that XSM knows the stub domain by. It takes precedence over [`field@BuildInfo::device_model_ssidref`]. xl:
        /// `device_model_stubdomain_seclabel`.
        device_model_ssid_label: [text] since "4.5";
        /// The number of the label that XSM knows the stub domain by. Not set: that of a stub domain. Better give
        /// [`field@BuildInfo::device_model_ssid_label`].
        device_model_ssidref: [u32];

        /// Whether libxl chooses NUMA nodes of the host for the domain: memory comes from them, and the vCPUs prefer
        /// their CPUs. Default: yes. libxl does not if [`field@BuildInfo::vcpu_soft_affinity`],
        /// [`field@BuildInfo::cpumap`] or [`field@BuildInfo::nodemap`] is set.
        numa_placement: [defbool];
        /// The numbers of the host's NUMA nodes that the domain's memory comes from. Not set: see
        /// [`field@BuildInfo::numa_placement`].
        nodemap: [bitmap] since "4.3";
        /// The NUMA nodes that the domain sees; their memory must add up to [`field@BuildInfo::max_memory_kib`]. Not
        /// set: none. HVM and PVH. A domain that has them cannot be saved or migrated. xl: `vnuma`.
        vnuma_nodes: [list struct VirtualNode] since "4.6";

        /// What the domain's CPUID and model-specific registers tell. x86. Not set: what Xen and the host's CPU allow.
        cpuid: [cpuid];
        /// Whether the firmware has ACPI tables for the domain. HVM on x86, and Arm. Default: yes on x86, no on Arm.
        acpi: [defbool] since "4.8";
        /// Whether the firmware's tables tell of an APIC in a domain with one vCPU; with more, they always do. HVM on
        /// x86. Default: yes.
        apic: [defbool] since "4.10";
        /// Whether the domain can itself be a hypervisor. HVM and PVH on x86, with
        /// [`CreateInfo::hap`](field@crate::CreateInfo::hap) and without [`field@BuildInfo::altp2m`]. Default: no. xl:
        /// `nestedhvm`.
        nested_hvm: [defbool] since "4.10";
        /// Whether the domain can have several views of its physical memory, and who may use them. HVM and PVH on x86,
        /// with [`CreateInfo::hap`](field@crate::CreateInfo::hap), without [`field@BuildInfo::nested_hvm`] and with all
        /// its memory from the start. Not set: [`Altp2mMode::Disabled`].
        altp2m: [enum Altp2mMode] since "4.9";
        /// How many views of its physical memory the domain can have. Not set: 10 for an HVM domain with
        /// [`field@BuildInfo::altp2m`], otherwise 0. Without altp2m, Xen refuses any other than 0; with it, 0.
        altp2m_count: [u32] since "4.21";
        /// Whether the domain may use the CPU's performance counters. Arm; Xen does not keep them apart for each vCPU.
        /// Default: no. libxl refuses it where the host cannot.
        vpmu: [defbool] since "4.16";
        /// The size of the buffer in which the CPU traces each vCPU, in KiB. HVM and PVH on x86 with Intel Processor
        /// Trace. A power of two from 4 to 65536; 0, the default, is no trace. xl: `vmtrace_buf_kb`.
        vmtrace_buffer_kib = "vmtrace_buf_kb": [i32] since "4.15";

        /// Whether the domain's clock shows the host's local time instead of UTC. x86. Default: no.
        localtime: [defbool];
        /// The offset of the domain's clock from the host's, in s; a negative one as two's complement. x86. Not set: 0.
        rtc_timeoffset: [u32];
        /// How the domain reads the time stamp counter. x86. Not set: [`TscMode::Default`].
        tsc_mode: [enum TscMode];
        /// What happens to ticks of emulated timers while a vCPU does not run. HVM and PVH on x86. Not set:
        /// [`TimerMode::NoDelayForMissedTicks`].
        timer_mode: [enum TimerMode] since "4.10";
        /// Whether the domain will never be migrated, so that it may be told that its time stamp counter is invariant.
        /// x86. Default: no. libxl does not refuse to migrate it. xl: `nomigrate`.
        disable_migrate: [defbool];

        /// How many event channels the domain can have: the highest number of one. Not set: 1023. xl:
        /// `max_event_channels`.
        event_channels: [u32] since "4.4";
        /// How many pages the domain's grant table can have. Not set: what Xen's command line says
        /// (`gnttab_max_frames`); before Xen 4.13, 32.
        max_grant_frames: [u32] since "4.10";
        /// How many pages Xen can use to track what the domain maps of other domains' grants. Not set: what Xen's
        /// command line says (`gnttab_max_maptrack_frames`); before Xen 4.13, 1024.
        max_maptrack_frames: [u32] since "4.10";
        /// The highest version of grant tables that the domain can use: 1, 2, or 0 for no grants. Not set: the highest
        /// that Xen has.
        max_grant_version: [i32] since "4.16";
        /// Which features of xenstore the domain sees, if xenstore has them. Not set: all.
        ///
        /// The sum of 1 (it can reconnect), 2 (it tells errors when it disconnects), 4 (watches of limited depth) and 8
        /// (rights for all domains).
        xenstore_feature_mask: [u32] since "4.21";
        /// What the domain can have in xenstore. Not set: xenstore's own limits.
        xenstore_quota: [struct XenstoreQuotas] since "4.22";

        /// I/O ports of the host that the domain may use. x86. For domains that are trusted.
        ioports: [list struct IoPorts];
        /// Interrupts of the host that the domain gets, by number. For domains that are trusted. On Arm, those of
        /// [`field@ArchArm::vuart`] and of virtio devices are refused.
        irqs: [list u32];
        /// Memory of the host's devices that is mapped into the domain, though not for the IOMMU. For domains that are
        /// trusted.
        iomem: [list struct IoMemory] since "4.3";
        /// The colors, or parts, of the last-level cache that the domain's memory is in. Needs a Xen with cache
        /// coloring, on Arm. Not set: all.
        llc_colors: [list u32] since "4.20";

        /// The label that XSM knows the domain by once it is built; until then, it is
        /// [`CreateInfo::ssid_label`](field@crate::CreateInfo::ssid_label), and after that if this is not set. It wins
        /// over [`field@BuildInfo::exec_ssidref`]. xl: `seclabel`, if there is `init_seclabel`, too.
        exec_ssid_label: [text] since "4.5";
        /// The number of the label that XSM knows the domain by once it is built. Not set, or 0: the label does not
        /// change. Prefer [`field@BuildInfo::exec_ssid_label`].
        exec_ssidref: [u32] since "4.3";

        /// Which trusted execution environment of the host the domain can use. Arm. Not set: [`TeeKind::None`].
        tee: [enum TeeKind] since "4.13";
        /// A compiled device tree, of which the nodes `/passthrough` and `/aliases` become a part of the domain's: a
        /// path. Arm. libxl does not check it, so it must be trusted; the phandle 65000 is libxl's.
        device_tree: [text] since "4.6";
        /// Whether the domain gets a fault where it uses addresses that are not mapped; if not, it reads ones and its
        /// writes are lost. Arm. Default: yes. Refused on x86.
        trap_unmapped_accesses: [defbool] since "4.21";
        /// What only domains on Arm have.
        arch_arm: [struct ArchArm] since "4.6";
        /// What only domains on x86 have.
        arch_x86: [struct ArchX86] since "4.15";
    }

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
    /// Devices are those of QEMU, [`DeviceModelVersion::QemuXen`], unless it is said otherwise.
    struct Hvm = "domain_build_info.type.hvm" since "4.2" {
        /// What the domain boots from, the first that works, by letters: `c` a hard disk, `d` a CD-ROM, `n` the
        /// network, `a` a floppy. Not set: `cda`.
        boot: [text];
        /// The firmware. Not set: [`Bios::Seabios`]; [`Bios::Rombios`] with [`DeviceModelVersion::QemuXenTraditional`].
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

        /// Whether the firmware has ACPI tables. Deprecated in favour of [`field@BuildInfo::acpi`], which counts for
        /// Arm, too. Default: yes; if either of the two is no, there are none.
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
        /// [`field@BuildInfo::cpuid`].
        nx: [defbool];
        /// Whether there is an emulated HPET, a timer. Default: yes.
        hpet: [defbool];
        /// Whether ticks of emulated timers are aligned, so that there are fewer interrupts. Default: yes.
        vpt_align: [defbool];
        /// Features of machine checks that the domain sees besides the default ones. 1: local machine checks (LMCE) of
        /// Intel's. Not set: 0. xl: `mca_caps`, a list.
        mca_caps: [u64] since "4.10";
        /// The offset of the emulated clock, in s, as libxl writes it into xenstore (`rtc/timeoffset`). Set
        /// [`field@BuildInfo::rtc_timeoffset`] instead, which Xen heeds.
        timeoffset: [text];

        /// The size of the hole below 4 GiB that is for devices' memory, in KiB. Not set: 262144, which is also the
        /// least; libxl ignores less. xl: `mmio_hole`, in MiB there, at most 3840.
        mmio_hole_memory_kib = "mmio_hole_memkb": [kib] since "4.5";
        /// What becomes of the domain's memory where PCI devices reserve it.
        rdm: [struct RdmReserve] since "4.6";
        /// Below this address, in KiB, libxl does not make room for memory that PCI devices reserve; a conflict there
        /// goes by its [`RdmPolicy`]. Not set: 2097152. xl: `rdm_mem_boundary`, in MiB there.
        rdm_mem_boundary_memory_kib = "rdm_mem_boundary_memkb": [kib] since "4.6";

        /// Deprecated: [`field@BuildInfo::altp2m`]. A yes there means [`Altp2mMode::Mixed`] if that is not set.
        /// Default: no. xl: `altp2mhvm`.
        altp2m: [defbool] since "4.6";
        /// Deprecated since Xen 4.10: [`field@BuildInfo::apic`].
        apic: [defbool];
        /// Deprecated since Xen 4.10: [`field@BuildInfo::nested_hvm`].
        nested_hvm: [defbool];
        /// Deprecated since Xen 4.10: [`field@BuildInfo::timer_mode`].
        timer_mode: [enum TimerMode];
    }

    /// What only PV domains have. x86.
    struct Pv = "domain_build_info.type.pv" since "4.2" {
        /// Whether the domain's memory map has the host's holes for PCI devices, which Linux needs to use devices that
        /// are passed through. Default: no; xl makes it yes if there are such devices.
        e820_host: [defbool];
        /// Memory that the domain's memory map may have beyond [`field@BuildInfo::max_memory_kib`], in KiB. Not set: 0.
        slack_memory_kib = "slack_memkb": [kib];
        /// Features of Xen that the kernel is to use, by the names in its ELF notes, with `|` between them; `!` before
        /// one means that it must have it. Not set: what the kernel says.
        features: [text];
        /// Deprecated since Xen 4.5: [`field@BuildInfo::kernel`].
        kernel: [text];
        /// Deprecated since Xen 4.5: [`field@BuildInfo::ramdisk`].
        ramdisk: [text];
        /// Deprecated since Xen 4.5: [`field@BuildInfo::cmdline`].
        cmdline: [text];
        /// Deprecated since Xen 4.10: [`field@BuildInfo::bootloader`].
        bootloader: [text];
        /// Deprecated since Xen 4.10: [`field@BuildInfo::bootloader_args`].
        bootloader_args: [list text];
    }

    /// What only PVH domains have: a shim, a small Xen in the domain, in which a kernel for PV runs. x86.
    struct Pvh = "domain_build_info.type.pvh" since "4.10" {
        /// Whether [`field@BuildInfo::kernel`] is for PV and runs in the shim. Default: no.
        pvshim: [defbool] since "4.11";
        /// The shim: a path. Not set: `xen-shim` in Xen's directory of firmware.
        pvshim_path: [text] since "4.11";
        /// The shim's command line. Not set: `pv-shim console=xen,pv`.
        pvshim_cmdline: [text] since "4.11";
        /// More for the shim's command line, after [`field@Pvh::pvshim_cmdline`]. Not set: nothing.
        pvshim_extra: [text] since "4.11";
    }

    /// What only domains on Arm have.
    struct ArchArm = "domain_build_info.arch_arm" since "4.6" {
        /// The version of the interrupt controller that the domain sees. Not set: [`GicVersion::Default`].
        gic_version: [enum GicVersion];
        /// An emulated serial port. Not set: none. Its interrupt, number 32, cannot be passed through.
        vuart: [enum VirtualUart] since "4.10";
        /// The longest vectors of the Scalable Vector Extension that the domain can use. 64-bit Arm. Not set:
        /// [`SveLength::Disabled`]. libxl refuses what the host does not have. xl: `sve`.
        sve_vl: [enum SveLength] since "4.18";
        /// How many shared interrupts (SPIs) the domain has. Not set: as many as [`field@BuildInfo::irqs`], virtio
        /// devices and [`field@ArchArm::vuart`] need, and libxl refuses fewer. At most 960, and 5088 with extended
        /// ones, which need a GICv3.1 and a Xen that has them.
        nr_spis: [u32] since "4.19";
        /// How the domain reaches the firmware that manages clocks, power and the like.
        arm_sci: [struct ArmSci] since "4.21";
    }

    /// What only domains on x86 have.
    struct ArchX86 = "domain_build_info.arch_x86" since "4.15" {
        /// Whether the domain may access a model-specific register that Xen does not know, without any effect, much as
        /// before Xen 4.15; if not, that raises a fault. Default: no; yes for a domain that is restored and whose
        /// configuration does not say.
        msr_relaxed: [defbool];
    }

    /// A NUMA node that a domain sees. All fields must be set.
    struct VirtualNode = "vnode_info" since "4.6" {
        /// The node's memory, in KiB. xl: `size`, in MiB there.
        memory_kib = "memkb": [kib];
        /// The numbers of the node's vCPUs. Each vCPU is in one node.
        vcpus: [bitmap];
        /// The number of the host's node that the memory comes from.
        pnode: [u32];
        /// How far it is to each of the domain's nodes, in their order, itself with it: usually 10 to itself, and never
        /// less to another. xl: `vdistances`.
        distances: [list u32];
    }

    /// Some of the host's I/O ports.
    struct IoPorts = "ioport_range" since "4.2" {
        /// The number of the first.
        first: [u32];
        /// How many there are.
        number: [u32];
    }

    /// Some pages of memory of the host's devices.
    struct IoMemory = "iomem_range" since "4.3" {
        /// The number of the first page on the host: its address without the lowest 12 bits.
        start: [u64];
        /// How many pages there are.
        number: [u64];
        /// The number of the first page in the domain. Not set: [`field@IoMemory::start`].
        gfn: [u64] since "4.5";
    }

    /// How a domain on Arm reaches the firmware that manages clocks, power and the like (the System Control Interface).
    struct ArmSci = "arm_sci" since "4.21" {
        /// The protocol. Not set: [`ArmSciKind::None`].
        kind = "type": [enum ArmSciKind];
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

    /// A limit of what a domain can have in xenstore.
    struct XenstoreQuota = "xs_quota_item" since "4.22" {
        /// The name, as xenstore has it. `xl xenstore-quota-get -g` lists them.
        name: [text];
        /// The limit.
        val: [u32];
    }

    /// Limits of what a domain can have in xenstore. Not every xenstore knows limits for a domain.
    struct XenstoreQuotas = "xs_quota_list" since "4.22" {
        /// The limits. What is not among them is as xenstore has it for all domains.
        quota: [list struct XenstoreQuota];
    }

    /// A program that emulates devices for a domain, and is the backend of some paravirtual ones.
    enum DeviceModelVersion = "device_model_version" since "4.2" {
        /// Xen's old copy of QEMU. libxl refuses it since Xen 4.21.
        QemuXenTraditional = "qemu_xen_traditional" 1;
        /// QEMU. xl: `qemu-xen`.
        QemuXen = "qemu_xen" 2;
        /// Not specified: libxl chooses.
        Unknown = "unknown" 0 since "4.4";
    }

    /// How a domain reads the time stamp counter.
    enum TscMode = "tsc_mode" since "4.2" {
        /// From the CPU where it never goes back and keeps its rate, otherwise emulated.
        Default = "default" 0;
        /// Always emulated, at one rate, wherever the domain runs.
        AlwaysEmulate = "always_emulate" 1;
        /// Always from the CPU, even if it goes back or the rate changes.
        Native = "native" 2;
        /// From the CPU, with what is needed to correct it. libxl refuses it since Xen 4.13.
        NativeParavirt = "native_paravirt" 3;
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
        /// A BIOS, only with [`DeviceModelVersion::QemuXenTraditional`].
        Rombios = "rombios" 1;
        /// SeaBIOS, a BIOS, only with [`DeviceModelVersion::QemuXen`].
        Seabios = "seabios" 2;
        /// OVMF, an UEFI firmware, only with [`DeviceModelVersion::QemuXen`].
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
        /// AHCI (SATA): up to 6 disks, faster, only with [`DeviceModelVersion::QemuXen`] and not for disks that are
        /// read only.
        Ahci = "ahci" 2;
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

    /// The kind of a graphics card that is passed through.
    enum GfxPassthruKind = "gfx_passthru_kind" since "4.7" {
        /// libxl finds it out, and refuses what it does not know.
        Default = "default" 0;
        /// Intel's, as a part of the CPU or chipset.
        Igd = "igd" 1;
    }

    /// Who may use several views of a domain's physical memory (altp2m).
    enum Altp2mMode = "altp2m_mode" since "4.9" {
        /// Disabled: there is only one view.
        Disabled = "disabled" 0;
        /// The domain, and privileged programs outside of it.
        Mixed = "mixed" 1;
        /// Privileged programs outside of the domain.
        External = "external" 2;
        /// Privileged programs outside of the domain; itself, it may only turn on what its CPU has for it (VMFUNC and
        /// #VE).
        Limited = "limited" 3;
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
