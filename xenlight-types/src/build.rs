//! What a domain is built from.

use crate::arm::{ArchArm, TeeKind};
#[cfg(doc)]
use crate::machine::Hvm;
use crate::machine::{Machine, TimerMode};
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
}
