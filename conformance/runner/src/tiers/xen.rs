//! The Xen that this machine runs on, which may be somebody's own and busy: only what was created here is touched.

use crate::tiers::devices;
use crate::tiers::program::run;
use anyhow::{Context, ensure};
use clap::ValueEnum;
use osevent_conformance::outcome::Skip;
use osevent_domains::{kernel, linux};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use xenlight::DomainConfig;

/// What Xen must have free for the cases, in KiB: a Linux domain, four small ones, and what Xen takes for itself.
const MEMORY: u64 = 192 << 10;

/// Its dom0: this machine.
pub(crate) struct Dom0 {
    /// For kernels, which libxl reads from files.
    folder: PathBuf,
    /// The kernel for Linux domains.
    linux: Option<PathBuf>,
    /// The type of the domains to create.
    pub(crate) kind: Type,
}

/// How a domain is virtualized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Type {
    /// Paravirtualized: the kernel calls Xen where it would need the processor's privileges.
    Pv,
    /// On the processor's virtualization, without a device model.
    Pvh,
    /// The same with firmware and with a device model, a process in dom0 that plays a machine's devices.
    Hvm,
}

impl Type {
    /// As libxl and the command line call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Pvh => "pvh",
            Self::Hvm => "hvm",
        }
    }

    /// Why there can be no such domain on the Xen of which `xl info` prints this.
    fn missing(self, info: &str) -> Option<String> {
        let value = |name: &str| {
            let values = info.lines().filter_map(|line| line.split_once(':'));
            values.filter(|(known, _)| known.trim() == name).map(|(_, value)| value.trim()).next().unwrap_or_default()
        };
        let release = (value("xen_major").parse().unwrap_or(0), value("xen_minor").parse().unwrap_or(0));
        let caps = value("virt_caps");
        let has = |cap| caps.split_whitespace().any(|word| word == cap);
        match self {
            Self::Pv => None,
            Self::Pvh if release < (4, 10) => Some(format!("Xen {}.{} has no PVH domains", release.0, release.1)),
            // Releases that do not name PV do not say which way of paging there is either.
            _ if has("hvm") && (has("hap") || has("shadow") || !has("pv")) => None,
            _ => Some(format!(
                "this Xen can create no {} domains here: `xl info` has virt_caps {caps:?}",
                self.name().to_uppercase()
            )),
        }
    }
}

/// Which types of domains are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Types {
    Pv,
    Pvh,
    Hvm,
    /// Each case on each type that it is for.
    All,
}

impl Types {
    pub(crate) fn has(self, kind: Type) -> bool {
        match self {
            Self::Pv => kind == Type::Pv,
            Self::Pvh => kind == Type::Pvh,
            Self::Hvm => kind == Type::Hvm,
            Self::All => true,
        }
    }
}

impl From<Type> for Types {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Pv => Self::Pv,
            Type::Pvh => Self::Pvh,
            Type::Hvm => Self::Hvm,
        }
    }
}

/// A domain to create.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// Sleeps for ever, without an operating system.
    Idle,
    /// Powers itself off as soon as it runs.
    Poweroff,
    /// Says on the console that it is up, answers requests to shut down, and can be saved. In a PV domain it is a Linux, else
    /// a kernel without a system.
    Answering,
}

/// Destroys what the case in that process has left behind, because it failed or was killed.
pub(crate) fn clean_up(process: u32) -> anyhow::Result<()> {
    let prefix = prefix(process);
    let table = xl(&["list"])?;
    let names = table.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| name.starts_with(&prefix)) {
        xl(&["destroy", name])?;
    }
    devices::clean_up(process, &prefix)
}

/// What must be there before any case can run, and what to do about it.
pub(crate) fn check() -> anyhow::Result<()> {
    // SAFETY: no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    ensure!(
        Path::new("/proc/xen/capabilities").exists()
            && std::fs::read_to_string("/proc/xen/capabilities").is_ok_and(|text| text.contains("control_d")),
        "this machine is no Xen dom0; `cargo xtask conformance --tier xen` brings one up in QEMU"
    );
    ensure!(root, "Xen's toolstack needs root: run it as root");
    Ok(())
}

/// Says what the cases will do to this machine, before they do it. `free` is Xen's free memory in KiB.
///
/// # Errors
/// That is not enough.
pub(crate) fn announce(free: u64, linux: Option<&Path>) -> anyhow::Result<()> {
    ensure!(
        free >= MEMORY,
        "Xen has {} MB of free memory, the cases need {} MB: make dom0 smaller (`xl mem-set 0 …`), or end a domain",
        free >> 10,
        MEMORY >> 10
    );
    let kernel = linux.map(Path::to_owned).or_else(own_linux);
    let kernel = kernel.map_or("none: their cases are skipped".into(), |kernel| kernel.display().to_string());
    eprintln!(
        "\
This creates PV, PVH and HVM domains in this Xen, with names that begin with osevent- and a process's number:
  without a system   4 MB each, 16 MB if HVM; at most 4 at a time; one case makes 50 after another
  Linux              128 MB, PV, one at a time; kernel: {kernel}
They have no network and no disk but one of 1 MB at most in a file, and are destroyed again, also when a case fails. No other domain is touched.
One has a disk on a loop device, and an interface on a bridge that has no other port but this; both are removed with it.
One shares a temporary directory, and has a screen at a port of this machine alone. A PCI device of QEMU's for tests and
a USB tablet of QEMU's are given away for a while, if this machine has them.
A saved domain of 128 MB and small files go to a folder in {}, which is removed.",
        std::env::temp_dir().display()
    );
    Ok(())
}

