//! Schedulers and their parameters.

table! {
    /// How the scheduler treats a domain. Which fields count depends on the scheduler of the domain's cpupool.
    ///
    /// A field that is not set stays as it is; in a new domain that is the scheduler's default.
    struct SchedulerParams = "domain_sched_params" since "4.2" {
        /// The scheduler that the parameters are for. Not set, or [`Scheduler::Unknown`]: that of the domain's cpupool.
        /// libxl takes the cpupool's for a domain that is restored.
        sched: [enum Scheduler];
        /// The domain's share of CPU time when the CPUs are contended, relative to the weights of others: twice the
        /// weight is twice the time. 1 to 65535; Xen's default is 256. For credit and credit2. xl: `cpu_weight`.
        weight: [i32];
        /// The most CPU time that the domain gets, in percent of one CPU, even if CPUs are idle: 50 is half a CPU, 200
        /// is two. 0, the default, is no limit; the highest value is 100 for each vCPU. For credit and credit2.
        cap: [i32];
        /// The time in which each vCPU may use up its [`field@SchedulerParams::budget`], in µs; after that the budget
        /// is refilled. 1 or more; Xen's default is 10000. For RTDS, for all vCPUs of the domain.
        period: [i32];
        /// The CPU time that each vCPU gets in every [`field@SchedulerParams::period`], in µs. 1 to the period; Xen's
        /// default is 4000. For RTDS, for all vCPUs of the domain. xl sets it with `xl sched-rtds` only.
        budget: [i32] since "4.5";
        /// Whether vCPUs that have used up their budget may run in time that no other has reserved. Default: yes. For
        /// RTDS in Xen 4.10 and later, and before Xen 4.6 for SEDF.
        extratime: [flag];
        /// Deprecated: a parameter of SEDF, which Xen no longer has since 4.6. It has no effect since then.
        slice: [i32];
        /// Deprecated: a parameter of SEDF, which Xen no longer has since 4.6. It has no effect since then.
        latency: [i32];
    }

    /// How the scheduler treats one vCPU. Only RTDS has parameters for each vCPU.
    struct VcpuParams = "sched_params" since "4.7" {
        /// The number of the vCPU in its domain, from 0. It must be set, unless the parameters are set for all vCPUs at
        /// once.
        vcpuid: [i32];
        /// The time in which the vCPU may use up its [`field@VcpuParams::budget`], in µs; after that the budget is
        /// refilled. 1 or more, and it must be set to change the vCPU's parameters.
        period: [i32];
        /// The CPU time that the vCPU gets in every [`field@VcpuParams::period`], in µs. 1 to the period, and it must
        /// be set to change the vCPU's parameters.
        budget: [i32];
        /// Whether the vCPU may run in time that no other has reserved after its budget is used up. Default: yes.
        /// Heeded by Xen 4.10 and later.
        extratime: [flag];
        /// Not used: no scheduler has a weight for each vCPU. See [`field@SchedulerParams::weight`].
        weight: [i32];
        /// Not used: no scheduler has a cap for each vCPU. See [`field@SchedulerParams::cap`].
        cap: [i32];
    }

    /// How the scheduler treats each of some vCPUs of a domain. Other schedulers than RTDS refuse it.
    struct VcpuSchedulerParams = "vcpu_sched_params" since "4.7" {
        /// The scheduler that the parameters are for. Not set, or [`Scheduler::Unknown`]: that of the domain's cpupool.
        sched: [enum Scheduler];
        /// The vCPUs that are meant, and their parameters. To set those of all vCPUs at once, one element. To ask for
        /// those of some vCPUs, one element with a [`field@VcpuParams::vcpuid`] for each.
        vcpus: [list struct VcpuParams];
    }

    /// The parameters of a cpupool whose scheduler is credit. All are set at once: a field that is not set counts as 0.
    struct CreditParams = "sched_credit_params" since "4.2" {
        /// How long a vCPU runs before another may have the CPU, in ms. 1 to 1000; Xen's default is 30.
        tslice_ms: [i32];
        /// How long a vCPU runs at least before one of higher priority may have the CPU, in µs. 100 to 500000, and no
        /// more than [`field@CreditParams::tslice_ms`]; 0 is no such limit. Xen's default is 1000.
        ratelimit_us: [i32];
        /// How long after it ran a vCPU is not moved to another CPU, for its data may still be in the CPU's cache, in
        /// µs. 0 to 100000; Xen's default is 0.
        vcpu_migr_delay_us: [i32] since "4.11";
    }

    /// The parameters of a cpupool whose scheduler is credit2.
    struct Credit2Params = "sched_credit2_params" since "4.8" {
        /// How long a vCPU runs at least before another may have the CPU, in µs. 100 to 500000; 0, or not set, is no
        /// such limit. Xen's default is 1000.
        ratelimit_us: [i32];
    }

    /// A scheduler of Xen. Each cpupool has one. The scheduler of the host's first cpupool is chosen on Xen's command
    /// line (`sched`); which schedulers there are depends on how Xen was built.
    enum Scheduler = "scheduler" since "4.2" {
        /// Not specified, or not reported: libxl uses that of the domain's cpupool.
        Unknown = "unknown" 0;
        /// Earliest deadline first. Xen no longer has it since 4.6; libxl refuses it.
        Sedf = "sedf" 4;
        /// Shares CPU time by weights and caps. Xen's default before 4.12.
        Credit = "credit" 5;
        /// The successor of credit: fairer, and with less latency. Xen's default since 4.12.
        Credit2 = "credit2" 6;
        /// ARINC 653: fixed time slots for each domain, for avionics. libxl has no parameters for it.
        Arinc653 = "arinc653" 7;
        /// Real time: each vCPU has a budget of time in each period.
        Rtds = "rtds" 8 since "4.5";
        /// Each vCPU has a CPU for itself. It has no parameters.
        Null = "null" 9 since "4.9";
    }
}
