//! Devices that are attached to a running domain on a real Xen: its Linux says on its console which it has.
//!
//! Under emulation a hotplug script takes seconds, so these cases do not run on each loop.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::console::Console;
use crate::tiers::devices::{self, Bridge, LoopDevice};
use crate::tiers::xen::Type;
use anyhow::ensure;
use futures_lite::future::block_on;
use std::path::PathBuf;
use xenlight::types::{Disk, DiskBackend, DiskFormat, Mac, Nic};
use xenlight::{Code, Ctx, DomainId, Error, Release};

pub(crate) static PLUGGED: DomainCase = DomainCase {
    name: "xen-plugged",
    claim: "A disk and a network interface are attached to a running Linux, which reads the one and has the other's address, and detached again; nothing is left of them",
    clauses: &["R1", "R11", "E1", "E9", "O5", "O12", "S2"],
    types: &[Type::Pv],
    adapters: &[Adapter::Glib, Adapter::Smol],
    modes: &[Mode::Loop],
    run: plugged,
};

pub(crate) static REFUSED: DomainCase = DomainCase {
    name: "xen-plug-refused",
    claim: "A second disk of that name, a disk without its file, an interface for a bridge that is not there are refused with the reason; a domain that keeps its disk loses it, but not by the safe removal",
    clauses: &["E9", "E12", "S2"],
    types: &[Type::Pv],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    run: refused,
};

const VDEV: &str = "xvdb";
pub(crate) const CONNECTED: i32 = 4;
const DEVICE_EXISTS: Code = Code(-17);
const TIMED_OUT: Code = Code(-9);
const SAFE_SINCE: Release = Release::new(4, 15);

/// The first line of each of the disk's pages.
const LINE: &str = "a disk of osevent's";

/// A running domain that says which devices it has.
struct Linux {
    domid: DomainId,
    console: Console,
}

impl Linux {
    fn boot(stage: &Stage, ctx: &Ctx) -> anyhow::Result<Self> {
        devices::check()?;
        let dom0 = stage.machine.dom0()?;
        let config = dom0.config_with_drivers(&dom0.name("devices"))?;
        let domid = block_on(ctx.create(&config))?;
        block_on(ctx.unpause(domid))?;
        let mut console = Console::of(domid);
        console.expect(devices::READY)?;
        Ok(Self { domid, console })
    }

    /// Writes a word to it, and waits for the answer.
    fn tell(&mut self, word: &str, answer: &str) -> anyhow::Result<()> {
        self.console.tell(word)?;
        self.console.expect(answer)
    }

    fn end(self, opened: Opened) -> anyhow::Result<()> {
        block_on(opened.ctx.destroy(self.domid))?;
        devices::expect_no_backends(self.domid)?;
        no_child_is_left()?;
        opened.close()
    }
}

/// A disk in a file of the case's own.
fn disk_file(stage: &Stage) -> anyhow::Result<PathBuf> {
    const PAGE: usize = 4096;
    const PAGES: usize = 256;
    // Found by this name if the case cannot remove what is on it.
    let path = stage.folder.join(stage.machine.dom0()?.name("disk"));
    let mut page = format!("{LINE}\n").into_bytes();
    page.resize(PAGE, 0);
    std::fs::write(&path, page.repeat(PAGES))?;
    Ok(path)
}

fn disk(device: &str) -> Disk {
    Disk::default().vdev(VDEV).pdev_path(device).format(DiskFormat::Raw).backend(DiskBackend::Phy).readwrite(true)
}

fn plugged(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let mut linux = Linux::boot(stage, ctx)?;
    let domid = linux.domid;
    plug_disk(stage, ctx, &mut linux)?;
    plug_nic(ctx, &mut linux)?;
    devices::expect_no_backends(domid)?;
    opened.expect_idle()?;
    linux.end(opened)
}

