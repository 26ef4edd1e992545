//! What a VM manager asks and sets on a real Xen: the host, memory, CPUs, scheduling, pools, consoles, buttons.

use crate::case::DomainCase;
use crate::cases::life::expect;
use crate::cases::xen::{boot_answering, end};
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::xen::{Image, Type};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance::outcome::Skip;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use xenlight::types::{ConsoleKind, CreateInfo, Scheduler, SchedulerParams, Trigger, VcpuParams, VcpuSchedulerParams};
use xenlight::{DomainId, Error, EventKind, Release, ShutdownReason};

pub(crate) static HOST: DomainCase = DomainCase {
    name: "xen-host",
    claim: "The host's resources, topology, version, scheduler and log are what xl tells; debug keys reach the hypervisor",
    clauses: &[],
    types: &[Type::Pv],
    adapters: &[Adapter::Epoll],
    modes: &[Mode::Loop],
    run: host,
};

pub(crate) static RESOURCES: DomainCase = DomainCase {
    name: "xen-resources",
    claim: "Memory, virtual CPUs, affinity and scheduling of a domain are set, and xl sees it; what is out of range is refused with libxl's words",
    clauses: &["E9"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib, Adapter::Calloop],
    modes: &[Mode::Loop],
    run: resources,
};

pub(crate) static SCHEDULER: DomainCase = DomainCase {
    name: "xen-scheduler",
    claim: "The settings of the host's scheduler are changed: credit's and credit2's for the host, RTDS's for each virtual CPU of a domain",
    clauses: &[],
    types: &[Type::Pv],
    adapters: &[Adapter::Smol],
    modes: &[Mode::Thread],
    run: scheduler,
};

pub(crate) static POOLS: DomainCase = DomainCase {
    name: "xen-cpupools",
    claim: "A CPU goes from pool 0 to a new pool, a domain with it, and both go back",
    clauses: &[],
    types: &[Type::Pv],
    adapters: &[Adapter::Calloop],
    modes: &[Mode::Loop],
    run: pools,
};

pub(crate) static UPKEEP: DomainCase = DomainCase {
    name: "xen-upkeep",
    claim: "A domain is renamed, noted about, dumped, suspended and resumed; a name that is taken is refused, and a dump to a full disk says so",
    clauses: &["E9", "E11"],
    types: &[Type::Pv],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    run: upkeep,
};

/// QubesOS/qubes-issues 5156: the console is told before it has its terminal.
pub(crate) static CONSOLE: DomainCase = DomainCase {
    name: "xen-console",
    claim: "A domain's console is read by its fd; keys and buttons reach the domain, or are refused with the reason",
    clauses: &["E9"],
    types: &[Type::Pv],
    adapters: &[Adapter::Smol],
    modes: &[Mode::Loop],
    run: console,
};

/// Xen's scheduler is chosen when it boots, so each boot shows one.
fn scheduler(stage: &Stage) -> anyhow::Result<()> {
    const POOL: u32 = 0;
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    match ctx.scheduler()? {
        Scheduler::Credit => {
            let before = ctx.credit_params(POOL)?;
            let changed = before.clone().tslice_ms(20).ratelimit_us(2000);
            ctx.set_credit_params(POOL, &changed)?;
            ensure!(ctx.credit_params(POOL)? == changed, "{:?}", ctx.credit_params(POOL)?);
            ctx.set_credit_params(POOL, &before)?;
        }
        Scheduler::Credit2 => {
            let before = ctx.credit2_params(POOL)?;
            let changed = before.clone().ratelimit_us(2000);
            ctx.set_credit2_params(POOL, &changed)?;
            ensure!(ctx.credit2_params(POOL)? == changed, "{:?}", ctx.credit2_params(POOL)?);
            ctx.set_credit2_params(POOL, &before)?;
        }
        Scheduler::Rtds => {
            let mut config = dom0.config(Image::Idle, &dom0.name("scheduled"))?;
            config.build_info = config.build_info.max_vcpus(2);
            let domid = block_on(ctx.create(&config))?;
            let first = VcpuParams::default().vcpuid(0).period(20000).budget(5000).extratime(false);
            ctx.set_vcpu_scheduling(domid, &VcpuSchedulerParams::default().vcpus([first]))?;
            let told = ctx.vcpu_scheduling(domid)?;
            let shares: Vec<_> = told.vcpus.iter().map(|vcpu| (vcpu.vcpuid, vcpu.period, vcpu.budget)).collect();
            let ours = (Some(0), Some(20000), Some(5000));
            ensure!(matches!(shares[..], [first, other] if first == ours && other.1 != ours.1), "{told:?}");
            block_on(ctx.destroy(domid))?;
        }
        other => return Err(Skip(format!("libxl has no settings for the scheduler {}", other.name())).into()),
    }
    opened.close()
}

