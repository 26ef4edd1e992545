use crate::scheduler::Scheduler;

table! {
    /// The host: its CPUs, its memory, and what Xen can do on it.
    info PhysInfo = "physinfo" since "4.2" {
        /// How many CPUs are online, each thread being one.
        nr_cpus: [u32];
        /// The highest number that a CPU can have on this host.
        max_cpu_id: [u32];
        /// How many threads each core has.
        threads_per_core: [u32];
        /// How many cores each socket has.
        cores_per_socket: [u32];
        /// How many NUMA nodes are online.
        nr_nodes: [u32];
        /// The frequency in kHz: of the CPUs on x86, of the timer on Arm.
        cpu_khz: [u32];
        /// How much memory Xen has, in pages of 4 KiB.
        total_pages: [u64];
        /// How much memory is free, in pages of 4 KiB. [`outstanding_pages`](Self::outstanding_pages) of it are
        /// promised.
        free_pages: [u64];
        /// How much free memory is yet to be wiped, in pages of 4 KiB. Xen reports 0.
        scrub_pages: [u64];
        /// How much memory domains that are being built have claimed and do not have yet, in pages of 4 KiB.
        outstanding_pages: [u64] since "4.3";
        /// How much memory domains save as they share it, in pages of 4 KiB. 0 where Xen cannot share memory.
        sharing_freed_pages: [u64];
        /// How much memory is shared, in pages of 4 KiB that count once. 0 where Xen cannot share memory.
        sharing_used_frames: [u64];
        /// The highest number that a page of memory can have on this host.
        max_possible_mfn: [u64] since "4.10";
        /// The features of the CPUs: the first four words as Xen numbers them. The first is EDX of CPUID leaf 1. Zero on Arm.
        hw_cap: [hwcap];
        /// HVM and PVH domains can run.
        cap_hvm: [bool];
        /// PV domains can run.
        cap_pv: [bool] since "4.12";
        /// Domains can be given devices of the host: there is an IOMMU, and Xen uses it.
        cap_hvm_directio: [bool];
        /// The CPUs translate the addresses of domains (HAP: EPT, NPT or Arm's second stage).
        cap_hap: [bool] since "4.13";
        /// Xen can translate the addresses of domains itself, with shadow page tables.
        cap_shadow: [bool] since "4.13";
        /// The IOMMU can use the page tables of [`cap_hap`](Self::cap_hap).
        cap_iommu_hap_pt_share: [bool] since "4.13";
        /// A domain's execution can be traced by the CPU (Intel PT).
        cap_vmtrace: [bool] since "4.15";
        /// Domains can use the CPU's performance counters.
        cap_vpmu: [bool] since "4.16";
        /// Domains can use grant tables of version 1.
        cap_gnttab_v1: [bool] since "4.16";
        /// Domains can use grant tables of version 2.
        cap_gnttab_v2: [bool] since "4.16";
        /// What the architecture has besides. On Arm, bits 0 to 4 are the longest SVE vector, in units of 128 bits; 0:
        /// no SVE. On x86 it is 0.
        arch_capabilities: [u32] since "4.18";
    }

    /// The Xen that runs on the host.
    info VersionInfo = "version_info" since "4.2" {
        /// The first number of its version: the 4 of 4.17.1.
        xen_version_major: [i32];
        /// The second number of its version: the 17 of 4.17.1.
        xen_version_minor: [i32];
        /// What follows in its version: the `.1` of 4.17.1.
        xen_version_extra: [optional text];
        /// Which kinds of domains it can run, separated by spaces, such as `xen-3.0-x86_64 hvm-3.0-x86_64`.
        capabilities: [optional text];
        /// The commit of its source, with its date.
        changeset: [optional text];
        /// The build id that the linker gave it, in hexadecimal digits. Empty if it has none.
        build_id: [optional text] since "4.7";
        /// The options with which it was booted.
        commandline: [optional text];
        /// The size of a page, in bytes.
        pagesize: [i32];
        /// The virtual address at which Xen's own memory begins, for the PV domain in which libxl runs. 0 in other
        /// domains and with some builds of Xen.
        virt_start: [u64];
        /// The compiler that built it.
        compiler: [optional text];
        /// Who built it.
        compile_by: [optional text];
        /// The DNS domain of the machine that built it.
        compile_domain: [optional text];
        /// When it was built.
        compile_date: [optional text];
    }

    /// A pool of CPUs, in which a scheduler of its own runs domains.
    info CpupoolInfo = "cpupoolinfo" since "4.2" {
        /// The number of the pool. 0 is the pool that Xen boots with.
        poolid: [u32];
        /// The name of the pool; pool 0 is `Pool-0` unless it was renamed.
        pool_name: [optional text] since "4.5";
        /// The pool's scheduler.
        sched: [enum Scheduler];
        /// How many domains are in it.
        n_dom: [u32];
        /// The numbers of its CPUs.
        cpumap: [bitmap];
    }

    /// A NUMA node of the host.
    info NumaInfo = "numainfo" since "4.2" {
        /// How much memory it has, in bytes. 4294967295: the node is not there.
        size: [u64];
        /// How much of it is free, in bytes. 4294967295: the node is not there.
        free: [u64];
        /// How far it is from each node, itself too, in the order of their numbers. As reported by the firmware: 10 is the
        /// node itself, 20 is twice as far. 4294967295: unknown.
        dists: [list u32];
    }

    /// Where a CPU of the host is. Its place in the list is its number.
    info CpuTopology = "cputopology" since "4.2" {
        /// The number of its core in the socket. 4294967295: the CPU is not there.
        core: [u32];
        /// The number of its socket. 4294967295: the CPU is not there.
        socket: [u32];
        /// The number of its NUMA node. 4294967295: the CPU is not there, or is on none.
        node: [u32];
    }

    /// Where a PCI device of the host is.
    info PciTopology = "pcitopology" since "4.6" {
        /// Its PCI domain (segment).
        seg: [u16];
        /// Its bus.
        bus: [u8];
        /// Device (slot) × 8 + function.
        devfn: [u8];
        /// The number of its NUMA node. 4294967295: unknown.
        node: [u32];
    }

    /// A virtual CPU of a domain.
    info VcpuInfo = "vcpuinfo" since "4.2" {
        /// The number of the virtual CPU.
        vcpuid: [u32];
        /// The number of the host's CPU on which it runs, or ran last.
        cpu: [u32];
        /// The domain has brought it up.
        online: [bool];
        /// It waits for an event.
        blocked: [bool];
        /// It runs at the moment.
        running: [bool];
        /// How long it has run in all, in ns.
        vcpu_time: [u64];
        /// The numbers of the host's CPUs on which it may run (hard affinity).
        cpumap: [bitmap];
        /// The numbers of the host's CPUs on which it preferably runs (soft affinity).
        cpumap_soft: [bitmap] since "4.5";
    }

    /// A kind of console of a domain.
    enum ConsoleKind = "console_type" since "4.2" {
        /// A serial port that QEMU emulates for an HVM domain.
        Serial = "serial" 1;
        /// A paravirtual console.
        Pv = "pv" 2;
        /// None: libxl refuses it.
        Unknown = "unknown" 0 since "4.4";
        /// A serial port that Xen emulates for a domain on Arm (SBSA UART).
        Vuart = "vuart" 3 since "4.10";
    }

    /// An action on a domain, like on a physical machine.
    ///
    /// Xen refuses [`Init`](Self::Init) and [`Reset`](Self::Reset) on x86, and all of them on Arm.
    enum Trigger = "trigger" since "4.2" {
        /// None: libxl refuses it.
        Unknown = "unknown" 0;
        /// The ACPI power button is pressed. Only HVM domains.
        Power = "power" 1;
        /// The ACPI sleep button is pressed. Only HVM domains.
        Sleep = "sleep" 2;
        /// A non-maskable interrupt, to one virtual CPU.
        Nmi = "nmi" 3;
        /// The INIT signal, to one virtual CPU.
        Init = "init" 4;
        /// The reset button is pressed.
        Reset = "reset" 5;
        /// The domain wakes from suspend to RAM, an ACPI state. Only HVM domains.
        S3Resume = "s3resume" 6;
    }
}
