//! HVM domains on a real Xen: they have a device model, a QEMU that libxl starts, talks to on the loop and ends.
//!
//! Under emulation each takes seconds to create, so each case has one loop; and each loop a case, which sees libxl talk to a
//! device model there.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::cases::kept::Looking;
use crate::cases::life::expect;
use crate::cases::migration::{receive, runs_alone, send};
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::xen::{Dom0, Type};
use anyhow::{Context, ensure};
use futures_lite::future::{block_on, zip};
use osevent_conformance::outcome::Skip;
use osevent_conformance::patience::patience;
use osevent_core::Interest;
use osevent_domains::boot_disk;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use xenlight::types::{Disk, DiskFormat, Trigger};
use xenlight::{Ctx, DomainConfig, DomainId, Error, EventKind, ShutdownReason};

pub(crate) static LIFE: DomainCase = DomainCase {
    name: "xen-hvm-life",
    claim: "An HVM domain is created, paused, unpaused and destroyed; libxl talks to its device model on the loop, and ends it",
    clauses: &["E1", "E9", "O12", "S2"],
    types: &[Type::Hvm],
    adapters: &[Adapter::Epoll],
    modes: &[Mode::Loop],
    run: life,
};

pub(crate) static SAVED_AND_RESTORED: DomainCase = DomainCase {
    name: "xen-hvm-saved-and-restored",
    claim: "An HVM domain that runs is saved with its device model's state, and restored with another device model, where it runs on",
    clauses: &["E9", "E11", "O12", "S2"],
    types: &[Type::Hvm],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Loop],
    run: saved_and_restored,
};

pub(crate) static MIGRATED: DomainCase = DomainCase {
    name: "xen-hvm-migrated",
    claim: "An HVM domain migrates live to another ctx with its device model's state, and runs on there; its first device model ends",
    clauses: &["E9", "O12", "S2"],
    types: &[Type::Hvm],
    adapters: &[Adapter::Calloop],
    modes: &[Mode::Thread],
    run: migrated,
};

pub(crate) static EJECT: DomainCase = DomainCase {
    name: "xen-hvm-eject",
    claim: "A disc that is exchanged and then ejected by the domain is reported as ejected, for the right watch; the configuration, which is kept, has the disc that is in the drive",
    clauses: &["E1", "E2", "E3", "E7", "O10"],
    types: &[Type::Hvm],
    adapters: &[Adapter::Calloop],
    modes: &[Mode::Loop],
    run: eject,
};

pub(crate) static DEVICE_MODEL_DIES: DomainCase = DomainCase {
    name: "xen-hvm-device-model-dies",
    claim: "A device model is killed while its domain runs: a save fails and says so, and the domain can be destroyed",
    clauses: &["E1", "E9", "E12", "S2"],
    types: &[Type::Hvm],
    adapters: &[Adapter::Smol],
    modes: &[Mode::Loop],
    run: device_model_dies,
};

/// QubesOS/qubes-issues 10648: a domain without drivers has to be reached by its power button.
pub(crate) static VNC: DomainCase = DomainCase {
    name: "xen-hvm-vnc",
    claim: "A VNC client is greeted by the device model, at the port that libxl has asked it for on the loop, and loses it with the domain",
    clauses: &["E9", "O12", "S2"],
    types: &[Type::Hvm],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    run: vnc,
};

/// A disc drive's name.
const DRIVE: &str = "hdc";

fn life(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("hvm");
    let domid = create(&opened, &dom0.hvm_config(&name, DRIVE, &disc(stage, "disc")?)?)?;
    let device_model = device_model(dom0, domid)?;
    ensure!(is_alive(device_model), "the device model, process {device_model}, has ended");
    let watch = ctx.watch_death(domid)?;
    ensure!(dom0.state(&name)?.contains('p'), "xl does not show a new domain as paused");
    block_on(ctx.unpause(domid))?;
    eventually("xl shows it running or blocked", || dom0.state(&name).is_ok_and(|state| !state.contains('p')))?;
    block_on(ctx.pause(domid))?;
    ensure!(dom0.state(&name)?.contains('p') && ctx.info(domid)?.paused, "it is not paused");
    block_on(ctx.unpause(domid))?;
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    eventually("its device model ends", || !is_alive(device_model))?;
    end(opened)
}