/// The value that `xl info` has under this name.
fn told<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.trim() == name)
        .map(|(_, it)| it.trim())
}

fn host(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let info = dom0.xl(&["info"])?;
    // The clock has decimals.
    let whole = |text: &str| text.split('.').next().and_then(|text| text.parse::<u64>().ok());
    let number = |name| told(&info, name).and_then(whole).context(name);
    let host = ctx.phys_info()?;
    ensure!(u64::from(host.nr_cpus) == number("nr_cpus")?, "{host:?}, xl: {info}");
    ensure!(u64::from(host.cpu_khz) / 1000 == number("cpu_mhz")?, "{host:?}, xl: {info}");
    ensure!(host.total_pages / 256 == number("total_memory")?, "{host:?}, xl: {info}");
    // In MiB, as xl has rounded it, and while nothing else is done.
    ensure!((ctx.free_memory_kib()? >> 10).abs_diff(number("free_memory")?) <= 16, "{}", ctx.free_memory_kib()?);
    ensure!(host.cap_hvm == told(&info, "virt_caps").unwrap_or_default().contains("hvm"), "{host:?}, xl: {info}");
    let version = ctx.version_info()?;
    ensure!(
        version.xen_version_major as u64 == number("xen_major")? && version.capabilities.is_some(),
        "{version:?}, xl: {info}"
    );
    ensure!(version.capabilities.as_deref().map(str::trim) == told(&info, "xen_caps"), "{version:?}, xl: {info}");
    ensure!(ctx.scheduler()?.name() == told(&info, "xen_scheduler").unwrap_or_default(), "{:?}", ctx.scheduler()?);
    let topology = ctx.cpu_topology()?;
    ensure!(topology.len() >= host.nr_cpus as usize, "{topology:?}");
    let nodes = ctx.numa_nodes()?;
    ensure!(nodes.len() as u64 == number("nr_nodes").unwrap_or(1).max(1), "{nodes:?}");
    ensure!(ctx.online_cpus()? == host.nr_cpus, "{}", ctx.online_cpus()?);
    ctx.pci_topology().or_else(|error| if error.code().is_some() { Ok(Vec::new()) } else { Err(error) })?;

    let mut log = ctx.follow_xen_log();
    let before = log.read(ctx)?;
    ensure!(before.contains("Xen version") || before.len() > 4096, "{before}");
    ensure!(log.read(ctx)?.is_empty(), "the log is told twice");
    ctx.send_debug_keys("h")?;
    let mut told = String::new();
    eventually("the hypervisor answers the debug key", || {
        told += &log.read(ctx).unwrap_or_default();
        told.contains("'h' pressed")
    })?;
    ctx.set_xen_parameters("no-such-parameter=1").err().context("a parameter that there is not was set")?;
    ensure!(matches!(ctx.is_policy_enforced(), Ok(_) | Err(Error::Libxl { .. })));
    end(opened)
}