/// The kernel that dom0 itself runs, if it is where distributions put it.
pub(crate) fn own_linux() -> Option<PathBuf> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(Path::new("/boot").join(format!("vmlinuz-{}", release.trim()))).filter(|path| path.exists())
}

impl Dom0 {
    /// # Errors
    /// This machine is no dom0; or it can have no domains of type `kind`, which is a [`Skip`].
    pub(crate) fn start(folder: &Path, linux: Option<&Path>, kind: Type) -> anyhow::Result<Self> {
        check()?;
        if kind != Type::Pv
            && let Some(why) = kind.missing(&xl(&["info"])?)
        {
            return Err(Skip(why).into());
        }
        Ok(Self { folder: folder.to_owned(), linux: linux.map(Path::to_owned).or_else(own_linux), kind })
    }

    /// Runs xl in a process of its own; its output.
    pub(crate) fn xl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        xl(arguments)
    }

    /// Whether this Xen can send the case's domains while they run. For PV ones it notes what they write in shadow page tables, which
    /// not every Xen is built with.
    pub(crate) fn migrates_live(&self) -> anyhow::Result<bool> {
        let info = xl(&["info"])?;
        let caps = info.lines().find(|line| line.starts_with("virt_caps")).unwrap_or_default();
        Ok(self.kind != Type::Pv || caps.split_whitespace().any(|word| word == "shadow"))
    }

    /// The name for one of this case's domains: no other, of this run or an earlier one, has it.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", prefix(std::process::id()))
    }

    /// The configuration of a domain with that name.
    pub(crate) fn config(&self, image: Image, name: &str) -> anyhow::Result<DomainConfig> {
        self.config_of(image, name, None)
    }

    /// As `config`, with so much memory, in KiB.
    pub(crate) fn config_of(&self, image: Image, name: &str, memory_kib: Option<u64>) -> anyhow::Result<DomainConfig> {
        let is_linux = (self.kind, image) == (Type::Pv, Image::Answering);
        let memory_kib = memory_kib.unwrap_or(if is_linux { 128 << 10 } else { SMALL });
        let mut config = small(self.kind, name, &self.kernel(image)?, memory_kib);
        if is_linux {
            config["b_info"]["ramdisk"] = self.file("ramdisk", linux::ramdisk()?)?.into();
            config["b_info"]["cmdline"] = linux::COMMAND_LINE.into();
        }
        Ok(DomainConfig::from_json(&config.to_string())?)
    }

    /// The configuration of a Linux domain with that name and the drivers for devices, which says on its console which it has.
    pub(crate) fn config_with_drivers(&self, name: &str) -> anyhow::Result<DomainConfig> {
        let mut config: serde_json::Value = serde_json::from_str(&self.config(Image::Answering, name)?.to_json())?;
        config["b_info"]["ramdisk"] = self.file("ramdisk-with-drivers", devices::ramdisk()?)?.into();
        Ok(DomainConfig::from_json(&config.to_string())?)
    }

    /// The configuration of an HVM domain with that name. Its firmware finds nothing to boot; `disc` is in its drive.
    pub(crate) fn hvm_config(&self, name: &str, drive: &str, disc: &Path) -> anyhow::Result<DomainConfig> {
        Ok(DomainConfig::from_json(&Self::hvm(name, drive, disc).to_string())?)
    }

    /// As `hvm_config`, with a VNC server on this machine alone, at whichever port is free. It asks for no password: the device
    /// models of Debian cannot, and end.
    pub(crate) fn hvm_config_with_vnc(&self, name: &str, drive: &str, disc: &Path) -> anyhow::Result<DomainConfig> {
        let mut config = Self::hvm(name, drive, disc);
        config["b_info"]["type.hvm"]["vnc"] = json!({ "enable": "True", "listen": "127.0.0.1", "findunused": "True" });
        Ok(DomainConfig::from_json(&config.to_string())?)
    }

    /// The configuration of an HVM domain that starts what is on the disk, and writes to a serial port.
    pub(crate) fn hvm_config_with_disk(&self, name: &str, disk: &Path) -> anyhow::Result<DomainConfig> {
        let mut config = Self::hvm_with(
            name,
            json!({ "pdev_path": disk, "vdev": "hda", "backend": "qdisk", "format": "raw", "readwrite": 1 }),
        );
        config["b_info"]["type.hvm"]["boot"] = json!("c");
        config["b_info"]["type.hvm"]["serial"] = json!("pty");
        Ok(DomainConfig::from_json(&config.to_string())?)
    }

    fn hvm(name: &str, drive: &str, disc: &Path) -> serde_json::Value {
        Self::hvm_with(
            name,
            json!({ "pdev_path": disc, "vdev": drive, "backend": "qdisk", "format": "raw", "removable": 1, "is_cdrom": 1 }),
        )
    }

    fn hvm_with(name: &str, disk: serde_json::Value) -> serde_json::Value {
        json!({
            "c_info": { "type": "hvm", "name": name },
            "b_info": {
                "max_vcpus": 1, "max_memkb": 16 << 10, "target_memkb": 16 << 10, "device_model_version": "qemu_xen",
                "type.hvm": { "vga": { "kind": "none" }, "vnc": { "enable": "False" } },
            },
            "disks": [disk],
        })
    }

    /// Runs that command of xenstore's client in a process of its own; its output.
    pub(crate) fn store(&self, command: &str, arguments: &[&str]) -> anyhow::Result<String> {
        run(&format!("xenstore-{command}"), arguments)
    }

    /// Where its kernel is.
    pub(crate) fn kernel(&self, image: Image) -> anyhow::Result<String> {
        match image {
            Image::Idle => self.file("idle", kernel::idle()),
            Image::Poweroff => self.file("poweroff", kernel::poweroff()),
            Image::Answering if self.kind != Type::Pv => self.file("answering", kernel::answering()),
            Image::Answering => {
                let none = "no kernel for a Linux domain was found in /boot: name one with --linux";
                let path = self.linux.as_ref().ok_or_else(|| Skip(none.into()))?;
                Ok(path.to_str().context("the kernel's path is no UTF-8")?.to_owned())
            }
        }
    }

    /// What [`Image::Answering`] writes to its console once it answers.
    pub(crate) fn says_up(&self) -> &'static str {
        match self.kind {
            Type::Pv => linux::UP,
            Type::Pvh | Type::Hvm => osevent_domains::UP,
        }
    }

    fn file(&self, name: &str, content: Vec<u8>) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        // Another domain may be being built of it.
        if !path.exists() {
            let whole = self.folder.join(format!("{name}.{:?}", std::thread::current().id()));
            std::fs::write(&whole, content).with_context(|| format!("cannot write {}", whole.display()))?;
            std::fs::rename(whole, &path)?;
        }
        Ok(path.to_str().context("the temporary folder's path is no UTF-8")?.to_owned())
    }

    /// The state column of `xl list`, such as `-b----`.
    pub(crate) fn state(&self, name: &str) -> anyhow::Result<String> {
        let table = self.xl(&["list", name])?;
        let state = table.lines().nth(1).and_then(|line| line.split_whitespace().rev().nth(1));
        Ok(state.with_context(|| format!("xl list printed {table:?}"))?.to_owned())
    }
}

