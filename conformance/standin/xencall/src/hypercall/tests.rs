use std::{
    io::Write,
    mem::{MaybeUninit, offset_of, size_of, zeroed},
    process::{Command, Stdio},
    ptr,
};

use osevent_standin_hypervisor::{HVM_GUEST, PAUSED};

use super::domctl::{self, DomainInfo, Domctl, InfoFrom16, InfoTo15};
use super::sysctl::{self, GetDomainInfoList, Sysctl};
use super::*;
use crate::host::{CPUS, CpuTopology, CpuTopologyInfo};

// The table is one for the process: each test has domain ids of its own, from 1000 on.

fn domctl_of(command: u32, domid: u16) -> Domctl {
    // SAFETY: numbers and pointers, for which zero is legal.
    let mut operation: Domctl = unsafe { zeroed() };
    operation.head = Head { command, interface_version: 0x15 };
    operation.domain = domid;
    operation
}

fn sysctl_of(command: u32, interface_version: u32) -> Sysctl {
    // SAFETY: as above.
    let mut operation: Sysctl = unsafe { zeroed() };
    operation.head = Head { command, interface_version };
    operation
}

fn call_domctl(operation: &mut Domctl) -> Result<i64, i32> {
    // SAFETY: the argument is a domctl of its own, alive during the call.
    unsafe { execute(DOMCTL, &[ptr::from_mut(operation) as u64, 0, 0, 0, 0]) }
}

/// Lists domains from 1004 on, two at most, by that version of sysctl, whose entries are of type `T`.
fn two_from_1004<T>(interface_version: u32, info: fn(&T) -> &DomainInfo) -> [(u16, u32); 2] {
    let mut buffer = [const { MaybeUninit::<T>::uninit() }; 2];
    let mut operation = sysctl_of(sysctl::GETDOMAININFOLIST, interface_version);
    operation.asked.getdomaininfolist =
        GetDomainInfoList { first_domain: 1004, max_domains: 2, buffer: buffer.as_mut_ptr().cast(), num_domains: 99 };
    // SAFETY: struct and buffer live during the call, and the buffer has max_domains entries.
    let result = unsafe { execute(SYSCTL, &[ptr::from_mut(&mut operation) as u64, 0, 0, 0, 0]) };
    assert_eq!(result, Ok(0));
    // SAFETY: the member that was asked for.
    assert_eq!(unsafe { operation.asked.getdomaininfolist }.num_domains, 2);
    // SAFETY: two entries were written, as num_domains says.
    let found = buffer.map(|entry| unsafe { entry.assume_init() });
    found.map(|entry| (info(&entry).domain, info(&entry).flags))
}

#[test]
fn the_list_is_sorted_starts_where_asked_and_stops_at_the_buffers_end() {
    for domid in [1007, 1003, 1005] {
        hypervisor().set(domid, domid).unwrap();
    }
    assert_eq!(two_from_1004::<InfoFrom16>(0x15, |entry| &entry.info), [(1005, 1005), (1007, 1007)]);
    // The entries of 4.14 and 4.15 are shorter.
    assert_eq!((size_of::<InfoTo15>(), size_of::<InfoFrom16>()), (104, 112));
    assert_eq!(two_from_1004::<InfoTo15>(0x13, |entry| &entry.info), [(1005, 1005), (1007, 1007)]);
}

