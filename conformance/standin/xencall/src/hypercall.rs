//! The hypercalls that are answered.
//!
//! Layouts and interface versions are those of `xen/include/public/{sysctl,domctl}.h` at the tags RELEASE-4.14.0 to
//! RELEASE-4.22.0: sysctl 0x13 to 0x16, domctl 0x12 to 0x18. Between these, `xen_sysctl_getdomaininfolist` and the heads of
//! both structs did not change. `xen_domctl_getdomaininfo` grew once, in 4.16 (sysctl and domctl 0x14): `InfoTo15`, `InfoFrom16`.

use std::{ops::RangeInclusive, ptr, sync::atomic::Ordering::Relaxed};

use crate::domains::{DOMCTL_UNKNOWN, NoDomain, PAUSED, SOME_UNKNOWN, Table, table};
use crate::host::{CPUS, CpuTopology, CpuTopologyInfo, PhysInfo};

/// Executes a hypercall; the value, or the errno.
///
/// # Safety
/// Where the hypercall's arguments are addresses, they must be those of structs as Xen's public headers of the
/// interface version in them lay them out, valid until the return, as the caller of any hypercall promises.
pub unsafe fn execute(number: u64, arguments: &[u64; 5]) -> Result<i64, i32> {
    let table = table();
    // Relaxed: a counter that publishes nothing.
    table.hypercalls.fetch_add(1, Relaxed);
    let argument = arguments[0] as *mut u8;
    let result = match number {
        // SAFETY: the caller's promise for the struct at the first argument.
        SYSCTL => unsafe { sysctl(table, argument.cast()) },
        // SAFETY: as above.
        DOMCTL => unsafe { domctl(table, argument.cast()) },
        // SAFETY: as above, for an array of the length in the second argument and for what its entries point to.
        MULTICALL => unsafe { multicall(argument.cast(), arguments[1]) },
        _ => Err(libc::ENOSYS),
    };
    if matches!(result, Err(libc::ENOSYS | libc::EACCES)) {
        table.refused_hypercalls.fetch_add(1, Relaxed);
    }
    result
}

/// # Safety
/// `operation` points to a `xen_sysctl_t`, its buffer to `max_domains` entries.
unsafe fn sysctl(table: &Table, operation: *mut Sysctl) -> Result<i64, i32> {
    // SAFETY: the caller's promise; every Xen interface version begins with these two words.
    let head = unsafe { ptr::read(operation.cast::<Head>()) };
    if !SYSCTL_VERSIONS.contains(&head.interface_version) {
        return Err(unknown(table, "sysctl", head.interface_version));
    }
    // SAFETY: the versions that are known have this layout, and nobody else uses it during the hypercall.
    let asked = unsafe { &mut (*operation).asked };
    match head.command {
        SYSCTL_GETDOMAININFOLIST => {
            // SAFETY: the command says which member it is.
            let list = unsafe { &mut asked.getdomaininfolist };
            if head.interface_version < GROWN {
                // SAFETY: the caller's promise, for entries of the version that it names.
                unsafe { fill::<InfoTo15>(table, list) };
            } else {
                // SAFETY: as above.
                unsafe { fill::<InfoFrom16>(table, list) };
            }
        }
        SYSCTL_PHYSINFO => asked.physinfo = PhysInfo::HERE,
        // SAFETY: the command says which member it is; the caller's promise for its buffer.
        SYSCTL_CPUTOPOINFO => unsafe { fill_topology(&mut asked.cputopoinfo) },
        _ => return Err(libc::ENOSYS),
    }
    Ok(0)
}

/// # Safety
/// The buffer, unless it is NULL, has `num_cpus` entries.
unsafe fn fill_topology(info: &mut CpuTopologyInfo) {
    // Without a buffer, the number is what is asked for.
    if !info.cputopo.is_null() {
        for cpu in 0..CPUS.min(info.num_cpus) {
            // SAFETY: within the entries that the caller promised.
            unsafe { info.cputopo.add(cpu as usize).write(CpuTopology::of(cpu)) };
        }
    }
    info.num_cpus = CPUS;
}

