//! What a case with disks and network interfaces has: loop devices and bridges in dom0, and a Linux that has the drivers.

use crate::eventually::eventually;
use crate::tiers::program::run;
use anyhow::{Context, bail, ensure};
use osevent_conformance::outcome::Skip;
use osevent_domains::Archive;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xenlight::DomainId;

/// What the domain writes to its console once devices can be attached to it.
pub(crate) const READY: &str = "devices: ready";

/// Its first program.
const INIT: &str = include_str!("devices.sh");

/// The drivers that it loads when it begins.
const DRIVERS: [&str; 2] = ["xen-blkfront", "xen-netfront"];
/// Those that it loads when it is to use a shared directory, or PCI devices. Only the cases for that are skipped without them.
const OF_SHARES: [&str; 2] = ["9p", "9pnet_xen"];
const OF_PCI: [&str; 1] = ["xen-pcifront"];

/// What dom0 must have, and why.
const NEEDED: [(&str, &str); 5] = [
    ("/sys/bus/xen-backend/drivers/vbd", "the kernel's backend of disks is not there: modprobe xen-blkback"),
    (
        "/sys/bus/xen-backend/drivers/vif",
        "the kernel's backend of network interfaces is not there: modprobe xen-netback",
    ),
    ("/etc/xen/scripts/block", "Xen's hotplug script for disks is not there"),
    ("/etc/xen/scripts/vif-bridge", "Xen's hotplug script for bridges is not there"),
    ("/dev/loop-control", "the kernel has no loop devices: modprobe loop"),
];

/// # Errors
/// A [`Skip`] with what is missing in this dom0 for cases with devices.
pub(crate) fn check() -> anyhow::Result<()> {
    match NEEDED.iter().find(|(path, _)| !Path::new(path).exists()) {
        Some((path, why)) => Err(Skip(format!("{why} ({path})")).into()),
        None => Ok(()),
    }
}

/// # Errors
/// A [`Skip`] if dom0 has no drivers for a Linux domain that uses a shared directory.
pub(crate) fn check_shares() -> anyhow::Result<()> {
    OF_SHARES.into_iter().try_for_each(|driver| modules(driver).map(drop))
}

/// # Errors
/// A [`Skip`] if dom0 has no driver for a Linux domain that uses PCI devices.
pub(crate) fn check_pci() -> anyhow::Result<()> {
    OF_PCI.into_iter().try_for_each(|driver| modules(driver).map(drop))
}

/// The ramdisk of a Linux domain that says which devices it has. Its kernel has to be dom0's, whose modules it loads.
///
/// # Errors
/// A [`Skip`] if dom0 has no files to make it of.
pub(crate) fn ramdisk() -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::new(Vec::new());
    for folder in ["bin", "dev", "proc", "share", "sys"] {
        archive.folder(folder)?;
    }
    archive.file("init", true, INIT.as_bytes())?;
    archive.file("bin/busybox", true, &busybox()?)?;
    let drivers = DRIVERS.map(modules).into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let some = |drivers: &[&str]| drivers.iter().flat_map(|driver| modules(driver).unwrap_or_default()).collect();
    let (of_shares, of_pci) = (some(&OF_SHARES), some(&OF_PCI));
    for (folder, drivers) in [("modules", drivers.concat()), ("modules-9p", of_shares), ("modules-pci", of_pci)] {
        archive.folder(folder)?;
        // Loaded in the order of their names; some need the same ones.
        let mut unique: Vec<PathBuf> = Vec::new();
        for path in drivers {
            if !unique.contains(&path) {
                unique.push(path);
            }
        }
        for (at, path) in unique.iter().enumerate() {
            archive.file(&format!("{folder}/{at:02}.ko"), false, &unpacked(path)?)?;
        }
    }
    Ok(archive.finish()?)
}

/// A busybox that needs no libraries.
fn busybox() -> anyhow::Result<Vec<u8>> {
    const LINKER: &[u8] = b"/ld-linux";
    let files = ["/bin/busybox", "/usr/bin/busybox"].iter().filter_map(|path| fs::read(path).ok());
    let is_static = |file: &Vec<u8>| !file.windows(LINKER.len()).take(4096).any(|window| window == LINKER);
    let none = || Skip("dom0 has no busybox without libraries (Debian: busybox-static)".into());
    Ok({ files }.find(is_static).ok_or_else(none)?)
}