#[test]
fn the_hosts_processors_are_told_and_to_whom_has_room() {
    let nowhere = CpuTopologyInfo { num_cpus: 0, cputopo: ptr::null_mut() };
    let mut operation = sysctl_of(sysctl::CPUTOPOINFO, 0x15);
    operation.asked.cputopoinfo = nowhere;
    // SAFETY: the struct lives during the call, and a NULL buffer is none.
    assert_eq!(unsafe { execute(SYSCTL, &[ptr::from_mut(&mut operation) as u64, 0, 0, 0, 0]) }, Ok(0));
    // SAFETY: the member that was asked for.
    assert_eq!(unsafe { operation.asked.cputopoinfo }.num_cpus, CPUS);
    let none = CpuTopology { core: 99, socket: 99, node: 99 };
    let mut cpus = [none; CPUS as usize];
    operation.asked.cputopoinfo = CpuTopologyInfo { num_cpus: CPUS - 1, cputopo: cpus.as_mut_ptr() };
    // SAFETY: struct and buffer live during the call, and the buffer has more than num_cpus entries.
    assert_eq!(unsafe { execute(SYSCTL, &[ptr::from_mut(&mut operation) as u64, 0, 0, 0, 0]) }, Ok(0));
    assert_eq!((cpus[0].node, cpus[CPUS as usize - 2].node, cpus[CPUS as usize - 1]), (0, 1, none));
    operation.head.command = sysctl::PHYSINFO;
    // SAFETY: as above.
    assert_eq!(unsafe { execute(SYSCTL, &[ptr::from_mut(&mut operation) as u64, 0, 0, 0, 0]) }, Ok(0));
    // SAFETY: the member that was asked for.
    assert_eq!(unsafe { operation.asked.physinfo }.processors.max_cpu_id, CPUS - 1);
}

#[test]
fn a_domain_is_paused_unpaused_once_and_destroyed_once() {
    let mut pause = domctl_of(domctl::PAUSEDOMAIN, 1020);
    assert_eq!(call_domctl(&mut pause), Err(libc::ESRCH));
    hypervisor().set(1020, 0).unwrap();
    assert_eq!(call_domctl(&mut pause), Ok(0));
    let mut info = domctl_of(domctl::GETDOMAININFO, 1020);
    assert_eq!(call_domctl(&mut info), Ok(0));
    // SAFETY: plain numbers, written just now.
    let told = unsafe { info.asked.info_from_16 }.info;
    assert_eq!((told.domain, told.flags), (1020, PAUSED));
    let mut unpause = domctl_of(domctl::UNPAUSEDOMAIN, 1020);
    assert_eq!(call_domctl(&mut unpause), Ok(0));
    assert_eq!(call_domctl(&mut unpause), Err(libc::EINVAL));
    let mut destroy = domctl_of(domctl::DESTROYDOMAIN, 1020);
    assert_eq!(call_domctl(&mut destroy), Ok(0));
    assert_eq!(call_domctl(&mut destroy), Err(libc::ESRCH));
    assert_eq!(call_domctl(&mut info), Err(libc::ESRCH));
}

#[test]
fn an_interface_version_whose_layout_is_unknown_is_refused_as_xen_does() {
    for version in [0, 0x11, 0x19] {
        let mut operation = domctl_of(domctl::GETDOMAININFO, 0);
        operation.head.interface_version = version;
        assert_eq!(call_domctl(&mut operation), Err(libc::EACCES), "domctl {version:#x}");
        assert_eq!(hypervisor().counters().unknown_version.load(Relaxed), 1 << 63 | 1 << 32 | u64::from(version));
    }
    let mut head = Head { command: sysctl::GETDOMAININFOLIST, interface_version: 0x12 };
    // SAFETY: with an unknown version no more than the head is read.
    let result = unsafe { execute(SYSCTL, &[ptr::from_mut(&mut head) as u64, 0, 0, 0, 0]) };
    assert_eq!(result, Err(libc::EACCES));
    assert_eq!(hypervisor().counters().unknown_version.load(Relaxed), 1 << 63 | 0x12);
}

#[test]
fn what_is_not_known_is_enosys_alone_and_in_a_multicall() {
    // HYPERVISOR_platform_op
    const UNKNOWN: u64 = 7;
    let refused_before = hypervisor().counters().refused_hypercalls.load(Relaxed);
    // SAFETY: an unknown hypercall's arguments are not looked at.
    assert_eq!(unsafe { execute(UNKNOWN, &[1, 2, 3, 4, 5]) }, Err(libc::ENOSYS));
    const DEBUG_OP: u32 = 54;
    hypervisor().set(1030, 0).unwrap();
    assert_eq!(call_domctl(&mut domctl_of(DEBUG_OP, 1030)), Err(libc::ENOSYS));
    let mut calls = [UNKNOWN, 0].map(|number| MulticallEntry { number, result: 1, arguments: [0; 6] });
    // SAFETY: an array of two entries, alive during the call.
    let result = unsafe { execute(MULTICALL, &[calls.as_mut_ptr() as u64, 2, 0, 0, 0]) };
    assert_eq!(result, Ok(0));
    assert_eq!(calls.map(|call| call.result), [-i64::from(libc::ENOSYS); 2]);
    assert!(hypervisor().counters().refused_hypercalls.load(Relaxed) >= refused_before + 4);
}

