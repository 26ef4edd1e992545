//! `HYPERVISOR_domctl`: one domain.
//!
//! From 4.14 to 4.22, the members that are used did not change, except for `xen_domctl_getdomaininfo`, which grew once, in 4.16
//! (sysctl and domctl 0x14): [`InfoTo15`], [`InfoFrom16`].

use std::{ops::RangeInclusive, ptr};

use osevent_standin_hypervisor::{FIRST_RESERVED, HAP, HVM_GUEST, Hypervisor, Info, NewDomain, PAGE, PAUSED, SHUTDOWN};

use super::cpu_policy::{self, Leaf, Msr};
use super::hvm_context::CONTEXT;
use super::sysctl::{Bitmap, CREDIT2};
use super::{DOMCTL_UNKNOWN, GROWN, Head, no_domain, unknown};
use crate::host::{CPUS, NODES};

/// # Safety
/// `operation` points to a `xen_domctl_t`.
pub(super) unsafe fn execute(hypervisor: &Hypervisor, operation: *mut Domctl) -> Result<i64, i32> {
    // SAFETY: the caller's promise; every Xen interface version begins with these two words.
    let head = unsafe { ptr::read(operation.cast::<Head>()) };
    if !VERSIONS.contains(&head.interface_version) {
        return Err(unknown(hypervisor, DOMCTL_UNKNOWN, head.interface_version));
    }
    // SAFETY: the version says that the struct has this layout, and nobody else uses it during the hypercall.
    let operation = unsafe { &mut *operation };
    let domid = u32::from(operation.domain);
    let asked = &mut operation.asked;
    if head.command == CREATEDOMAIN {
        // SAFETY: the command says which member it is.
        operation.domain = create(hypervisor, domid, unsafe { &asked.createdomain })?;
        return Ok(0);
    }
    let info = hypervisor.info(domid).ok_or(libc::ESRCH)?;
    match head.command {
        GETDOMAININFO => {
            let info = DomainInfo::from(info);
            if head.interface_version < GROWN {
                asked.info_to_15 = info.into();
            } else {
                asked.info_from_16 = info.into();
            }
        }
        PAUSEDOMAIN => {
            hypervisor.change(domid, PAUSED, true).map_err(no_domain)?;
        }
        // Xen has a count of pauses; libxl pauses a domain once.
        UNPAUSEDOMAIN => {
            if hypervisor.change(domid, PAUSED, false).map_err(no_domain)? == 0 {
                return Err(libc::EINVAL);
            }
        }
        DESTROYDOMAIN if domid == 0 => return Err(libc::EINVAL),
        DESTROYDOMAIN => hypervisor.remove(domid).map_err(no_domain)?,
        RESUMEDOMAIN => {
            hypervisor.change(domid, SHUTDOWN | 0xff << 16, false).map_err(no_domain)?;
        }
        // SAFETY: as above.
        MAX_VCPUS => hypervisor.set_vcpus(domid, unsafe { asked.number }).map_err(no_domain)?,
        MAX_MEM => {
            // SAFETY: as above. In KiB.
            let limit = unsafe { asked.long_number } / (PAGE as u64 >> 10);
            hypervisor.limit_pages(domid, limit).map_err(no_domain)?;
        }
        GETVCPUINFO => {
            // SAFETY: as above.
            let vcpu = unsafe { &mut asked.vcpu_info };
            if vcpu.vcpu >= info.vcpus {
                return Err(libc::ESRCH);
            }
            let share = info.cpu_time / u64::from(info.vcpus);
            *vcpu = VcpuInfo { online: 1, blocked: 1, running: 0, cpu_time: share, cpu: vcpu.vcpu, ..*vcpu };
        }
        GETVCPUAFFINITY => {
            // SAFETY: as above.
            let affinity = unsafe { &asked.affinity };
            for (flag, map) in [(AFFINITY_HARD, affinity.hard), (AFFINITY_SOFT, affinity.soft)] {
                if affinity.flags & flag != 0 {
                    // SAFETY: the caller's promise for its bitmaps.
                    unsafe { map.set((1 << CPUS) - 1) };
                }
            }
        }
        SCHEDULER_OP => {
            // SAFETY: as above.
            let scheduler = unsafe { &mut asked.scheduler };
            let share = (scheduler.weight, scheduler.cap);
            match (scheduler.sched_id, scheduler.command) {
                (CREDIT2, SCHEDULER_PUT) => hypervisor.set_share(domid, share.0, share.1).map_err(no_domain)?,
                (CREDIT2, SCHEDULER_GET) => {
                    (scheduler.weight, scheduler.cap) = hypervisor.share(domid).ok_or(libc::ESRCH)?;
                }
                _ => return Err(libc::EINVAL),
            }
        }
        // SAFETY: as above.
        GETNODEAFFINITY => unsafe { asked.nodes.set((1 << NODES) - 1) },
        GETHVMCONTEXT => {
            // SAFETY: as above.
            let context = unsafe { &mut asked.hvm_context };
            if !context.buffer.is_null() {
                if (context.size as usize) < CONTEXT.len() {
                    return Err(libc::ENOSPC);
                }
                // SAFETY: the caller's promise for its buffer.
                unsafe { ptr::copy_nonoverlapping(CONTEXT.as_ptr(), context.buffer, CONTEXT.len()) };
            }
            context.size = CONTEXT.len() as u32;
        }
        GET_CPU_POLICY => {
            // SAFETY: as above.
            let policy = unsafe { &mut asked.policy };
            // SAFETY: the caller's promise for its buffers.
            unsafe { cpu_policy::fill(policy.leaves, policy.nr_leaves, policy.msrs, policy.nr_msrs) };
        }
        GET_ADDRESS_SIZE => asked.number = 64,
        // How much memory the tables of a PVH domain may take, which are not there.
        SHADOW_OP => {
            // SAFETY: as above.
            let shadow = unsafe { &mut asked.shadow };
            match shadow.op {
                SHADOW_SET_ALLOCATION | SHADOW_GET_ALLOCATION => {}
                _ => return Err(libc::ENOSYS),
            }
        }
        // As a Xen that was built without it.
        SET_LLC_COLORS => return Err(libc::EOPNOTSUPP),
        // The registers of one that stands still, to which a resume adds its answer. Without those of others, no memory is dumped that is not there.
        GETVCPUCONTEXT if info.flags & SHUTDOWN != 0 => {}
        // What makes no difference to a domain that runs no code.
        SETVCPUAFFINITY
        | SETVCPUCONTEXT
        | SETDEBUGGING
        | IRQ_PERMISSION
        | IOMEM_PERMISSION
        | IOPORT_PERMISSION
        | HYPERCALL_INIT
        | SETTIMEOFFSET
        | SETHVMCONTEXT
        | SET_ADDRESS_SIZE
        | SETTSCINFO
        | SETNODEAFFINITY
        | CACHEFLUSH
        | SET_CPU_POLICY
        | SET_PAGING_MEMPOOL_SIZE => {}
        _ => return Err(libc::ENOSYS),
    }
    Ok(0)
}