/// # Safety
/// The list's buffer has `max_domains` entries of type `T`.
unsafe fn fill<T: From<DomainInfo>>(table: &Table, list: &mut GetDomainInfoList) {
    let buffer = list.buffer.cast::<T>();
    list.num_domains = 0;
    for (domid, flags) in table.from(list.first_domain.into()).take(list.max_domains as usize) {
        // SAFETY: fewer than max_domains entries were written so far.
        unsafe { buffer.add(list.num_domains as usize).write(DomainInfo::new(domid, flags).into()) };
        list.num_domains += 1;
    }
}

/// What Xen answers to a version that is not its own. It is remembered: whoever uses the stand-in wants to know why nothing works.
fn unknown(table: &Table, interface: &str, version: u32) -> i32 {
    let domctl = if interface == "domctl" { DOMCTL_UNKNOWN } else { 0 };
    // Relaxed: a word that stands for itself.
    table.unknown_version.store(SOME_UNKNOWN | domctl | u64::from(version), Relaxed);
    libc::EACCES
}

/// # Safety
/// `operation` points to a `xen_domctl_t`.
unsafe fn domctl(table: &Table, operation: *mut Domctl) -> Result<i64, i32> {
    // SAFETY: as in `sysctl`.
    let head = unsafe { ptr::read(operation.cast::<Head>()) };
    if !DOMCTL_VERSIONS.contains(&head.interface_version) {
        return Err(unknown(table, "domctl", head.interface_version));
    }
    // SAFETY: the version says that the struct has this layout, and nobody else uses it during the hypercall.
    let operation = unsafe { &mut *operation };
    let domid = u32::from(operation.domain);
    let no_domain = |NoDomain| libc::ESRCH;
    match head.command {
        DOMCTL_GETDOMAININFO => {
            let flags = table.flags(domid).ok_or(libc::ESRCH)?;
            let info = DomainInfo::new(domid, flags);
            if head.interface_version < GROWN {
                operation.getdomaininfo.to_15 = info.into();
            } else {
                operation.getdomaininfo.from_16 = info.into();
            }
        }
        DOMCTL_PAUSEDOMAIN => {
            table.change(domid, PAUSED, true).map_err(no_domain)?;
        }
        // Xen has a count of pauses; libxl pauses a domain once.
        DOMCTL_UNPAUSEDOMAIN => {
            if table.change(domid, PAUSED, false).map_err(no_domain)? == 0 {
                return Err(libc::EINVAL);
            }
        }
        DOMCTL_DESTROYDOMAIN if domid == 0 => return Err(libc::EINVAL),
        DOMCTL_DESTROYDOMAIN => table.remove(domid).map_err(no_domain)?,
        _ => return Err(libc::ENOSYS),
    }
    Ok(0)
}

/// libxenctrl wraps memory_op in these.
///
/// # Safety
/// `calls` points to `count` entries, which keep the promise of [`execute`].
unsafe fn multicall(calls: *mut MulticallEntry, count: u64) -> Result<i64, i32> {
    for index in 0..count as usize {
        // SAFETY: within the array that the caller promised, and used by nobody else during the hypercall.
        let call = unsafe { &mut *calls.add(index) };
        let [a, b, c, d, e, _] = call.arguments;
        // SAFETY: the caller's promise.
        call.result = match unsafe { execute(call.number, &[a, b, c, d, e]) } {
            Ok(value) => value,
            Err(errno) => -i64::from(errno),
        };
    }
    Ok(0)
}

/// `xen_domctl_getdomaininfo`, as far as it is the same in all releases.
#[repr(C)]
#[derive(Clone, Copy)]
struct DomainInfo {
    domain: u16,
    pad1: u16,
    flags: u32,
    tot_pages: u64,
    max_pages: u64,
    outstanding_pages: u64,
    shr_pages: u64,
    paged_pages: u64,
    shared_info_frame: u64,
    cpu_time: u64,
    nr_online_vcpus: u32,
    max_vcpu_id: u32,
    ssidref: u32,
    handle: [u8; 16],
    cpupool: u32,
}