/// The files of a driver and what it needs, in the order in which they are loaded; none if it is built in.
fn modules(driver: &str) -> anyhow::Result<Vec<PathBuf>> {
    let skip = |why: &str| Skip(format!("dom0 has no module {driver} for its kernel: {why}"));
    let output = Command::new("modprobe").args(["-D", driver]).output();
    let output = output.map_err(|error| skip(&format!("cannot run modprobe: {error}")))?;
    if !output.status.success() {
        return Err(skip(String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    let list = String::from_utf8(output.stdout).context("modprobe's list is not UTF-8")?;
    let files = list.lines().filter_map(|line| line.strip_prefix("insmod ")?.split_whitespace().next());
    Ok(files.map(PathBuf::from).collect())
}

/// A module as the kernel takes it.
fn unpacked(path: &Path) -> anyhow::Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    let output = Command::new(program).arg("-dc").arg(path).output();
    let output = output.map_err(|error| Skip(format!("cannot run {program}, to unpack a module: {error}")))?;
    ensure!(output.status.success(), "{program} cannot unpack {}", path.display());
    Ok(output.stdout)
}

/// A loop device on a file, for as long as this is there.
pub(crate) struct LoopDevice {
    /// Such as `/dev/loop0`.
    pub(crate) path: String,
}

impl LoopDevice {
    pub(crate) fn on(file: &Path) -> anyhow::Result<Self> {
        let name = file.to_str().context("the temporary folder's path is no UTF-8")?;
        run("losetup", &["-f", name])?;
        let mut devices = loop_devices(|backing| backing == name)?;
        let device = devices.pop().with_context(|| format!("losetup has made no loop device on {name}"))?;
        Ok(Self { path: device })
    }

    /// Takes it away, which shows that nothing has it open any more.
    pub(crate) fn free(self) -> anyhow::Result<()> {
        run("losetup", &["-d", &self.path])?;
        // The kernel waits for the last one that has it open.
        eventually("the loop device is free", || !backing_file(&self.path).exists())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if backing_file(&self.path).exists() {
            // Fails where it is gone meanwhile.
            let _ = run("losetup", &["-d", &self.path]);
        }
    }
}

/// Where the kernel tells what a loop device is on.
fn backing_file(device: &str) -> PathBuf {
    Path::new("/sys/block").join(device.trim_start_matches("/dev/")).join("loop/backing_file")
}

/// The loop devices on files whose path is as `wanted`.
fn loop_devices(wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let names = fs::read_dir("/sys/block")?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let devices = names.filter(|name| name.starts_with("loop")).map(|name| format!("/dev/{name}"));
    Ok(devices
        .filter(|device| fs::read_to_string(backing_file(device)).is_ok_and(|file| wanted(file.trim())))
        .collect())
}

/// A bridge of dom0's without an address, for as long as this is there.
pub(crate) struct Bridge {
    pub(crate) name: String,
}

impl Bridge {
    /// A new one; one at a time in a process.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let name = bridge_name(std::process::id());
        let made = run("ip", &["link", "add", "name", &name, "type", "bridge"]);
        made.map_err(|error| Skip(format!("dom0 can have no bridge: {error:#}")))?;
        let bridge = Self { name };
        run("ip", &["link", "set", &bridge.name, "up"])?;
        Ok(bridge)
    }

    /// The interfaces that are in it.
    pub(crate) fn ports(&self) -> anyhow::Result<Vec<String>> {
        let entries = fs::read_dir(Path::new("/sys/class/net").join(&self.name).join("brif"))?;
        Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Fails where somebody else has removed it.
        let _ = run("ip", &["link", "del", &self.name]);
    }
}

/// Within the 15 characters that the kernel allows.
fn bridge_name(process: u32) -> String {
    format!("osevent{process}")
}

/// Takes away what the case in that process has left behind, whose files have names that begin with `prefix`.
pub(super) fn clean_up(process: u32, prefix: &str) -> anyhow::Result<()> {
    let of_case = format!("/{prefix}");
    for device in loop_devices(|file| file.contains(&of_case))? {
        run("losetup", &["-d", &device])?;
    }
    let bridge = bridge_name(process);
    if Path::new("/sys/class/net").join(&bridge).exists() {
        run("ip", &["link", "del", &bridge])?;
    }
    Ok(())
}

/// The state that dom0's backend of a domain's device is in, of the kind as in its path in xenstore; `None` if there is no such backend.
pub(crate) fn backend_state(kind: &str, domid: DomainId, devid: u32) -> Option<i32> {
    let state = run("xenstore-read", &[&format!("/local/domain/0/backend/{kind}/{domid}/{devid}/state")]).ok()?;
    state.trim().parse().ok()
}

/// The kinds of devices that a domain has.
pub(crate) fn kinds(domid: DomainId) -> anyhow::Result<Vec<String>> {
    noted(domid, "device")
}

/// The numbers of its devices of that kind.
pub(crate) fn numbers(kind: &str, domid: DomainId) -> anyhow::Result<Vec<String>> {
    noted(domid, &format!("device/{kind}"))
}

/// What is there by libxl's own notes: QEMU can write once more into what was the place of its backend.
fn noted(domid: DomainId, place: &str) -> anyhow::Result<Vec<String>> {
    let list = run("xenstore-list", &[&format!("/libxl/{domid}/{place}")])?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Fails if a domain's backends are still in xenstore, or its interfaces in dom0.
pub(crate) fn expect_no_backends(domid: DomainId) -> anyhow::Result<()> {
    for kind in ["vbd", "vif"] {
        if let Ok(left) = run("xenstore-ls", &[&format!("/local/domain/0/backend/{kind}/{domid}")]) {
            bail!("a backend is left: {left}");
        }
    }
    let interface = format!("vif{domid}.");
    let names = fs::read_dir("/sys/class/net")?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let left: Vec<_> = names.filter(|name| name.starts_with(&interface)).collect();
    ensure!(left.is_empty(), "interfaces are left: {left:?}");
    Ok(())
}