/// The new domain's id. `domid` is the one that is wanted, if it is one.
fn create(hypervisor: &Hypervisor, domid: u32, asked: &CreateDomain) -> Result<u16, i32> {
    let wanted = Some(domid).filter(|&domid| domid != 0 && domid < FIRST_RESERVED);
    let mut new = NewDomain::new(asked.handle);
    new.domid = wanted;
    new.ssidref = asked.ssidref;
    new.max_vcpus = asked.max_vcpus;
    if asked.flags & CREATE_HVM != 0 {
        new.flags = HVM_GUEST | HAP;
    }
    let none = if wanted.is_some() { libc::EEXIST } else { libc::ENOMEM };
    hypervisor.create(&new).map(|domid| domid as u16).ok_or(none)
}

/// `xen_domctl_getdomaininfo`, as far as it is the same in all releases.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct DomainInfo {
    pub(super) domain: u16,
    pad1: u16,
    pub(super) flags: u32,
    tot_pages: u64,
    max_pages: u64,
    outstanding_pages: u64,
    shr_pages: u64,
    paged_pages: u64,
    shared_info_frame: u64,
    cpu_time: u64,
    pub(super) nr_online_vcpus: u32,
    max_vcpu_id: u32,
    ssidref: u32,
    pub(super) handle: [u8; 16],
    pub(super) cpupool: u32,
}

