table! {
    struct SchedulerParams = "domain_sched_params" since "4.2" {
        sched: [enum Scheduler];
        weight: [i32];
        cap: [i32];
        period: [i32];
        slice: [i32];
        latency: [i32];
        extratime: [i32];
        budget: [i32] since "4.5";
    }

    struct VcpuParams = "sched_params" since "4.7" {
        vcpuid: [i32];
        weight: [i32];
        cap: [i32];
        period: [i32];
        extratime: [i32];
        budget: [i32];
    }

    struct VcpuSchedulerParams = "vcpu_sched_params" since "4.7" {
        sched: [enum Scheduler];
        vcpus: [list struct VcpuParams];
    }

    struct CreditParams = "sched_credit_params" since "4.2" {
        tslice_ms: [i32];
        ratelimit_us: [i32];
        vcpu_migr_delay_us: [i32] since "4.11";
    }

    struct Credit2Params = "sched_credit2_params" since "4.8" {
        ratelimit_us: [i32];
    }

    enum Scheduler = "scheduler" since "4.2" {
        Unknown = "unknown" 0;
        Sedf = "sedf" 4;
        Credit = "credit" 5;
        Credit2 = "credit2" 6;
        Arinc653 = "arinc653" 7;
        Rtds = "rtds" 8 since "4.5";
        Null = "null" 9 since "4.9";
    }
}