fn resources(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("idle");
    let mut config = dom0.config(Image::Idle, &name)?;
    config.build_info = config.build_info.max_vcpus(2).max_memory_kib(8 << 10).target_memory_kib(4 << 10);
    let needed = ctx.needed_memory_kib(&config)?;
    ensure!((4 << 10..256 << 10).contains(&needed), "{needed} KiB");
    let domid = block_on(ctx.create(&config))?;

    // Memory.
    ensure!(ctx.memory_target_kib(domid)? == 4 << 10, "{}", ctx.memory_target_kib(domid)?);
    ctx.set_memory_target_kib(domid, 6 << 10, true)?;
    ensure!(ctx.memory_target_kib(domid)? == 6 << 10, "{}", ctx.memory_target_kib(domid)?);
    let store = dom0.store("read", &[&format!("/local/domain/{domid}/memory/target")])?;
    ensure!(store.trim().parse::<u64>()? <= 6 << 10, "{store}");
    let too_much = ctx.set_memory_target_kib(domid, 64 << 20, true);
    ensure!(matches!(&too_much, Err(Error::Libxl { words, .. }) if !words.is_empty()), "{too_much:?}");
    let beyond = ctx.set_memory_target_kib(domid, u64::MAX, true);
    ensure!(matches!(&beyond, Err(Error::OutOfRange { .. })), "{beyond:?}");
    ctx.set_max_memory_kib(domid, 16 << 10)?;
    ensure!(ctx.info(domid)?.max_memory_kib >= 16 << 10, "{:?}", ctx.info(domid)?);
    // It has no balloon driver.
    block_on(ctx.wait_for_free_memory(1 << 10, 1))?;
    let never = block_on(ctx.wait_for_free_memory(1 << 40, 1));
    ensure!(matches!(&never, Err(Error::TimedOut { seconds: 1, .. })), "{never:?}");

    // Virtual CPUs.
    let vcpus = ctx.vcpus(domid)?;
    ensure!(vcpus.len() == 2 && vcpus[1].vcpuid == 1, "{vcpus:?}");
    ctx.set_vcpu_affinity(domid, 1, Some(&[0].into()), None)?;
    let vcpus = ctx.vcpus(domid)?;
    ensure!(vcpus[1].cpumap == BTreeSet::from([0]), "{vcpus:?}");
    let list = dom0.xl(&["vcpu-list", &name])?;
    ensure!(list.lines().any(|line| line.split_whitespace().nth(2) == Some("1")), "{list}");
    if stage.library.release() >= Release::V4_5 {
        ctx.set_vcpu_affinity(domid, 0, None, Some(&[0].into()))?;
        ensure!(ctx.vcpus(domid)?[0].cpumap_soft == BTreeSet::from([0]), "{:?}", ctx.vcpus(domid)?);
    }
    if stage.library.release() >= Release::V4_7 {
        ctx.force_vcpu_affinity(domid, 1, Some(&[1].into()), None)?;
        ensure!(ctx.vcpus(domid)?[1].cpumap == BTreeSet::from([1]), "{:?}", ctx.vcpus(domid)?);
    }
    let nowhere = ctx.set_vcpu_affinity(domid, 99, Some(&[0].into()), None);
    ensure!(matches!(&nowhere, Err(Error::Libxl { .. })), "{nowhere:?}");
    block_on(ctx.set_online_vcpus(domid, &[0].into()))?;
    let offline = dom0.store("read", &[&format!("/local/domain/{domid}/cpu/1/availability")])?;
    ensure!(offline.trim() == "offline", "{offline}");

    // Scheduling.
    if matches!(ctx.scheduler()?, Scheduler::Credit | Scheduler::Credit2) {
        ctx.set_scheduling(domid, &SchedulerParams::default().weight(512))?;
        ensure!(ctx.scheduling(domid)?.weight == Some(512), "{:?}", ctx.scheduling(domid)?);
        let out_of_range = ctx.set_scheduling(domid, &SchedulerParams::default().weight(1 << 20));
        ensure!(matches!(&out_of_range, Err(Error::Libxl { words, .. }) if !words.is_empty()), "{out_of_range:?}");
    }
    let other = ctx.vcpu_scheduling(domid);
    ensure!(matches!(&other, Err(Error::Libxl { .. } | Error::Unsupported { .. })), "{other:?}");
    if ctx.scheduler()? == Scheduler::Credit2 {
        let params = ctx.credit2_params(0)?;
        ctx.set_credit2_params(0, &params)?;
    }
    ensure!(matches!(ctx.cache_sample(domid, &xenlight::types::CmtKind::CacheOccupancy, 0), Err(Error::Libxl { .. })));

    block_on(ctx.destroy(domid))?;
    // Xen may take a moment to let go of it.
    eventually("the domain is gone", || matches!(ctx.vcpus(domid), Err(Error::NoSuchDomain { .. })))?;
    end(opened)
}