/// The layouts against the installed headers, by a C compiler.
#[test]
fn layouts_are_those_of_the_installed_headers() {
    let modules = [sysctl::layout(), domctl::layout(), memory::layout(), other::layout(), cpu_policy::layout()];
    let own = [
        ("sizeof(multicall_entry_t)", size_of::<MulticallEntry>()),
        ("offsetof(multicall_entry_t, args)", offset_of!(MulticallEntry, arguments)),
        ("__HYPERVISOR_memory_op", MEMORY as usize),
        ("__HYPERVISOR_multicall", MULTICALL as usize),
        ("__HYPERVISOR_sysctl", SYSCTL as usize),
        ("__HYPERVISOR_domctl", DOMCTL as usize),
        ("XEN_DOMINF_paused", PAUSED as usize),
    ];
    let claims = modules.iter().flatten().chain(&own);
    let claims: String = claims.map(|(expression, value)| format!("IS({expression}, {value})\n")).collect();
    let ranges = [("SYSCTL", sysctl::VERSIONS), ("DOMCTL", domctl::VERSIONS)].map(|(interface, versions)| {
        let (first, last) = versions.into_inner();
        let version = format!("XEN_{interface}_INTERFACE_VERSION");
        format!("_Static_assert({version} >= {first} && {version} <= {last}, \"{version}\");\n")
    });
    let source = format!("{HEADERS}{claims}{}", ranges.concat());
    let compile = |source: &str| {
        let mut cc = Command::new("cc")
            .args(["-fsyntax-only", "-x", "c", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        cc.stdin.take().expect("was piped").write_all(source.as_bytes())?;
        cc.wait_with_output()
    };
    match compile("#include <xen/domctl.h>") {
        Err(error) => return println!("SKIPPED: no C compiler: {error}"),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No such file") => {
            return println!("SKIPPED: no Xen headers (package libxen-dev)");
        }
        Ok(_) => {}
    }
    let output = compile(&source).expect("the compiler ran a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const HEADERS: &str = "
#define __XEN_TOOLS__ 1
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#define IS(a, b) _Static_assert((a) == (b), #a);
";

#[test]
fn a_domain_is_created_with_what_it_was_asked_for_and_gets_memory_within_its_limit() {
    const POPULATE_PHYSMAP: u64 = 6;
    let mut create = domctl_of(domctl::CREATEDOMAIN, 0);
    create.asked.createdomain =
        domctl::CreateDomain { ssidref: 7, handle: [9; 16], flags: 1, iommu_opts: 0, max_vcpus: 3 };
    assert_eq!(call_domctl(&mut create), Ok(0));
    let domid = create.domain;
    let mut taken = domctl_of(domctl::CREATEDOMAIN, domid);
    assert_eq!(call_domctl(&mut taken), Err(libc::EEXIST));
    let mut limit = domctl_of(domctl::MAX_MEM, domid);
    limit.asked.long_number = 12;
    assert_eq!(call_domctl(&mut limit), Ok(0));
    let mut wanted = memory::Reservation::of(domid, 2, 1);
    // SAFETY: the struct lives during the call.
    let given = unsafe { execute(MEMORY, &[POPULATE_PHYSMAP, ptr::from_mut(&mut wanted) as u64, 0, 0, 0]) };
    assert_eq!(given, Ok(1), "three pages are one extent of two");
    let info = hypervisor().info(domid.into()).unwrap();
    assert_eq!((info.uuid, info.ssidref, info.vcpus, info.pages, info.max_pages), ([9; 16], 7, 3, 2, 3));
    assert_eq!(info.flags & (HVM_GUEST | PAUSED), HVM_GUEST | PAUSED);
}
