use std::{
    io::Write,
    mem::{MaybeUninit, offset_of, size_of},
    process::{Command, Stdio},
};

use super::*;

// The table is one for the process: each test has domain ids of its own, from 1000 on.

fn domctl_of(command: u32, domid: u16) -> Domctl {
    Domctl {
        head: Head { command, interface_version: 0x15 },
        domain: domid,
        pad: [0; 3],
        getdomaininfo: Info { from_16: DomainInfo::new(0, 0).into() },
    }
}

fn call_domctl(operation: &mut Domctl) -> Result<i64, i32> {
    // SAFETY: the argument is a domctl of its own, alive during the call.
    unsafe { execute(DOMCTL, &[ptr::from_mut(operation) as u64, 0, 0, 0, 0]) }
}

/// Lists domains from 1004 on, two at most, by that version of sysctl, whose entries are of type `T`.
fn two_from_1004<T>(interface_version: u32, info: fn(&T) -> &DomainInfo) -> [(u16, u32); 2] {
    let mut buffer = [const { MaybeUninit::<T>::uninit() }; 2];
    let mut operation = Sysctl {
        head: Head { command: SYSCTL_GETDOMAININFOLIST, interface_version },
        asked: Asked {
            getdomaininfolist: GetDomainInfoList {
                first_domain: 1004,
                max_domains: 2,
                buffer: buffer.as_mut_ptr().cast(),
                num_domains: 99,
            },
        },
    };
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
        table().set(domid, domid).unwrap();
    }
    assert_eq!(two_from_1004::<InfoFrom16>(0x15, |entry| &entry.info), [(1005, 1005), (1007, 1007)]);
    // The entries of 4.14 and 4.15 are shorter.
    assert_eq!((size_of::<InfoTo15>(), size_of::<InfoFrom16>()), (104, 112));
    assert_eq!(two_from_1004::<InfoTo15>(0x13, |entry| &entry.info), [(1005, 1005), (1007, 1007)]);
}

#[test]
fn the_hosts_processors_are_told_and_to_whom_has_room() {
    let nowhere = CpuTopologyInfo { num_cpus: 0, cputopo: ptr::null_mut() };
    let mut operation = Sysctl {
        head: Head { command: SYSCTL_CPUTOPOINFO, interface_version: 0x15 },
        asked: Asked { cputopoinfo: nowhere },
    };
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
    operation.head.command = SYSCTL_PHYSINFO;
    // SAFETY: as above.
    assert_eq!(unsafe { execute(SYSCTL, &[ptr::from_mut(&mut operation) as u64, 0, 0, 0, 0]) }, Ok(0));
    // SAFETY: the member that was asked for.
    assert_eq!(unsafe { operation.asked.physinfo }.max_cpu_id, CPUS - 1);
}

#[test]
fn a_domain_is_paused_unpaused_once_and_destroyed_once() {
    let mut pause = domctl_of(DOMCTL_PAUSEDOMAIN, 1020);
    assert_eq!(call_domctl(&mut pause), Err(libc::ESRCH));
    table().set(1020, 0).unwrap();
    assert_eq!(call_domctl(&mut pause), Ok(0));
    let mut info = domctl_of(DOMCTL_GETDOMAININFO, 1020);
    assert_eq!(call_domctl(&mut info), Ok(0));
    // SAFETY: plain numbers, written just now.
    let told = unsafe { info.getdomaininfo.from_16 }.info;
    assert_eq!((told.domain, told.flags), (1020, PAUSED));
    let mut unpause = domctl_of(DOMCTL_UNPAUSEDOMAIN, 1020);
    assert_eq!(call_domctl(&mut unpause), Ok(0));
    assert_eq!(call_domctl(&mut unpause), Err(libc::EINVAL));
    let mut destroy = domctl_of(DOMCTL_DESTROYDOMAIN, 1020);
    assert_eq!(call_domctl(&mut destroy), Ok(0));
    assert_eq!(call_domctl(&mut destroy), Err(libc::ESRCH));
    assert_eq!(call_domctl(&mut info), Err(libc::ESRCH));
}

#[test]
fn an_interface_version_whose_layout_is_unknown_is_refused_as_xen_does() {
    for version in [0, 0x11, 0x19] {
        let mut operation = domctl_of(DOMCTL_GETDOMAININFO, 0);
        operation.head.interface_version = version;
        assert_eq!(call_domctl(&mut operation), Err(libc::EACCES), "domctl {version:#x}");
        assert_eq!(table().unknown_version.load(Relaxed), 1 << 63 | 1 << 32 | u64::from(version));
    }
    let mut head = Head { command: SYSCTL_GETDOMAININFOLIST, interface_version: 0x12 };
    // SAFETY: with an unknown version no more than the head is read.
    let result = unsafe { execute(SYSCTL, &[ptr::from_mut(&mut head) as u64, 0, 0, 0, 0]) };
    assert_eq!(result, Err(libc::EACCES));
    assert_eq!(table().unknown_version.load(Relaxed), 1 << 63 | 0x12);
}

