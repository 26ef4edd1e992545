use crate::scheduler::Scheduler;

table! {
    info CpupoolInfo = "cpupoolinfo" since "4.2" {
        poolid: [u32];
        sched: [enum Scheduler];
        n_dom: [u32];
        cpumap: [bitmap];
        pool_name: [optional text] since "4.5";
    }

    info VersionInfo = "version_info" since "4.2" {
        xen_version_major: [i32];
        xen_version_minor: [i32];
        xen_version_extra: [optional text];
        compiler: [optional text];
        compile_by: [optional text];
        compile_domain: [optional text];
        compile_date: [optional text];
        capabilities: [optional text];
        changeset: [optional text];
        virt_start: [u64];
        pagesize: [i32];
        commandline: [optional text];
        build_id: [optional text] since "4.7";
    }

    info PhysInfo = "physinfo" since "4.2" {
        threads_per_core: [u32];
        cores_per_socket: [u32];
        max_cpu_id: [u32];
        nr_cpus: [u32];
        cpu_khz: [u32];
        total_pages: [u64];
        free_pages: [u64];
        scrub_pages: [u64];
        sharing_freed_pages: [u64];
        sharing_used_frames: [u64];
        nr_nodes: [u32];
        hw_cap: [hwcap];
        cap_hvm: [bool];
        cap_hvm_directio: [bool];
        outstanding_pages: [u64] since "4.3";
        max_possible_mfn: [u64] since "4.10";
        cap_pv: [bool] since "4.12";
        cap_hap: [bool] since "4.13";
        cap_shadow: [bool] since "4.13";
        cap_iommu_hap_pt_share: [bool] since "4.13";
        cap_vmtrace: [bool] since "4.15";
        cap_vpmu: [bool] since "4.16";
        cap_gnttab_v1: [bool] since "4.16";
        cap_gnttab_v2: [bool] since "4.16";
        arch_capabilities: [u32] since "4.18";
    }

    info NumaInfo = "numainfo" since "4.2" {
        size: [u64];
        free: [u64];
        dists: [list u32];
    }

    info CpuTopology = "cputopology" since "4.2" {
        core: [u32];
        socket: [u32];
        node: [u32];
    }

    info PciTopology = "pcitopology" since "4.6" {
        seg: [u16];
        bus: [u8];
        devfn: [u8];
        node: [u32];
    }

    info VcpuInfo = "vcpuinfo" since "4.2" {
        vcpuid: [u32];
        cpu: [u32];
        online: [bool];
        blocked: [bool];
        running: [bool];
        vcpu_time: [u64];
        cpumap: [bitmap];
        cpumap_soft: [bitmap] since "4.5";
    }

    enum ConsoleKind = "console_type" since "4.2" {
        Serial = "serial" 1;
        Pv = "pv" 2;
        Unknown = "unknown" 0 since "4.4";
        Vuart = "vuart" 3 since "4.10";
    }

    enum Trigger = "trigger" since "4.2" {
        Unknown = "unknown" 0;
        Power = "power" 1;
        Sleep = "sleep" 2;
        Nmi = "nmi" 3;
        Init = "init" 4;
        Reset = "reset" 5;
        S3Resume = "s3resume" 6;
    }
}