fn saved_and_restored(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let config = dom0.hvm_config_with_disk(&dom0.name("hvm"), &disk(stage)?)?;
    let domid = create(&opened, &config)?;
    let first = device_model(dom0, domid)?;
    let watch = ctx.watch_death(domid)?;
    block_on(ctx.unpause(domid))?;
    writes(ctx, domid)?;
    let path = stage.folder.join("saved");
    let saved = block_on(ctx.save(domid, File::create_new(&path)?, &config));
    saved.with_context(|| format!("the domain is {:?}", ctx.info(domid)))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Suspend))?;
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    eventually("its device model ends", || !is_alive(first))?;

    let restored = block_on(ctx.restore(File::open(&path)?))?;
    ensure!(is_alive(device_model(dom0, restored)?), "the restored domain has no device model");
    block_on(ctx.unpause(restored))?;
    writes(ctx, restored)?;
    block_on(ctx.destroy(restored))?;
    std::fs::remove_file(path)?;
    end(opened)
}

fn migrated(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let (source, target) = (stage.open()?, stage.open()?);
    let name = dom0.name("hvm");
    let domid = create(&source, &dom0.hvm_config_with_disk(&name, &disk(stage)?)?)?;
    let first = device_model(dom0, domid)?;
    block_on(source.ctx.unpause(domid))?;
    writes(&source.ctx, domid)?;
    let (near, far) = UnixStream::pair()?;
    let (sent, received) = (send(dom0, &source.ctx, domid, near)?, receive(&target.ctx, far)?);
    let (sent, received) = block_on(zip(sent, received));
    sent?;
    let received = received?;
    eventually("the first device model ends", || !is_alive(first))?;
    ensure!(is_alive(device_model(dom0, received)?), "the domain has no device model any more");
    runs_alone(dom0, &target.ctx, &name, received)?;
    writes(&target.ctx, received)?;
    block_on(target.ctx.destroy(received))?;
    end(source)?;
    end(target)
}

fn eject(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let name = dom0.name("hvm");
    let domid = create(&opened, &dom0.hvm_config(&name, DRIVE, &disc(stage, "disc")?)?)?;
    let watch = opened.ctx.watch_eject(domid, DRIVE)?;
    let mut looking = Looking::begin(stage, &opened.ctx, domid)?;
    let domains = opened.ctx.follow_domains()?;
    looking.expect_first()?;
    let other = disc(stage, "other")?;
    let disc = Disk::default().vdev(DRIVE).format(DiskFormat::Raw);
    block_on(opened.ctx.insert_disc(domid, &disc.clone().pdev_path(other.display().to_string())))?;
    ensure!(
        opened.ctx.disk(domid, DRIVE)?.pdev_path == Some(other.display().to_string()),
        "another disc is in the drive"
    );
    looking.expect_change("another disc")?;
    let nowhere = block_on(opened.ctx.insert_disc(domid, &disc.clone().vdev("hdd").pdev_path("/dev/null")));
    ensure!(matches!(&nowhere, Err(Error::Libxl { words, .. }) if !words.is_empty()), "{nowhere:?}");
    // What a domain's driver writes. The number is the drive's: the third of four IDE drives.
    dom0.store("write", &[&format!("/local/domain/{domid}/device/vbd/5632/eject"), "eject"])?;
    let event = opened.events.next()?;
    ensure!(event.domid == domid && event.watch == Some(watch.id()), "{event:?} came for {watch:?}");
    ensure!(matches!(&event.kind, EventKind::Eject { vdev, .. } if vdev == DRIVE), "{event:?}");
    drop(watch);
    block_on(opened.ctx.eject_disc(domid, DRIVE))?;
    let empty = opened.ctx.disk(domid, DRIVE)?;
    ensure!(empty.pdev_path.is_none_or(|path| path.is_empty()), "the drive is not empty");
    looking.expect_change("an empty drive")?;
    drop(domains);
    block_on(opened.ctx.destroy(domid))?;
    end(opened)
}

fn device_model_dies(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let config = dom0.hvm_config(&dom0.name("hvm"), DRIVE, &disc(stage, "disc")?)?;
    let domid = create(&opened, &config)?;
    let watch = ctx.watch_death(domid)?;
    block_on(ctx.unpause(domid))?;
    let device_model = device_model(dom0, domid)?;
    // SAFETY: a signal to the process that libxl made for this case's domain, which only the destruction below ends.
    ensure!(unsafe { libc::kill(device_model, libc::SIGKILL) } == 0, "{}", std::io::Error::last_os_error());
    eventually("it has ended", || !is_alive(device_model))?;
    let saved = block_on(ctx.save(domid, File::create_new(stage.folder.join("saved"))?, &config));
    let error = saved.err().context("a domain without device model was saved")?;
    println!("saved without device model: {error}");
    ensure!(!error.words().is_empty(), "libxl said nothing of it: {error:?}");
    block_on(ctx.destroy(domid))?;
    loop {
        let event = opened.events.next()?;
        ensure!(event.domid == domid && event.watch == Some(watch.id()), "{event:?}");
        // The save may have suspended it before it failed.
        match event.kind {
            EventKind::Death => break,
            EventKind::Shutdown(_) => {}
            other => anyhow::bail!("unexpected: {other:?}"),
        }
    }
    drop(watch);
    end(opened)
}