#[test]
fn what_is_not_known_is_enosys_alone_and_in_a_multicall() {
    const MEMORY_OP: u64 = 12;
    let refused_before = table().refused_hypercalls.load(Relaxed);
    // SAFETY: an unknown hypercall's arguments are not looked at.
    assert_eq!(unsafe { execute(MEMORY_OP, &[1, 2, 3, 4, 5]) }, Err(libc::ENOSYS));
    assert_eq!(call_domctl(&mut domctl_of(1, 0)), Err(libc::ENOSYS));
    let mut calls = [MEMORY_OP, 1].map(|number| MulticallEntry { number, result: 1, arguments: [0; 6] });
    // SAFETY: an array of two entries, alive during the call.
    let result = unsafe { execute(MULTICALL, &[calls.as_mut_ptr() as u64, 2, 0, 0, 0]) };
    assert_eq!(result, Ok(0));
    assert_eq!(calls.map(|call| call.result), [-i64::from(libc::ENOSYS); 2]);
    assert!(table().refused_hypercalls.load(Relaxed) >= refused_before + 4);
}

/// The layouts against the installed headers, by a C compiler.
#[test]
fn layouts_are_those_of_the_installed_headers() {
    let source = format!(
        r#"
        #define __XEN_TOOLS__ 1
        #include <stddef.h>
        #include <stdint.h>
        #include <xen/xen.h>
        #include <xen/domctl.h>
        #include <xen/sysctl.h>
        #define IS(a, b) _Static_assert((a) == (b), #a)
        IS(sizeof(xen_domctl_getdomaininfo_t), XEN_DOMCTL_INTERFACE_VERSION < {GROWN} ? {} : {});
        IS(offsetof(xen_domctl_getdomaininfo_t, flags), {});
        IS(offsetof(xen_domctl_getdomaininfo_t, nr_online_vcpus), {});
        IS(offsetof(xen_domctl_getdomaininfo_t, handle), {});
        IS(offsetof(xen_domctl_getdomaininfo_t, cpupool), {});
        IS(offsetof(xen_domctl_getdomaininfo_t, arch_config), XEN_DOMCTL_INTERFACE_VERSION < {GROWN} ? {} : {});
        IS(offsetof(xen_domctl_t, domain), {});
        IS(offsetof(xen_domctl_t, u.getdomaininfo), {});
        IS(offsetof(xen_sysctl_t, u.getdomaininfolist.first_domain), {});
        IS(offsetof(xen_sysctl_t, u.getdomaininfolist.max_domains), {});
        IS(offsetof(xen_sysctl_t, u.getdomaininfolist.buffer), {});
        IS(offsetof(xen_sysctl_t, u.getdomaininfolist.num_domains), {});
        IS(offsetof(xen_sysctl_t, u.physinfo.max_node_id), {});
        IS(offsetof(xen_sysctl_t, u.cputopoinfo.num_cpus), {});
        IS(offsetof(xen_sysctl_t, u.cputopoinfo.cputopo), {});
        IS(sizeof(xen_sysctl_cputopo_t), {});
        IS(sizeof(multicall_entry_t), {});
        IS(offsetof(multicall_entry_t, args), {});
        _Static_assert(XEN_SYSCTL_INTERFACE_VERSION >= {} && XEN_SYSCTL_INTERFACE_VERSION <= {}, "sysctl");
        _Static_assert(XEN_DOMCTL_INTERFACE_VERSION >= {} && XEN_DOMCTL_INTERFACE_VERSION <= {}, "domctl");
        IS(__HYPERVISOR_multicall, {MULTICALL});
        IS(__HYPERVISOR_sysctl, {SYSCTL});
        IS(__HYPERVISOR_domctl, {DOMCTL});
        IS(XEN_SYSCTL_getdomaininfolist, {SYSCTL_GETDOMAININFOLIST});
        IS(XEN_SYSCTL_physinfo, {SYSCTL_PHYSINFO});
        IS(XEN_SYSCTL_cputopoinfo, {SYSCTL_CPUTOPOINFO});
        IS(XEN_DOMCTL_destroydomain, {DOMCTL_DESTROYDOMAIN});
        IS(XEN_DOMCTL_pausedomain, {DOMCTL_PAUSEDOMAIN});
        IS(XEN_DOMCTL_unpausedomain, {DOMCTL_UNPAUSEDOMAIN});
        IS(XEN_DOMCTL_getdomaininfo, {DOMCTL_GETDOMAININFO});
        IS(XEN_DOMINF_paused, {PAUSED});
        "#,
        size_of::<InfoTo15>(),
        size_of::<InfoFrom16>(),
        offset_of!(DomainInfo, flags),
        offset_of!(DomainInfo, nr_online_vcpus),
        offset_of!(DomainInfo, handle),
        offset_of!(DomainInfo, cpupool),
        offset_of!(InfoTo15, arch_config),
        offset_of!(InfoFrom16, arch_config),
        offset_of!(Domctl, domain),
        offset_of!(Domctl, getdomaininfo),
        offset_of!(Sysctl, asked) + offset_of!(GetDomainInfoList, first_domain),
        offset_of!(Sysctl, asked) + offset_of!(GetDomainInfoList, max_domains),
        offset_of!(Sysctl, asked) + offset_of!(GetDomainInfoList, buffer),
        offset_of!(Sysctl, asked) + offset_of!(GetDomainInfoList, num_domains),
        offset_of!(Sysctl, asked) + offset_of!(PhysInfo, max_node_id),
        offset_of!(Sysctl, asked) + offset_of!(CpuTopologyInfo, num_cpus),
        offset_of!(Sysctl, asked) + offset_of!(CpuTopologyInfo, cputopo),
        size_of::<CpuTopology>(),
        size_of::<MulticallEntry>(),
        offset_of!(MulticallEntry, arguments),
        SYSCTL_VERSIONS.start(),
        SYSCTL_VERSIONS.end(),
        DOMCTL_VERSIONS.start(),
        DOMCTL_VERSIONS.end(),
    );
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