/// The memory of a domain without a system, in KiB.
pub(super) const SMALL: u64 = 4 << 10;

/// A domain with one virtual processor and no devices.
pub(super) fn small(kind: Type, name: &str, kernel: &str, memory_kib: u64) -> serde_json::Value {
    let kind = kind.name();
    json!({
        "c_info": { "type": kind, "name": name },
        "b_info": {
            "max_vcpus": 1, "max_memkb": memory_kib, "target_memkb": memory_kib,
            "kernel": kernel, format!("type.{kind}"): {},
        },
    })
}

fn prefix(process: u32) -> String {
    format!("osevent-{process}-")
}

fn xl(arguments: &[&str]) -> anyhow::Result<String> {
    run("xl", arguments)
}

#[cfg(test)]
mod tests {
    use super::Type;

    /// What `xl info` prints of it.
    fn info(major: u32, minor: u32, caps: &str) -> String {
        format!(
            "release                : 6.1.0\nxen_major              : {major}\nxen_minor              : {minor}\nvirt_caps              : {caps}\n"
        )
    }

    #[test]
    fn pvh_needs_a_processor_and_a_xen_that_can_do_it() {
        for (caps, can) in [
            ("pv hvm hap gnttab-v1 gnttab-v2", true),
            ("pv hvm shadow", true),
            ("hvm hvm_directio", true),
            ("pv hvm gnttab-v1", false),
            ("pv gnttab-v1", false),
            ("", false),
        ] {
            assert_eq!(Type::Pvh.missing(&info(4, 17, caps)).is_none(), can, "{caps}");
            assert_eq!(Type::Pv.missing(&info(4, 17, caps)), None);
        }
        let old = Type::Pvh.missing(&info(4, 9, "hvm")).unwrap();
        assert_eq!(old, "Xen 4.9 has no PVH domains");
        let plain = Type::Pvh.missing(&info(4, 17, "pv gnttab-v1")).unwrap();
        assert!(plain.contains("\"pv gnttab-v1\""), "{plain}");
    }
}
