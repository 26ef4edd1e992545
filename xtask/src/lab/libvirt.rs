//! libvirtd with its driver for libxl, for dom0: what osevent is measured beside.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use osevent_domains::Archive;

use super::{desktop, image::Image, libraries};
use crate::debian::{Debian, Release};

/// Its packages, unpacked.
pub(crate) struct Libvirt {
    root: PathBuf,
}

impl Libvirt {
    /// Finds that of `release` below `target`; downloads and unpacks it if it is not there.
    pub(crate) fn ready(target: &Path, release: Release) -> Result<Libvirt> {
        let root = Debian::open(target, release)?.unpacked("libvirt", &["libvirt-daemon-driver-xen"], &FOLLOWED);
        Ok(Libvirt { root: root.context("no libvirt for dom0")? })
    }

    /// Writes the archive, which is laid over dom0's first file system.
    pub(crate) fn write_to(&self, image: &Image, out: impl Write) -> Result<()> {
        let driver = libraries::find(&self.root, DRIVER).context("the packages hold no driver for libxl")?;
        let folder = driver.parent().and_then(|folder| folder.strip_prefix(&self.root).ok()).context("no folder")?;
        let daemon = self.root.join(DAEMON);
        let mut archive = Archive::new(out);
        for folder in folder.ancestors().collect::<Vec<_>>().into_iter().rev().skip(1) {
            archive.folder(folder.to_str().context("a path of the packages' is not UTF-8")?)?;
        }
        for folder in FOLDERS {
            archive.folder(folder)?;
        }
        for (name, path) in
            [&daemon, &driver].map(|file| libraries::of_unpacked(&self.root, file)).into_iter().flatten().flatten()
        {
            if !image.contents.contains(&format!("lib/{name}")) {
                let path = path.with_context(|| format!("the packages hold no {name}"))?;
                archive.file(&format!("lib/{name}"), true, &read(&path)?)?;
            }
        }
        for (file, content) in [("index.xml", CPUS), ("x86_lab.xml", CPU)] {
            archive.file(&format!("{CPU_MAP}/{file}"), false, content.as_bytes())?;
        }
        for file in ["x86_vendors.xml", "x86_features.xml"] {
            archive.file(&format!("{CPU_MAP}/{file}"), false, &read(&self.root.join(CPU_MAP).join(file))?)?;
        }
        archive.file("bin/libvirtd", true, &read(&daemon)?)?;
        archive.file(&driver.strip_prefix(&self.root)?.display().to_string(), true, &read(&driver)?)?;
        archive.file("etc/libvirt/libvirtd.conf", false, CONFIGURATION.as_bytes())?;
        archive.file("etc/passwd", false, desktop::USERS.as_bytes())?;
        archive.file("etc/group", false, GROUPS.as_bytes())?;
        archive.finish()?.flush()?;
        Ok(())
    }
}

/// What is taken of all that the package depends on.
const FOLLOWED: [&str; 2] = ["lib", "zlib"];
const DAEMON: &str = "usr/sbin/libvirtd";
const DRIVER: &str = "libvirt/connection-driver/libvirt_driver_libxl.so";
/// Which processors there are. The driver does not start on one that it cannot name, as the machine's.
const CPU_MAP: &str = "usr/share/libvirt/cpu_map";
const CPUS: &str = "<cpus><arch name='x86'><include filename='x86_vendors.xml'/><include filename='x86_features.xml'/>\
                    <include filename='x86_lab.xml'/></arch></cpus>";
const CPU: &str = "<cpus><model name='lab'><decode host='on' guest='on'/><feature name='lm'/></model></cpus>";
const FOLDERS: [&str; 7] =
    ["etc/libvirt", "usr/share", "usr/share/libvirt", CPU_MAP, "var", "var/log", "var/log/libvirt"];
/// There is no polkit in dom0, and nobody but root.
const CONFIGURATION: &str = "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n";
const GROUPS: &str = "root:x:0:\nlibvirt:x:100:\n";

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