impl From<Info> for DomainInfo {
    fn from(info: Info) -> Self {
        Self {
            domain: info.domid as u16,
            pad1: 0,
            flags: info.flags,
            tot_pages: info.pages,
            max_pages: info.max_pages,
            outstanding_pages: 0,
            shr_pages: 0,
            paged_pages: 0,
            shared_info_frame: 0,
            cpu_time: info.cpu_time,
            nr_online_vcpus: info.vcpus,
            max_vcpu_id: info.vcpus.max(1) - 1,
            ssidref: info.ssidref,
            handle: info.uuid,
            cpupool: 0,
        }
    }
}

/// `xen_domctl_getdomaininfo` up to 4.15: `emulation_flags` of x86 behind it, and from 4.15 on `misc_flags` in what was padding.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct InfoTo15 {
    pub(super) info: DomainInfo,
    pub(super) arch_config: [u32; 2],
}

impl From<DomainInfo> for InfoTo15 {
    fn from(info: DomainInfo) -> Self {
        Self { info, arch_config: [0; 2] }
    }
}

/// The same from 4.16 on, with the size of the domain's addresses in between.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct InfoFrom16 {
    pub(super) info: DomainInfo,
    gpaddr_bits: u8,
    pad2: [u8; 7],
    pub(super) arch_config: [u32; 2],
}

impl From<DomainInfo> for InfoFrom16 {
    fn from(info: DomainInfo) -> Self {
        Self { info, gpaddr_bits: 0, pad2: [0; 7], arch_config: [0; 2] }
    }
}

/// `xen_domctl`, with the members of its union that are used.
#[repr(C)]
pub(super) struct Domctl {
    pub(super) head: Head,
    pub(super) domain: u16,
    pub(super) pad: [u16; 3],
    pub(super) asked: Asked,
}

/// Which of them is there, the command says, and for the first two the interface version.
#[repr(C)]
pub(super) union Asked {
    pub(super) info_to_15: InfoTo15,
    pub(super) info_from_16: InfoFrom16,
    pub(super) createdomain: CreateDomain,
    /// `xen_domctl_max_vcpus`, `xen_domctl_address_size`
    pub(super) number: u32,
    /// `xen_domctl_max_mem`
    pub(super) long_number: u64,
    vcpu_info: VcpuInfo,
    affinity: Affinity,
    scheduler: Scheduler,
    /// `xen_domctl_nodeaffinity`
    nodes: Bitmap,
    hvm_context: HvmContext,
    policy: CpuPolicy,
    shadow: Shadow,
    /// As large as the union of all.
    whole: [u64; 16],
}

/// What `xen_domctl_createdomain` begins with in all releases.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct CreateDomain {
    pub(super) ssidref: u32,
    pub(super) handle: [u8; 16],
    pub(super) flags: u32,
    pub(super) iommu_opts: u32,
    pub(super) max_vcpus: u32,
}

/// `xen_domctl_getvcpuinfo`.
#[repr(C)]
#[derive(Clone, Copy)]
struct VcpuInfo {
    vcpu: u32,
    online: u8,
    blocked: u8,
    running: u8,
    cpu_time: u64,
    cpu: u32,
}

/// `xen_domctl_vcpuaffinity`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Affinity {
    vcpu: u32,
    flags: u32,
    hard: Bitmap,
    soft: Bitmap,
}

/// `xen_domctl_scheduler_op` with the member of credit2.
#[repr(C)]
#[derive(Clone, Copy)]
struct Scheduler {
    sched_id: u32,
    command: u32,
    weight: u16,
    cap: u16,
}

