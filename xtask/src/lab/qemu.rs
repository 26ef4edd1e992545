//! QEMU as the lab runs it: Debian's, unpacked with all its libraries and firmware, whatever the host has.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::libraries;
use crate::debian::{Debian, Release};

/// Whose QEMU it is. In 7.2, Debian 12's, dom0's kernel could stand still while it changed its own code on one processor and ran it
/// on the other ("sched_clock: Marking stable" is followed by such a change). A dom0 that did nothing else stood still
/// after 6,800 changes there; 10.0 did 20,000 and went on.
const RELEASE: Release = Release::Trixie;
/// QEMU, its modules, the firmware of the machine and that of its devices; and the libraries that they depend on.
const PACKAGES: [&str; 5] = ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "ipxe-qemu"];
const LIBRARIES: [&str; 2] = ["lib", "zlib"];

/// Where it lies.
pub(crate) struct Qemu {
    root: PathBuf,
    linker: PathBuf,
}

impl Qemu {
    /// Finds it below `target`; downloads and unpacks it if it is not there.
    pub(crate) fn ready(target: &Path) -> Result<Qemu> {
        let debian = Debian::open(target, RELEASE).context("the lab needs QEMU")?;
        let root = debian.unpacked("qemu", &PACKAGES, &LIBRARIES).context("the lab needs QEMU")?;
        let linker = libraries::find(&root, libraries::LINKER).context("QEMU's packages hold no dynamic linker")?;
        Ok(Qemu { root, linker })
    }

    /// What runs it: its own dynamic linker, as the host's can be of another release than its libraries.
    pub(crate) fn command(&self, wrapper: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(wrapper);
        command.args(arguments).arg(&self.linker).arg("--library-path").arg(libraries::path(&self.root));
        command.arg(self.root.join("usr/bin/qemu-system-x86_64"));
        command.env("QEMU_MODULE_DIR", self.root.join("usr/lib/x86_64-linux-gnu/qemu"));
        for firmware in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            command.arg("-L").arg(self.root.join(firmware));
        }
        command
    }
}