fn plug_disk(stage: &Stage, ctx: &Ctx, linux: &mut Linux) -> anyhow::Result<()> {
    let domid = linux.domid;
    let device = LoopDevice::on(&disk_file(stage)?)?;
    let listed = ctx.devices::<Disk>(domid)?;
    ensure!(listed.is_empty(), "disks from nowhere: {listed:?}");
    let attached = block_on(ctx.attach(domid, &disk(&device.path)))?;
    ensure!(attached.vdev.as_deref() == Some(VDEV), "{attached:?}");
    linux.console.expect(&format!("devices: xvdb has {LINE}"))?;
    let listed = ctx.devices::<Disk>(domid)?;
    let [found] = &listed[..] else { anyhow::bail!("not one disk: {listed:?}") };
    ensure!(
        (found.vdev.as_deref(), found.pdev_path.as_deref(), found.backend.as_ref(), found.readwrite)
            == (Some(VDEV), Some(&*device.path), Some(&DiskBackend::Phy), Some(true)),
        "{found:?}"
    );
    let by_name = ctx.disk(domid, VDEV)?;
    ensure!(by_name == *found, "found by its name: {by_name:?}, in the list: {found:?}");
    let info = ctx.device_info(domid, found)?;
    ensure!(
        (info.state, info.devid, info.frontend_id, info.backend_id) == (CONNECTED, Some(51728), domid.get(), 0),
        "{info:?}"
    );
    let configured = |ctx: &Ctx| anyhow::Ok(block_on(ctx.config(domid))?.to_xl()?.contains(&*device.path));
    ensure!(configured(ctx)?, "the domain's configuration lacks the disk");

    block_on(ctx.detach(domid, found))?;
    linux.console.expect("devices: xvdb is gone")?;
    let left = ctx.devices::<Disk>(domid)?;
    ensure!(left.is_empty(), "{left:?}");
    let by_name = ctx.disk(domid, VDEV);
    ensure!(by_name.is_err(), "{by_name:?}");
    ensure!(!configured(ctx)?, "the domain's configuration keeps the disk");
    device.free()
}

fn plug_nic(ctx: &Ctx, linux: &mut Linux) -> anyhow::Result<()> {
    let domid = linux.domid;
    let bridge = Bridge::new()?;
    let mac = Mac([0, 0x16, 0x3e, 0x05, 0xe7, 0x01]);
    let attached = block_on(ctx.attach(domid, &Nic::default().mac(mac).bridge(&*bridge.name)))?;
    ensure!(attached.mac == Some(mac), "{attached:?}");
    linux.console.expect(&format!("devices: eth0 has {mac}"))?;
    let ports = bridge.ports()?;
    ensure!(ports == [format!("vif{domid}.0")], "the bridge's ports are {ports:?}");
    let listed = ctx.devices::<Nic>(domid)?;
    let [found] = &listed[..] else { anyhow::bail!("not one interface: {listed:?}") };
    ensure!(found.mac == Some(mac) && found.bridge.as_deref() == Some(&*bridge.name), "{found:?}");
    let by_number = ctx.nic(domid, 0)?;
    ensure!(by_number == *found, "found by its number: {by_number:?}, in the list: {found:?}");
    let info = ctx.device_info(domid, found)?;
    ensure!((info.state, info.devid) == (CONNECTED, Some(0)), "{info:?}");
    let configured = |ctx: &Ctx| anyhow::Ok(block_on(ctx.config(domid))?.to_xl()?.contains(&*bridge.name));
    ensure!(configured(ctx)?, "the domain's configuration lacks the interface");

    block_on(ctx.detach(domid, found))?;
    linux.console.expect("devices: eth0 is gone")?;
    let left = ctx.devices::<Nic>(domid)?;
    ensure!(left.is_empty(), "{left:?}");
    ensure!(!configured(ctx)?, "the domain's configuration keeps the interface");
    let ports = bridge.ports()?;
    ensure!(ports.is_empty(), "the bridge keeps {ports:?}");
    Ok(())
}