fn pools(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let pools = ctx.cpupools()?;
    ensure!(pools.len() == 1 && pools[0].poolid == 0, "somebody else's pools are there: {pools:?}");
    ensure!(ctx.free_cpus()?.is_empty(), "{:?}", ctx.free_cpus()?);
    let last = *pools[0].cpumap.last().context("pool 0 has no CPU")?;
    if pools[0].cpumap.len() < 2 {
        return Err(osevent_conformance::outcome::Skip("this host has one CPU: none can leave pool 0".into()).into());
    }
    let one = BTreeSet::from([last]);
    ctx.remove_cpus(0, &one)?;
    ensure!(ctx.free_cpus()? == one, "{:?}", ctx.free_cpus()?);
    // Not credit: Xen 4.17 panics in its tick once such a pool gives up its CPU (seen in the lab: csched_tick).
    let pool = ctx.create_cpupool(&dom0.name("pool"), &Scheduler::Credit2, &one)?;
    let domid = block_on(ctx.create(&dom0.config(Image::Idle, &dom0.name("idle"))?))?;
    ctx.move_to_cpupool(domid, pool)?;
    ensure!(ctx.info(domid)?.cpupool == pool, "{:?}", ctx.info(domid)?);
    ctx.rename_cpupool(pool, &dom0.name("renamed"))?;
    let pools = ctx.cpupools()?;
    let ours = pools.iter().find(|info| info.poolid == pool).context("the new pool is not listed")?;
    ensure!(
        ours.pool_name.as_deref() == Some(&*dom0.name("renamed")) && ours.cpumap == one && ours.n_dom == 1,
        "{ours:?}"
    );
    ensure!(ours.sched == Scheduler::Credit2, "{ours:?}");
    let params = ctx.credit2_params(pool)?;
    ctx.set_credit2_params(pool, &params)?;
    let other = ctx.credit_params(pool);
    ensure!(matches!(&other, Err(Error::Libxl { .. })), "{other:?}");
    let busy = ctx.destroy_cpupool(pool);
    ensure!(matches!(&busy, Err(Error::Libxl { .. })), "{busy:?}");
    ctx.move_to_cpupool(domid, 0)?;
    block_on(ctx.destroy(domid))?;
    ctx.destroy_cpupool(pool)?;
    ctx.add_cpus(0, &one)?;
    ensure!(ctx.cpupools()?.len() == 1 && ctx.free_cpus()?.is_empty(), "{:?}", ctx.cpupools()?);
    end(opened)
}

