//! libvirtd with its driver for libxl, for dom0: what osevent is measured beside.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use osevent_domains::Archive;

use super::device_model::read;
use super::image::Image;
use super::{desktop, libraries};
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
        let files = [("bin/libvirtd", self.root.join(DAEMON)), (DRIVER, self.root.join(DRIVER))];
        let mut needed = BTreeMap::new();
        for (_, path) in &files {
            needed.extend(libraries::of_unpacked(&self.root, path)?);
        }
        let mut archive = Archive::new(out);
        for folder in FOLDERS {
            archive.folder(folder)?;
        }
        for (name, path) in needed {
            if !image.contents.contains(&format!("lib/{name}")) {
                let path = path.with_context(|| format!("the packages hold no {name}"))?;
                archive.file(&format!("lib/{name}"), true, &read(&path)?)?;
            }
        }
        for (to, path) in &files {
            archive.file(to, true, &read(path)?)?;
        }
        for (file, content) in [("index.xml", CPUS), ("x86_lab.xml", CPU)] {
            archive.file(&format!("{CPU_MAP}/{file}"), false, content.as_bytes())?;
        }
        for file in ["x86_vendors.xml", "x86_features.xml"] {
            archive.file(&format!("{CPU_MAP}/{file}"), false, &read(&self.root.join(CPU_MAP).join(file))?)?;
        }
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
const DRIVER: &str = "usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so";
/// Which processors there are. The driver does not start on one that it cannot name, as the machine's.
const CPU_MAP: &str = "usr/share/libvirt/cpu_map";
const CPUS: &str = "<cpus><arch name='x86'><include filename='x86_vendors.xml'/><include filename='x86_features.xml'/>\
                    <include filename='x86_lab.xml'/></arch></cpus>";
const CPU: &str = "<cpus><model name='lab'><decode host='on' guest='on'/><feature name='lm'/></model></cpus>";
const FOLDERS: [&str; 10] = [
    "etc/libvirt",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/libvirt",
    "usr/lib/x86_64-linux-gnu/libvirt/connection-driver",
    "usr/share",
    "usr/share/libvirt",
    CPU_MAP,
    "var",
    "var/log",
    "var/log/libvirt",
];
/// There is no polkit in dom0, and nobody but root.
const CONFIGURATION: &str = "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n";
const GROUPS: &str = "root:x:0:\nlibvirt:x:100:\n";