/// `xen_domctl_hvmcontext`.
#[repr(C)]
#[derive(Clone, Copy)]
struct HvmContext {
    size: u32,
    buffer: *mut u8,
}

/// What `xen_domctl_cpu_policy` begins with.
#[repr(C)]
#[derive(Clone, Copy)]
struct CpuPolicy {
    nr_leaves: u32,
    nr_msrs: u32,
    leaves: *mut Leaf,
    msrs: *mut Msr,
}

/// What `xen_domctl_shadow_op` begins with.
#[repr(C)]
#[derive(Clone, Copy)]
struct Shadow {
    op: u32,
}

/// `XEN_DOMCTL_CDF_hvm`.
const CREATE_HVM: u32 = 1 << 0;

/// `XEN_VCPUAFFINITY_HARD`, `XEN_VCPUAFFINITY_SOFT`.
const AFFINITY_HARD: u32 = 1 << 0;
const AFFINITY_SOFT: u32 = 1 << 1;

/// `XEN_DOMCTL_SCHEDOP_putinfo`, `XEN_DOMCTL_SCHEDOP_getinfo`.
const SCHEDULER_PUT: u32 = 0;
const SCHEDULER_GET: u32 = 1;

const SHADOW_GET_ALLOCATION: u32 = 30;
const SHADOW_SET_ALLOCATION: u32 = 31;

pub(super) const VERSIONS: RangeInclusive<u32> = 0x12..=0x18;
pub(super) const CREATEDOMAIN: u32 = 1;
pub(super) const DESTROYDOMAIN: u32 = 2;
pub(super) const PAUSEDOMAIN: u32 = 3;
pub(super) const UNPAUSEDOMAIN: u32 = 4;
pub(super) const GETDOMAININFO: u32 = 5;
const SETVCPUAFFINITY: u32 = 9;
const SHADOW_OP: u32 = 10;
pub(super) const MAX_MEM: u32 = 11;
const SETVCPUCONTEXT: u32 = 12;
const GETVCPUCONTEXT: u32 = 13;
const GETVCPUINFO: u32 = 14;
pub(super) const MAX_VCPUS: u32 = 15;
const SCHEDULER_OP: u32 = 16;
const SETDEBUGGING: u32 = 18;
const IRQ_PERMISSION: u32 = 19;
const IOMEM_PERMISSION: u32 = 20;
const IOPORT_PERMISSION: u32 = 21;
const HYPERCALL_INIT: u32 = 22;
const SETTIMEOFFSET: u32 = 24;
const GETVCPUAFFINITY: u32 = 25;
const RESUMEDOMAIN: u32 = 27;
const GETHVMCONTEXT: u32 = 33;
const SETHVMCONTEXT: u32 = 34;
const SET_ADDRESS_SIZE: u32 = 35;
const GET_ADDRESS_SIZE: u32 = 36;
const SETTSCINFO: u32 = 60;
const SETNODEAFFINITY: u32 = 68;
const GETNODEAFFINITY: u32 = 69;
const CACHEFLUSH: u32 = 71;
const GET_CPU_POLICY: u32 = 82;
const SET_CPU_POLICY: u32 = 83;
const SET_PAGING_MEMPOOL_SIZE: u32 = 86;
const SET_LLC_COLORS: u32 = 89;

