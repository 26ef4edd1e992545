//! Domains that libxl creates, on the simulated machine, and where it is possible on a real Xen with the same assertions.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::cases::life::expect;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::libxl::DOMAINS;
use crate::tiers::xen::{Image, Type};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use std::io::Read;
use xenlight::types::{Disk, DiskBackend, DiskFormat, Nic};
use xenlight::{Ctx, DomainConfig, DomainId, EventKind, ShutdownReason};

pub(crate) static LIFE_ON_XEN: DomainCase = DomainCase {
    name: "xen-created-life",
    claim: "What a domain's life is on the simulated machine, it is on a real Xen",
    // What is tried is the machine.
    adapters: &[Adapter::Glib],
    ..LIFE
};

pub(crate) const LIFE: DomainCase = DomainCase {
    name: "created-life",
    claim: "A domain is created, listed, configured as asked, unpaused, paused, says that it is up, answers a shutdown and is destroyed; each is told, and nothing is left",
    clauses: &["E1", "E2", "E3", "E9", "O12", "S2"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: life,
};

pub(crate) static CHANGED: DomainCase = DomainCase {
    name: "created-changed",
    claim: "A domain that was created is renamed, gives memory back and takes it again, consumes time while it runs, and answers a request to reboot",
    clauses: &["E1", "E9"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: changed,
};

pub(crate) static WITH_DEVICES: DomainCase = DomainCase {
    name: "created-with-devices",
    claim: "A domain is created with a disk and a network interface; others are attached and detached while it runs, and nothing is left of them",
    clauses: &["R1", "E1", "E9", "S2"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: with_devices,
};

pub(crate) static MANY: DomainCase = DomainCase {
    name: "created-many",
    claim: "Twenty domains are created at once on one ctx, and destroyed at once; each is reported dead, and nothing is left",
    clauses: &["R1", "O2", "O8", "S2", "E1", "E9"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: many,
};

pub(crate) static REFUSED: DomainCase = DomainCase {
    name: "created-refused",
    claim: "A creation with a name that is taken, a kernel that is none, or more memory than the machine has fails, and nothing is left of it",
    clauses: &["E9", "E12", "S2"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: refused,
};

const MANY_DOMAINS: usize = 20;

fn life(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = stage.machine.name("created");
    let domid = block_on(ctx.create(&stage.machine.config(Image::Answering, &name)?))?;
    let listed = ctx.domains()?;
    let found = listed.iter().find(|domain| domain.domid == domid).context("it is not listed")?;
    ensure!(found.paused && found.vcpus_online == 1 && found.max_vcpu_id == 0, "{found:?}");
    ensure!(found.current_memory_kib >= 4 << 10, "{found:?}");
    ensure!(ctx.find(&name)? == Some(domid) && ctx.name(domid)?.as_deref() == Some(&*name));
    let config = block_on(ctx.config(domid))?.to_json();
    ensure!(config.contains(&format!("{name:?}")), "its configuration lacks its name: {config}");

    let watch = ctx.watch_death(domid)?;
    block_on(ctx.unpause(domid))?;
    ensure!(!ctx.info(domid)?.paused);
    await_up(stage, ctx, domid)?;
    block_on(ctx.pause(domid))?;
    ensure!(ctx.info(domid)?.paused);
    block_on(ctx.unpause(domid))?;
    block_on(ctx.shutdown(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    ensure!(ctx.info(domid)?.shutdown == Some(ShutdownReason::Poweroff));
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    eventually("libxl does not know a destroyed domain", || {
        ctx.info(domid).is_err_and(|error| error.is_no_such_domain())
    })?;
    ensure!(ctx.find(&name)?.is_none());
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

/// Waits until its console says that it is up.
fn await_up(stage: &Stage, ctx: &Ctx, domid: DomainId) -> anyhow::Result<()> {
    let up = stage.machine.says_up().as_bytes();
    let (mut console, mut said) = (None, Vec::new());
    eventually("the domain says on its console that it is up", || {
        if console.is_none() {
            console = ctx.open_console(domid).ok();
        }
        let mut bytes = [0; 256];
        while let Some(read @ 1..) = console.as_mut().and_then(|console| console.read(&mut bytes).ok()) {
            said.extend(&bytes[..read]);
        }
        said.windows(up.len()).any(|window| window == up)
    })
    .with_context(|| format!("it said {:?}", String::from_utf8_lossy(&said)))
}

fn changed(stage: &Stage) -> anyhow::Result<()> {
    let (opened, before) = begin(stage)?;
    let ctx = &opened.ctx;
    let domid = block_on(ctx.create(&config(stage, "created", |_| {})?))?;
    ctx.rename(domid, "renamed")?;
    ensure!(ctx.find("renamed")? == Some(domid) && ctx.find("created")?.is_none());
    block_on(ctx.unpause(domid))?;
    await_up(stage, ctx, domid)?;
    eventually("its processor time grows", || ctx.info(domid).is_ok_and(|info| !info.cpu_time.is_zero()))?;

    for target in [SHRUNK, WHOLE] {
        ctx.set_memory_target_kib(domid, target, true)?;
        eventually("it has the memory that it shall have", || {
            ctx.info(domid).is_ok_and(|info| info.current_memory_kib == target)
        })?;
    }

    let watch = ctx.watch_death(domid)?;
    block_on(ctx.reboot(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Reboot))?;
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    end(stage, opened, &before)
}

/// Memory in KiB.
const WHOLE: u64 = 256 << 10;
const SHRUNK: u64 = 192 << 10;

/// A disk that is only looked at: its script is not run.
fn disk(stage: &Stage, vdev: &str) -> anyhow::Result<Disk> {
    let path = stage.folder.join("disk");
    std::fs::write(&path, [0; 512])?;
    let path = path.to_str().context("the temporary folder's path is no UTF-8")?;
    Ok(Disk::default().vdev(vdev).pdev_path(path).format(DiskFormat::Raw).backend(DiskBackend::Phy).readwrite(true))
}

fn with_devices(stage: &Stage) -> anyhow::Result<()> {
    const CONNECTED: i32 = 4;
    let (opened, before) = begin(stage)?;
    let ctx = &opened.ctx;
    let first = disk(stage, "xvda")?;
    let config = config(stage, "created", |config| {
        config.disks = vec![first.clone()];
        config.nics = vec![Nic::default().bridge("nowhere")];
    })?;
    let domid = block_on(ctx.create(&config))?;
    block_on(ctx.unpause(domid))?;
    await_up(stage, ctx, domid)?;
    block_on(ctx.attach(domid, &disk(stage, "xvdb")?))?;
    block_on(ctx.attach(domid, &Nic::default().bridge("nowhere")))?;
    let (disks, nics) = (ctx.devices::<Disk>(domid)?, ctx.devices::<Nic>(domid)?);
    ensure!(disks.len() == 2 && nics.len() == 2, "{disks:?}, {nics:?}");
    for disk in &disks {
        eventually("its driver has connected", || {
            ctx.device_info(domid, disk).is_ok_and(|info| info.state == CONNECTED)
        })?;
    }
    for nic in &nics {
        eventually("its driver has connected", || {
            ctx.device_info(domid, nic).is_ok_and(|info| info.state == CONNECTED)
        })?;
    }
    block_on(ctx.detach(domid, &disks[1]))?;
    block_on(ctx.detach(domid, &nics[1]))?;
    let (disks, nics) = (ctx.devices::<Disk>(domid)?, ctx.devices::<Nic>(domid)?);
    ensure!(disks.len() == 1 && nics.len() == 1, "{disks:?}, {nics:?}");
    block_on(ctx.destroy(domid))?;
    end(stage, opened, &before)
}

fn many(stage: &Stage) -> anyhow::Result<()> {
    let (opened, before) = begin(stage)?;
    let ctx = &opened.ctx;
    let configs: Vec<_> =
        (0..MANY_DOMAINS).map(|at| config(stage, &format!("created-{at}"), |_| {})).collect::<Result<_, _>>()?;
    let creations: Vec<_> = configs.iter().map(|config| ctx.create(config)).collect();
    let domids: Vec<DomainId> = creations.into_iter().map(block_on).collect::<Result<_, _>>()?;
    let listed = ctx.domains()?;
    ensure!(domids.iter().all(|domid| listed.iter().any(|domain| domain.domid == *domid)), "{domids:?}, {listed:?}");
    let watches: Vec<_> = domids.iter().map(|domid| ctx.watch_death(*domid)).collect::<Result<_, _>>()?;
    let started: Vec<_> = domids.iter().map(|domid| ctx.unpause(*domid)).collect();
    started.into_iter().try_for_each(block_on)?;
    let destroyed: Vec<_> = domids.iter().map(|domid| ctx.destroy(*domid)).collect();
    destroyed.into_iter().try_for_each(block_on)?;
    let mut dead = Vec::new();
    for _ in &domids {
        let event = opened.events.next()?;
        ensure!(event.kind == EventKind::Death, "{event:?}");
        dead.push(event.domid);
    }
    dead.sort();
    let mut created = domids.clone();
    created.sort();
    ensure!(dead == created, "{dead:?} died of {created:?}");
    drop(watches);
    end(stage, opened, &before)
}

fn refused(stage: &Stage) -> anyhow::Result<()> {
    let (opened, before) = begin(stage)?;
    let ctx = &opened.ctx;
    let taken = block_on(ctx.create(&config(stage, "pretend-5", |_| {})?));
    let error = taken.err().context("two domains have one name")?;
    ensure!(error.to_string().contains("already exists"), "{error}");
    expect_nothing(stage, ctx, &before)?;

    let text = stage.folder.join("no-kernel");
    std::fs::write(&text, "this is no kernel")?;
    let text = text.to_str().context("the temporary folder's path is no UTF-8")?;
    let error = block_on(ctx.create(&config(stage, "created", |config| {
        config.build_info = config.build_info.clone().kernel(text);
    })?));
    let error = error.err().context("a domain was made of a text")?;
    ensure!(!error.words().is_empty(), "{error:?}");
    expect_nothing(stage, ctx, &before)?;

    let error = block_on(ctx.create(&config(stage, "created", |config| {
        let whole = 32 << 20;
        config.build_info = config.build_info.clone().max_memory_kib(whole).target_memory_kib(whole);
    })?));
    let error = error.err().context("a domain has more memory than the machine")?;
    ensure!(!error.words().is_empty(), "{error:?}");
    expect_nothing(stage, ctx, &before)?;

    // The next one is not hindered.
    let domid = block_on(ctx.create(&config(stage, "created", |_| {})?))?;
    block_on(ctx.destroy(domid))?;
    end(stage, opened, &before)
}

/// A configuration with memory to give back, changed by `change`.
fn config(stage: &Stage, name: &str, change: impl FnOnce(&mut DomainConfig)) -> anyhow::Result<DomainConfig> {
    let mut config = stage.machine.config(Image::Answering, name)?;
    config.build_info = config.build_info.max_memory_kib(WHOLE).target_memory_kib(WHOLE);
    change(&mut config);
    Ok(config)
}

/// What there is on the simulated machine that a domain may leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    nodes: Vec<String>,
    free_pages: u64,
    files: Vec<String>,
}

fn begin(stage: &Stage) -> anyhow::Result<(Opened, Left)> {
    let opened = stage.open()?;
    let before = left(stage)?;
    Ok((opened, before))
}

fn left(stage: &Stage) -> anyhow::Result<Left> {
    let pretend = stage.machine.pretend()?;
    let mut nodes = Vec::new();
    for root in ["/local/domain", "/libxl", "/vm", "/local/domain/0/backend/vbd", "/local/domain/0/backend/vif"] {
        let children = pretend.store.list(root).unwrap_or_default();
        nodes.extend(children.into_iter().map(|child| format!("{root}/{child}")));
    }
    let mut files: Vec<_> = std::fs::read_dir(&stage.folder)?
        .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    files.retain(|name| name.starts_with("userdata-"));
    Ok(Left { nodes, free_pages: pretend.hypervisor.free_pages(), files })
}

fn expect_nothing(stage: &Stage, ctx: &Ctx, before: &Left) -> anyhow::Result<()> {
    let now = left(stage)?;
    ensure!(now == *before, "{now:?} instead of {before:?}");
    let listed = ctx.domains()?;
    ensure!(listed.len() == 1 + DOMAINS.len(), "{listed:?}");
    Ok(())
}

fn end(stage: &Stage, opened: Opened, before: &Left) -> anyhow::Result<()> {
    expect_nothing(stage, &opened.ctx, before)?;
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}