fn vnc(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("hvm");
    let domid = create(&opened, &dom0.hvm_config_with_vnc(&name, DRIVE, &disc(stage, "disc")?)?)?;
    let watch = ctx.watch_death(domid)?;
    block_on(ctx.unpause(domid))?;
    let version = block_on(ctx.qemu_command(domid, "info version"))?;
    ensure!(version.trim().starts_with(|first: char| first.is_ascii_digit()), "QEMU's version is {version:?}");
    block_on(ctx.press(domid, &Trigger::Power, 0))?;
    let screen = ctx.vnc_server(domid)?.context("the device model has told no port")?;
    ensure!(screen.host == Ipv4Addr::LOCALHOST.to_string(), "{screen:?}");
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, screen.port))?;
    client.set_read_timeout(Some(patience()))?;
    let mut greeting = [0; 12];
    client.read_exact(&mut greeting)?;
    ensure!(greeting.starts_with(b"RFB 003."), "no VNC server: {:?}", String::from_utf8_lossy(&greeting));
    client.write_all(b"RFB 003.008\n")?;
    // How many ways there are to prove oneself, and which: 1 is that it need not be.
    let mut ways = [0; 2];
    client.read_exact(&mut ways)?;
    ensure!(ways == [1, 1], "the server wants more than libxl has told it to: {ways:?}");
    block_on(ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    let left = client.read(&mut ways);
    let reset = matches!(&left, Err(error) if error.kind() == ErrorKind::ConnectionReset);
    ensure!(reset || matches!(left, Ok(0)), "the server outlives its domain: {left:?}");
    end(opened)
}

/// A new domain; skipped where no device model is installed.
fn create(opened: &Opened, config: &DomainConfig) -> anyhow::Result<DomainId> {
    let domid = or_skip(block_on(opened.ctx.create(config)))?;
    // What libxl has to say to a device model waits for it to be writable, beside its answers.
    let interests = opened.recorder.record().interests.clone();
    let both = Interest::IN | Interest::OUT;
    ensure!(interests.contains(&both), "libxl did not talk to the device model on the loop: {interests:?}");
    Ok(domid)
}

/// The new domain, or a [`Skip`] where no device model is installed.
pub(crate) fn or_skip(created: Result<DomainId, Error>) -> anyhow::Result<DomainId> {
    created.map_err(|error| {
        let missing = |text: &str| {
            text.contains("device model") && text.contains("is not executable")
                || text.contains("hvmloader") && text.contains("No such file")
        };
        match error.words().iter().find(|line| missing(&line.text)) {
            Some(line) => Skip(format!("no device model is installed here: libxl said: {}", line.text)).into(),
            None => anyhow::Error::from(error),
        }
    })
}

/// An empty disc in a file of the case's own.
fn disc(stage: &Stage, name: &str) -> anyhow::Result<PathBuf> {
    let path = stage.folder.join(name);
    File::create_new(&path)?.set_len(64 << 10)?;
    Ok(path)
}

/// The disk that [`writes`] wants.
fn disk(stage: &Stage) -> anyhow::Result<PathBuf> {
    let path = stage.folder.join("disk");
    std::fs::write(&path, boot_disk())?;
    Ok(path)
}

/// Waits until the system on the disk writes to its serial port, which each device model has another terminal for.
fn writes(ctx: &Ctx, domid: DomainId) -> anyhow::Result<()> {
    let mut console = ctx.open_console(domid)?;
    eventually("the domain writes to its serial port", || console.read(&mut [0]).is_ok_and(|read| read > 0))
}

/// The process of the domain's device model.
fn device_model(dom0: &Dom0, domid: DomainId) -> anyhow::Result<i32> {
    let pid = dom0.store("read", &[&format!("/local/domain/{domid}/image/device-model-pid")])?;
    pid.trim().parse().with_context(|| format!("no process's number: {pid:?}"))
}

/// Whether there is such a process that has not ended; nobody may have waited for it.
fn is_alive(process: i32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"));
    status.is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:\tZ")))
}

fn end(opened: Opened) -> anyhow::Result<()> {
    no_child_is_left()?;
    opened.close()
}