fn refused(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let mut linux = Linux::boot(stage, ctx)?;
    let domid = linux.domid;
    let device = LoopDevice::on(&disk_file(stage)?)?;
    let disk = disk(&device.path);
    block_on(ctx.attach(domid, &disk))?;
    linux.console.expect(&format!("devices: {VDEV} has {LINE}"))?;

    let before = ctx.devices::<Disk>(domid)?;
    let twice = block_on(ctx.attach(domid, &disk));
    is_told(&twice, "already exists in xenstore")?;
    ensure!(twice.err().and_then(|error| error.code()) == Some(DEVICE_EXISTS));
    let missing = block_on(ctx.attach(domid, &disk.clone().vdev("xvdc").pdev_path("/nonexistent.img")));
    is_told(&missing, "/nonexistent.img: No such file or directory")?;
    let after = ctx.devices::<Disk>(domid)?;
    ensure!(after == before, "{after:?} instead of {before:?}");

    let nic = block_on(ctx.attach(domid, &Nic::default().bridge("nonexistent")));
    is_told(&nic, "Could not find bridge device nonexistent")?;
    let left = ctx.devices::<Nic>(domid)?;
    ensure!(left.len() == 1, "libxl leaves what its script has refused: {left:?}");
    block_on(ctx.destroy_device(domid, &left[0]))?;
    let left = ctx.devices::<Nic>(domid)?;
    ensure!(left.is_empty(), "{left:?}");

    unanswered(stage, ctx, &mut linux, &before[0])?;
    block_on(ctx.attach(domid, &disk))?;
    linux.console.expect(&format!("devices: {VDEV} has {LINE}"))?;
    // Linux 5.10 keeps a disk that is open, until libxl forces it away; 6.1 lets it go.
    linux.tell("open", &format!("devices: {VDEV} is open"))?;
    block_on(ctx.detach(domid, &before[0]))?;
    let left = ctx.devices::<Disk>(domid)?;
    ensure!(left.is_empty(), "{left:?}");
    linux.tell("close", &format!("devices: {VDEV} is closed"))?;

    device.free()?;
    devices::expect_no_backends(domid)?;
    opened.expect_idle()?;
    linux.end(opened)
}

/// A domain that is paused does not release its disk: the safe removal gives up, the other one forces it away.
fn unanswered(stage: &Stage, ctx: &Ctx, linux: &mut Linux, disk: &Disk) -> anyhow::Result<()> {
    let domid = linux.domid;
    block_on(ctx.pause(domid))?;
    let safely = block_on(ctx.detach_disk_safely(domid, disk));
    if stage.library.release() < SAFE_SINCE {
        ensure!(matches!(safely, Err(Error::Unsupported { needs: SAFE_SINCE, .. })), "{safely:?}");
    } else {
        let code = safely.as_ref().err().and_then(Error::code);
        ensure!(code == Some(TIMED_OUT), "{safely:?}");
        is_told(&safely, "unable to remove device with path")?;
        let left = ctx.devices::<Disk>(domid)?;
        ensure!(left == [disk.clone()], "{left:?}");
    }
    block_on(ctx.detach(domid, disk))?;
    let left = ctx.devices::<Disk>(domid)?;
    ensure!(left.is_empty(), "{left:?}");
    block_on(ctx.unpause(domid))?;
    linux.console.expect(&format!("devices: {VDEV} is gone"))
}

/// It failed, with these words of libxl's, certainly about it.
pub(crate) fn is_told<T: std::fmt::Debug>(result: &Result<T, Error>, words: &str) -> anyhow::Result<()> {
    let lines = result.as_ref().err().map(Error::words).unwrap_or_default();
    ensure!(lines.iter().any(|line| line.text.contains(words) && line.certain), "no {words:?} in {result:?}");
    Ok(())
}