/// What the structs and numbers above are in Xen's headers.
#[cfg(test)]
pub(super) fn layout() -> Vec<(&'static str, usize)> {
    use std::mem::{offset_of, size_of};

    let at = offset_of!(Domctl, asked);
    vec![
        ("offsetof(xen_domctl_getdomaininfo_t, flags)", offset_of!(DomainInfo, flags)),
        ("offsetof(xen_domctl_getdomaininfo_t, tot_pages)", offset_of!(DomainInfo, tot_pages)),
        ("offsetof(xen_domctl_getdomaininfo_t, max_pages)", offset_of!(DomainInfo, max_pages)),
        ("offsetof(xen_domctl_getdomaininfo_t, cpu_time)", offset_of!(DomainInfo, cpu_time)),
        ("offsetof(xen_domctl_getdomaininfo_t, nr_online_vcpus)", offset_of!(DomainInfo, nr_online_vcpus)),
        ("offsetof(xen_domctl_getdomaininfo_t, max_vcpu_id)", offset_of!(DomainInfo, max_vcpu_id)),
        ("offsetof(xen_domctl_getdomaininfo_t, ssidref)", offset_of!(DomainInfo, ssidref)),
        ("offsetof(xen_domctl_getdomaininfo_t, handle)", offset_of!(DomainInfo, handle)),
        ("offsetof(xen_domctl_getdomaininfo_t, cpupool)", offset_of!(DomainInfo, cpupool)),
        ("sizeof(xen_domctl_getdomaininfo_t) - (XEN_DOMCTL_INTERFACE_VERSION < 0x14 ? 0 : 8)", size_of::<InfoTo15>()),
        (
            "offsetof(xen_domctl_getdomaininfo_t, arch_config) - (XEN_DOMCTL_INTERFACE_VERSION < 0x14 ? 0 : 8)",
            offset_of!(InfoTo15, arch_config),
        ),
        ("offsetof(xen_domctl_t, domain)", offset_of!(Domctl, domain)),
        ("offsetof(xen_domctl_t, u)", at),
        ("sizeof(xen_domctl_t)", size_of::<Domctl>()),
        ("offsetof(xen_domctl_t, u.createdomain.ssidref)", at + offset_of!(CreateDomain, ssidref)),
        ("offsetof(xen_domctl_t, u.createdomain.handle)", at + offset_of!(CreateDomain, handle)),
        ("offsetof(xen_domctl_t, u.createdomain.flags)", at + offset_of!(CreateDomain, flags)),
        ("offsetof(xen_domctl_t, u.createdomain.max_vcpus)", at + offset_of!(CreateDomain, max_vcpus)),
        ("offsetof(xen_domctl_t, u.getvcpuinfo.vcpu)", at + offset_of!(VcpuInfo, vcpu)),
        ("offsetof(xen_domctl_t, u.getvcpuinfo.online)", at + offset_of!(VcpuInfo, online)),
        ("offsetof(xen_domctl_t, u.getvcpuinfo.blocked)", at + offset_of!(VcpuInfo, blocked)),
        ("offsetof(xen_domctl_t, u.getvcpuinfo.running)", at + offset_of!(VcpuInfo, running)),
        ("offsetof(xen_domctl_t, u.getvcpuinfo.cpu_time)", at + offset_of!(VcpuInfo, cpu_time)),
        ("offsetof(xen_domctl_t, u.getvcpuinfo.cpu)", at + offset_of!(VcpuInfo, cpu)),
        ("offsetof(xen_domctl_t, u.vcpuaffinity.flags)", at + offset_of!(Affinity, flags)),
        ("offsetof(xen_domctl_t, u.vcpuaffinity.cpumap_hard)", at + offset_of!(Affinity, hard)),
        ("offsetof(xen_domctl_t, u.vcpuaffinity.cpumap_soft)", at + offset_of!(Affinity, soft)),
        ("offsetof(xen_domctl_t, u.scheduler_op.sched_id)", at + offset_of!(Scheduler, sched_id)),
        ("offsetof(xen_domctl_t, u.scheduler_op.cmd)", at + offset_of!(Scheduler, command)),
        ("offsetof(xen_domctl_t, u.scheduler_op.u.credit2.weight)", at + offset_of!(Scheduler, weight)),
        ("offsetof(xen_domctl_t, u.scheduler_op.u.credit2.cap)", at + offset_of!(Scheduler, cap)),
        ("offsetof(xen_domctl_t, u.hvmcontext.size)", at + offset_of!(HvmContext, size)),
        ("offsetof(xen_domctl_t, u.hvmcontext.buffer)", at + offset_of!(HvmContext, buffer)),
        ("offsetof(xen_domctl_t, u.cpu_policy.nr_leaves)", at + offset_of!(CpuPolicy, nr_leaves)),
        ("offsetof(xen_domctl_t, u.cpu_policy.nr_msrs)", at + offset_of!(CpuPolicy, nr_msrs)),
        ("offsetof(xen_domctl_t, u.cpu_policy.leaves)", at + offset_of!(CpuPolicy, leaves)),
        ("offsetof(xen_domctl_t, u.cpu_policy.msrs)", at + offset_of!(CpuPolicy, msrs)),
        ("offsetof(xen_domctl_t, u.shadow_op.op)", at + offset_of!(Shadow, op)),
        ("XEN_DOMCTL_CDF_hvm", CREATE_HVM as usize),
        ("XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION", SHADOW_GET_ALLOCATION as usize),
        ("XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION", SHADOW_SET_ALLOCATION as usize),
        ("XEN_VCPUAFFINITY_HARD", AFFINITY_HARD as usize),
        ("XEN_VCPUAFFINITY_SOFT", AFFINITY_SOFT as usize),
        ("XEN_DOMCTL_SCHEDOP_putinfo", SCHEDULER_PUT as usize),
        ("XEN_DOMCTL_SCHEDOP_getinfo", SCHEDULER_GET as usize),
        ("XEN_DOMCTL_createdomain", CREATEDOMAIN as usize),
        ("XEN_DOMCTL_destroydomain", DESTROYDOMAIN as usize),
        ("XEN_DOMCTL_pausedomain", PAUSEDOMAIN as usize),
        ("XEN_DOMCTL_unpausedomain", UNPAUSEDOMAIN as usize),
        ("XEN_DOMCTL_getdomaininfo", GETDOMAININFO as usize),
        ("XEN_DOMCTL_setvcpuaffinity", SETVCPUAFFINITY as usize),
        ("XEN_DOMCTL_shadow_op", SHADOW_OP as usize),
        ("XEN_DOMCTL_max_mem", MAX_MEM as usize),
        ("XEN_DOMCTL_setvcpucontext", SETVCPUCONTEXT as usize),
        ("XEN_DOMCTL_getvcpucontext", GETVCPUCONTEXT as usize),
        ("XEN_DOMCTL_getvcpuinfo", GETVCPUINFO as usize),
        ("XEN_DOMCTL_max_vcpus", MAX_VCPUS as usize),
        ("XEN_DOMCTL_scheduler_op", SCHEDULER_OP as usize),
        ("XEN_DOMCTL_setdebugging", SETDEBUGGING as usize),
        ("XEN_DOMCTL_irq_permission", IRQ_PERMISSION as usize),
        ("XEN_DOMCTL_iomem_permission", IOMEM_PERMISSION as usize),
        ("XEN_DOMCTL_ioport_permission", IOPORT_PERMISSION as usize),
        ("XEN_DOMCTL_hypercall_init", HYPERCALL_INIT as usize),
        ("XEN_DOMCTL_settimeoffset", SETTIMEOFFSET as usize),
        ("XEN_DOMCTL_getvcpuaffinity", GETVCPUAFFINITY as usize),
        ("XEN_DOMCTL_resumedomain", RESUMEDOMAIN as usize),
        ("XEN_DOMCTL_gethvmcontext", GETHVMCONTEXT as usize),
        ("XEN_DOMCTL_sethvmcontext", SETHVMCONTEXT as usize),
        ("XEN_DOMCTL_set_address_size", SET_ADDRESS_SIZE as usize),
        ("XEN_DOMCTL_get_address_size", GET_ADDRESS_SIZE as usize),
        ("XEN_DOMCTL_settscinfo", SETTSCINFO as usize),
        ("XEN_DOMCTL_setnodeaffinity", SETNODEAFFINITY as usize),
        ("XEN_DOMCTL_getnodeaffinity", GETNODEAFFINITY as usize),
        ("XEN_DOMCTL_cacheflush", CACHEFLUSH as usize),
        ("XEN_DOMCTL_get_cpu_policy", GET_CPU_POLICY as usize),
        ("XEN_DOMCTL_set_cpu_policy", SET_CPU_POLICY as usize),
    ]
}
