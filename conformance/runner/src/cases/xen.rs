//! Real domains on a real Xen.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::cases::life::expect;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::console::Console;
use crate::tiers::xen::{Dom0, Image, Type};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_core::Interest;
use std::fs::File;
use std::time::{Duration, Instant};
use xenlight::{Children, Ctx, DomainConfig, DomainId, Error, EventKind, ShutdownReason};

pub(crate) static LIFE: DomainCase = DomainCase {
    name: "xen-life",
    claim: "A domain is created, listed, paused, unpaused, shut down and destroyed, and `xl list` agrees each time",
    clauses: &["E9", "O12", "S2"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: life,
};

pub(crate) static FROM_XL_FILE: DomainCase = DomainCase {
    name: "xen-from-xl-file",
    claim: "A domain is created from xl's kind of configuration file, and its configuration can be asked for",
    clauses: &["E9"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib, Adapter::Calloop],
    // On a real Xen a domain takes long. The loops in both modes are xen-life's, and the simulated machine's.
    modes: &[Mode::Thread],
    run: from_xl_file,
};

pub(crate) static DESTROYED_ELSEWHERE: DomainCase = DomainCase {
    name: "xen-destroyed-elsewhere",
    claim: "A domain that `xl destroy` ends is reported dead",
    clauses: &["R1", "R9", "E1", "E2", "E3"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    // As above.
    modes: &[Mode::Loop],
    run: destroyed_elsewhere,
};

pub(crate) static POWERS_ITSELF_OFF: DomainCase = DomainCase {
    name: "xen-powers-itself-off",
    claim: "A domain that powers itself off is reported as shut down with that reason, and dead once it is destroyed",
    clauses: &["R1", "R9", "E1", "E2", "E3", "E11"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    // As above.
    modes: &[Mode::Thread],
    run: powers_itself_off,
};

pub(crate) static SAVED_AND_RESTORED: DomainCase = DomainCase {
    name: "xen-saved-and-restored",
    claim: "A domain is saved to a regular file and runs on when it is restored from it; xl restores it, too",
    clauses: &["R5", "R6", "E9", "E11", "O12"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    // As above.
    modes: &[Mode::Thread],
    run: saved_and_restored,
};

pub(crate) static CLOSE_WITH_DOMAINS: DomainCase = DomainCase {
    name: "xen-close-with-shutdown",
    claim: "Closing aborts a shutdown that the domain ignores, long before libxl's own time limit, and leaves the domain alone",
    clauses: &["X2", "X3", "X6", "E6"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    // As above.
    modes: &[Mode::Loop],
    run: close_with_shutdown,
};

pub(crate) static FIFTY_ON_ONE_CTX: DomainCase = DomainCase {
    name: "xen-fifty-on-one-ctx",
    claim: "Four threads create and destroy 50 domains on one ctx; each is reported dead",
    clauses: &["R1", "O2", "O8", "S2", "E1"],
    types: &[Type::Pv, Type::Pvh],
    // This takes long. The others stand on the reactor of epoll, which has the next one; on all loops there is created-many.
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: fifty_on_one_ctx,
};

pub(crate) static FIFTY_ON_FOUR_CTXS: DomainCase = DomainCase {
    name: "xen-fifty-on-four-ctxs",
    claim: "Four threads create and destroy 50 domains with a ctx each, side by side in one process, and none hangs",
    clauses: &["S2", "S8", "X9"],
    types: &[Type::Pv, Type::Pvh],
    // As above.
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: fifty_on_four_ctxs,
};

fn life(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("idle");
    let domid = block_on(ctx.create(&dom0.config(Image::Idle, &name)?))?;
    let listed = ctx.domains()?;
    ensure!(listed.iter().any(|domain| domain.domid == domid), "a created domain is not listed: {listed:?}");
    ensure!(dom0.state(&name)?.contains('p'), "xl does not show a new domain as paused");
    block_on(ctx.unpause(domid))?;
    eventually("xl shows it running or blocked", || dom0.state(&name).is_ok_and(|state| !state.contains('p')))?;
    ensure!(!ctx.info(domid)?.paused);
    block_on(ctx.pause(domid))?;
    ensure!(dom0.state(&name)?.contains('p') && ctx.info(domid)?.paused, "it is not paused");
    block_on(ctx.destroy(domid))?;
    ensure!(dom0.state(&name).is_err(), "xl still lists a destroyed domain");
    // A page of it can be somebody's still, until when Xen lists it.
    eventually("libxl does not know a destroyed domain", || {
        ctx.info(domid).is_err_and(|error| error.is_no_such_domain())
    })?;

    let domid = boot_answering(dom0, &opened, &dom0.name("answering"))?;
    let watch = ctx.watch_death(domid)?;
    block_on(ctx.shutdown(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    end(opened)
}

fn from_xl_file(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let name = dom0.name("file");
    let file = stage.folder.join("domain.cfg");
    let (kind, kernel) = (dom0.kind.name(), dom0.kernel(Image::Idle)?);
    std::fs::write(&file, format!("name='{name}'\ntype='{kind}'\nkernel='{kernel}'\nmemory=4\nvcpus=1\n"))?;
    let domid = block_on(opened.ctx.create(&xenlight::config_by_xl(&file)?))?;
    ensure!(dom0.state(&name)?.contains('p'), "xl does not show the new domain");
    ensure!(opened.ctx.name(domid)?.as_deref() == Some(&*name));
    let config = block_on(opened.ctx.config(domid))?;
    ensure!(config.name() == name && config.to_json().contains(&kernel), "{}", config.to_json());
    let again = DomainConfig::from_xl(&config.to_xl()?)?.config;
    ensure!(again.build_info.kernel.as_deref() == Some(&*kernel), "{}", again.to_json());
    block_on(opened.ctx.destroy(domid))?;
    end(opened)
}

fn destroyed_elsewhere(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let name = dom0.name("idle");
    let domid = block_on(opened.ctx.create(&dom0.config(Image::Idle, &name)?))?;
    let watch = opened.ctx.watch_death(domid)?;
    block_on(opened.ctx.unpause(domid))?;
    dom0.xl(&["destroy", &name])?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    end(opened)
}

fn powers_itself_off(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let name = dom0.name("poweroff");
    let domid = block_on(opened.ctx.create(&dom0.config(Image::Poweroff, &name)?))?;
    let watch = opened.ctx.watch_death(domid)?;
    block_on(opened.ctx.unpause(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    ensure!(dom0.state(&name)?.contains('s'), "xl does not show it as shut down");
    block_on(opened.ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    end(opened)
}

fn saved_and_restored(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("answering");
    let config = dom0.config(Image::Answering, &name)?;
    let domid = boot_answering(dom0, &opened, &name)?;
    let watch = ctx.watch_death(domid)?;
    let path = stage.folder.join("saved");
    let before = opened.recorder.record().interests.len();
    block_on(ctx.save(domid, File::create_new(&path)?, &config))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Suspend))?;
    let interests = opened.recorder.record().interests.split_off(before);
    ensure!(interests.contains(&Interest::OUT), "libxl did not wait to write the beginning: {interests:?}");
    ensure!(
        interests.contains(&(Interest::IN | Interest::PRI)),
        "libxl did not wait for POLLPRI on its helper's pipe (R6): {interests:?}"
    );
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);

    let restored = block_on(ctx.restore(File::open(&path)?))?;
    let watch = ctx.watch_death(restored)?;
    block_on(ctx.unpause(restored))?;
    // That it answers shows that it runs.
    block_on(ctx.shutdown(restored))?;
    expect(&opened.events, restored, &watch, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    block_on(ctx.destroy(restored))?;
    expect(&opened.events, restored, &watch, &EventKind::Death)?;
    drop(watch);

    dom0.xl(&["restore", path.to_str().expect("a path of ours")])?;
    dom0.xl(&["destroy", &name])?;
    std::fs::remove_file(path)?;
    end(opened)
}

fn close_with_shutdown(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let Opened { ctx, recorder, attached: _attached, .. } = stage.open()?;
    let name = dom0.name("idle");
    let domid = block_on(ctx.create(&dom0.config(Image::Idle, &name)?))?;
    block_on(ctx.unpause(domid))?;
    let timers = || recorder.record().timers_added;
    let before = timers();
    let shutdown = ctx.shutdown(domid);
    eventually("libxl has begun it, and limits its time", || timers() > before)?;
    let start = Instant::now();
    ctx.close_blocking()?;
    // Libxl gives up after 60 s by itself.
    ensure!(start.elapsed() < Duration::from_secs(30), "the close took {:?}", start.elapsed());
    let result = block_on(shutdown);
    ensure!(result.as_ref().is_err_and(Error::is_aborted), "the shutdown ended with {result:?}");
    recorder.expect_nothing()?;
    ensure!(!dom0.state(&name)?.contains('s'));
    dom0.xl(&["destroy", &name])?;
    Ok(())
}

fn fifty_on_one_ctx(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    side_by_side(|worker| create_and_destroy(dom0, &opened.ctx, worker))?;
    for _ in 0..DOMAINS {
        let event = opened.events.next()?;
        ensure!(event.kind == EventKind::Death, "{event:?}");
    }
    end(opened)
}

fn fifty_on_four_ctxs(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    side_by_side(|worker| {
        let opened = stage.open_with(Children::default())?;
        create_and_destroy(dom0, &opened.ctx, worker)?;
        opened.close()
    })?;
    no_child_is_left()
}

const DOMAINS: usize = 50;
const THREADS: usize = 4;

/// One thread's share of the domains; their watches last until the ctx is closed.
fn create_and_destroy(dom0: &Dom0, ctx: &Ctx, worker: usize) -> anyhow::Result<()> {
    for at in (worker..DOMAINS).step_by(THREADS) {
        let domid = block_on(ctx.create(&dom0.config(Image::Idle, &dom0.name(&format!("{worker}-{at}")))?))?;
        ctx.watch_death(domid)?.keep();
        block_on(ctx.unpause(domid))?;
        block_on(ctx.destroy(domid))?;
    }
    Ok(())
}

fn side_by_side(work: impl Fn(usize) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

/// A domain that answers requests already.
pub(crate) fn boot_answering(dom0: &Dom0, opened: &Opened, name: &str) -> anyhow::Result<DomainId> {
    boot(dom0, opened, &dom0.config(Image::Answering, name)?)
}

/// As `boot_answering`, of this configuration.
pub(crate) fn boot(dom0: &Dom0, opened: &Opened, config: &DomainConfig) -> anyhow::Result<DomainId> {
    let domid = block_on(opened.ctx.create(config))?;
    block_on(opened.ctx.unpause(domid))?;
    // Whether it stands still, and whether it is busy with that.
    let where_it_is = || format!("it is {:?}", opened.ctx.info(domid));
    Console::of(domid).expect(dom0.says_up()).with_context(where_it_is)?;
    Ok(domid)
}

pub(crate) fn end(opened: Opened) -> anyhow::Result<()> {
    no_child_is_left()?;
    opened.close()
}