/// `xen_domctl_getdomaininfo` up to 4.15: `emulation_flags` of x86 behind it, and from 4.15 on `misc_flags` in what was padding.
#[repr(C)]
#[derive(Clone, Copy)]
struct InfoTo15 {
    info: DomainInfo,
    arch_config: [u32; 2],
}

impl From<DomainInfo> for InfoTo15 {
    fn from(info: DomainInfo) -> Self {
        Self { info, arch_config: [0; 2] }
    }
}

/// The same from 4.16 on, with the size of the domain's addresses in between.
#[repr(C)]
#[derive(Clone, Copy)]
struct InfoFrom16 {
    info: DomainInfo,
    gpaddr_bits: u8,
    pad2: [u8; 7],
    arch_config: [u32; 2],
}

impl From<DomainInfo> for InfoFrom16 {
    fn from(info: DomainInfo) -> Self {
        Self { info, gpaddr_bits: 0, pad2: [0; 7], arch_config: [0; 2] }
    }
}

impl DomainInfo {
    /// A domain of 4 MiB and one vCPU, with an uuid made of its id.
    fn new(domid: u32, flags: u32) -> Self {
        let mut handle = [0; 16];
        handle[12..].copy_from_slice(&domid.to_be_bytes());
        Self {
            domain: domid as u16,
            pad1: 0,
            flags,
            tot_pages: PAGES,
            max_pages: PAGES,
            outstanding_pages: 0,
            shr_pages: 0,
            paged_pages: 0,
            shared_info_frame: 0,
            cpu_time: 0,
            nr_online_vcpus: 1,
            max_vcpu_id: 0,
            ssidref: 0,
            handle,
            cpupool: 0,
        }
    }
}

/// What `xen_sysctl` and `xen_domctl` begin with.
#[repr(C)]
struct Head {
    command: u32,
    interface_version: u32,
}

/// `xen_sysctl`, with the members of its union that are used.
#[repr(C)]
struct Sysctl {
    head: Head,
    asked: Asked,
}

/// Which of them is there, the command says.
#[repr(C)]
union Asked {
    getdomaininfolist: GetDomainInfoList,
    physinfo: PhysInfo,
    cputopoinfo: CpuTopologyInfo,
}

/// `xen_sysctl_getdomaininfolist`.
#[repr(C)]
#[derive(Clone, Copy)]
struct GetDomainInfoList {
    first_domain: u16,
    max_domains: u32,
    /// Entries of [`InfoTo15`] or [`InfoFrom16`].
    buffer: *mut u8,
    num_domains: u32,
}

/// `xen_domctl`, with the one member of its union that is used.
#[repr(C)]
struct Domctl {
    head: Head,
    domain: u16,
    pad: [u16; 3],
    getdomaininfo: Info,
}

/// Which of them is there, the interface version says.
#[repr(C)]
union Info {
    to_15: InfoTo15,
    from_16: InfoFrom16,
}

/// `multicall_entry`.
#[repr(C)]
struct MulticallEntry {
    number: u64,
    result: i64,
    arguments: [u64; 6],
}

const PAGES: u64 = 1024;

const MULTICALL: u64 = 13;
const SYSCTL: u64 = 35;
const DOMCTL: u64 = 36;

/// The version of both interfaces from which on a domain's information is as in 4.16.
const GROWN: u32 = 0x14;

const SYSCTL_VERSIONS: RangeInclusive<u32> = 0x13..=0x16;
const SYSCTL_PHYSINFO: u32 = 3;
const SYSCTL_GETDOMAININFOLIST: u32 = 6;
const SYSCTL_CPUTOPOINFO: u32 = 16;

const DOMCTL_VERSIONS: RangeInclusive<u32> = 0x12..=0x18;
const DOMCTL_DESTROYDOMAIN: u32 = 2;
const DOMCTL_PAUSEDOMAIN: u32 = 3;
const DOMCTL_UNPAUSEDOMAIN: u32 = 4;
const DOMCTL_GETDOMAININFO: u32 = 5;

#[cfg(test)]
mod tests;