fn upkeep(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("answering");
    let domid = boot_answering(dom0, &opened, &name)?;
    let other = block_on(ctx.create(&dom0.config(Image::Idle, &dom0.name("idle"))?))?;

    ctx.rename(domid, &dom0.name("renamed"))?;
    ensure!(ctx.name(domid)?.as_deref() == Some(&*dom0.name("renamed")), "{:?}", ctx.name(domid)?);
    dom0.state(&dom0.name("renamed"))?;
    let taken = ctx.rename(domid, &dom0.name("idle"));
    ensure!(matches!(&taken, Err(Error::Libxl { words, .. }) if !words.is_empty()), "{taken:?}");
    let path = ctx.rename(domid, "../x");
    ensure!(matches!(&path, Err(Error::Config { .. })), "{path:?}");
    ctx.rename(domid, &name)?;
    ensure!(ctx.start_time(domid)?.elapsed()? < Duration::from_secs(600), "{:?}", ctx.start_time(domid)?);
    ensure!(ctx.stub_domain(domid)?.is_none());

    ensure!(ctx.noted(domid, "osevent")?.is_empty());
    ctx.note(domid, "osevent", b"")?;
    ctx.note(domid, "osevent", b"a\0b")?;
    ensure!(ctx.noted(domid, "osevent")? == b"a\0b");
    ctx.note(domid, "osevent", b"")?;
    ensure!(ctx.noted(domid, "osevent")?.is_empty());

    let dump = stage.folder.join("dump");
    block_on(ctx.pause(domid))?;
    block_on(ctx.dump_core(domid, &dump))?;
    let mut begin = [0; 4];
    File::open(&dump)?.read_exact(&mut begin)?;
    ensure!(begin == *b"\x7fELF", "the dump is no ELF file: {begin:?}");
    std::fs::remove_file(&dump)?;
    let full = block_on(ctx.dump_core(domid, "/dev/full"));
    ensure!(matches!(&full, Err(Error::Libxl { words, .. }) if words.to_string().contains("No space")), "{full:?}");
    // It has no list of its memory, without which there is nothing to dump.
    let nothing = block_on(ctx.dump_core(other, &dump));
    ensure!(matches!(&nothing, Err(Error::Libxl { words, .. }) if !words.is_empty()), "{nothing:?}");
    block_on(ctx.unpause(domid))?;
    block_on(ctx.destroy(other))?;

    // On Xen 4.14 with Debian 11's Linux, the domain does not answer after it is resumed.
    if stage.library.release() > Release::V4_14 {
        let watch = ctx.watch_death(domid)?;
        block_on(ctx.suspend(domid))?;
        expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Suspend))?;
        block_on(ctx.resume(domid))?;
        drop(watch);
    }
    // That it answers shows that it runs.
    let watch = ctx.watch_death(domid)?;
    block_on(ctx.reboot(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Reboot))?;
    // It makes room for its successor.
    let uuid = ctx.preserve(domid, &CreateInfo::default().name(name.as_str()), "-kept")?;
    ensure!(ctx.name(domid)?.as_deref() == Some(&*format!("{name}-kept")), "{:?}", ctx.name(domid)?);
    let vm = dom0.store("read", &[&format!("/local/domain/{domid}/vm")])?;
    ensure!(vm.trim() == format!("/vm/{uuid}"), "{vm} instead of {uuid}");
    let nameless = ctx.preserve(domid, &CreateInfo::default(), "-kept");
    ensure!(matches!(&nameless, Err(Error::Config { .. })), "{nameless:?}");
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    end(opened)
}

fn console(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("answering");
    let domid = block_on(ctx.create(&dom0.config(Image::Answering, &name)?))?;
    let nobody = ctx.console_path(domid, &ConsoleKind::Pv, 7);
    ensure!(matches!(&nobody, Err(Error::Libxl { .. } | Error::Format { .. })), "{nobody:?}");
    eventually("xenconsoled makes the console", || ctx.primary_console_path(domid).is_ok())?;
    ensure!(ctx.primary_console_path(domid)? == ctx.console_path(domid, &ConsoleKind::Pv, 0)?);
    let mut console = ctx.open_console(domid)?;
    block_on(ctx.unpause(domid))?;
    let mut seen = Vec::new();
    eventually("the domain says on its console that it is up", || {
        let mut bytes = [0; 1024];
        while let Ok(read @ 1..) = console.read(&mut bytes) {
            seen.extend(&bytes[..read]);
        }
        String::from_utf8_lossy(&seen).contains(dom0.says_up())
    })?;
    ctx.send_sysrq(domid, 'h')?;
    let sysrq = dom0.store("read", &[&format!("/local/domain/{domid}/control/sysrq")]);
    ensure!(sysrq.is_err() || sysrq.is_ok_and(|key| ["h", ""].contains(&key.trim())));
    let no_key = ctx.send_sysrq(domid, 'ß');
    ensure!(matches!(&no_key, Err(Error::OutOfRange { .. })), "{no_key:?}");
    // A PV domain has no power button.
    let pressed = block_on(ctx.press(domid, &Trigger::Power, 0));
    ensure!(matches!(&pressed, Err(Error::Libxl { .. })), "{pressed:?}");
    let nobody = block_on(ctx.qemu_command(domid, "info version"));
    ensure!(matches!(&nobody, Err(Error::Libxl { .. } | Error::Unsupported { .. })), "{nobody:?}");
    block_on(ctx.destroy(domid))?;
    eventually("the domain is gone", || matches!(ctx.open_console(domid), Err(Error::NoSuchDomain { .. })))?;
    let gone = block_on(ctx.press(DomainId::new(4242), &Trigger::Power, 0));
    ensure!(matches!(&gone, Err(Error::NoSuchDomain { .. })), "{gone:?}");
    end(opened)
}
