//! What dom0 needs for HVM domains: QEMU as their device model, and the firmware that they start with.
//!
//! An archive of its own, since it is three times as large as the rest of dom0 and few runs want it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use osevent_domains::Archive;

use super::libraries;
use crate::debian::{Debian, Release};

/// Its packages, unpacked.
pub(crate) struct DeviceModel {
    root: PathBuf,
}

impl DeviceModel {
    /// Finds that of `release` below `target`; downloads and unpacks it if it is not there.
    pub(crate) fn ready(target: &Path, release: Release) -> Result<DeviceModel> {
        let debian = Debian::open(target, release)?;
        let root = debian.unpacked("device-model", &[package(release), "seabios", "xen-system-amd64"], &FOLLOWED);
        Ok(DeviceModel { root: root.context("no device model for HVM domains")? })
    }

    /// Writes the archive, which is laid over dom0's first file system.
    pub(crate) fn write_to(&self, out: impl Write) -> Result<()> {
        let libxl = self.libxl()?;
        let [program, firmware] = [PROGRAM, FIRMWARE].map(|ending| path_in(&libxl, ending));
        let program = program.context("libxl names no device model")?;
        let firmware = firmware.context("libxl names no SeaBIOS")?;
        let unpacked = self.root.join(program.trim_start_matches('/'));

        let mut archive = Archive::new(out);
        for folder in FOLDERS {
            archive.folder(folder)?;
        }
        // Libraries of its own: the program that the lab runs may bring others by the same names.
        for (name, path) in libraries::of_unpacked(&self.root, &unpacked)? {
            let path = path.with_context(|| format!("the packages hold no {name}"))?;
            if !libraries::C_LIBRARY.contains(&&*name) {
                archive.file(&format!("{LIBRARIES}/{name}"), true, &read(&path)?)?;
            }
        }
        archive.file(REAL, true, &read(&unpacked)?)?;
        archive.file(&in_dom0(&program), true, start().as_bytes())?;
        archive.file(&firmware, false, &read(&self.root.join(firmware.trim_start_matches('/')))?)?;
        // QEMU does not start without, although nobody types.
        for map in fs::read_dir(self.root.join(KEYMAPS)).context("the packages hold no keymaps")?.flatten() {
            let name = map.file_name();
            archive.file(&format!("{KEYMAPS}/{}", name.to_string_lossy()), false, &read(&map.path())?)?;
        }
        let tools = fs::read_dir(self.root.join("usr/lib"))?.flatten().map(|entry| entry.path().join("boot"));
        let boot =
            tools.into_iter().find(|boot| boot.join(LOADER).exists()).context("the packages hold no hvmloader")?;
        let to = boot.strip_prefix(&self.root)?.to_str().context("a path of the packages' is not UTF-8")?;
        archive.folder(to)?;
        archive.file(&format!("{to}/{LOADER}"), false, &read(&boot.join(LOADER))?)?;
        archive.finish()?.flush()?;
        Ok(())
    }

    /// libxl itself, which knows the paths.
    fn libxl(&self) -> Result<Vec<u8>> {
        let folders = libraries::folders(&self.root);
        let files = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
        let libxl = files
            .map(|entry| entry.path())
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libxenlight.so.")));
        read(&libxl.context("the packages hold no libxenlight")?)
    }
}

/// What is taken of all that the packages depend on.
const FOLLOWED: [&str; 4] = ["lib", "zlib", "qemu-system-data", "xen-utils-4"];
const PROGRAM: &str = "qemu-system-i386";
const FIRMWARE: &str = "/bios-256k.bin";
const LOADER: &str = "hvmloader";
const LIBRARIES: &str = "lib/device-model";
const REAL: &str = "lib/device-model/qemu";
const KEYMAPS: &str = "usr/share/qemu/keymaps";
const FOLDERS: [&str; 6] = [LIBRARIES, "usr/libexec", "usr/share", "usr/share/seabios", "usr/share/qemu", KEYMAPS];

/// The package that has QEMU for Xen.
fn package(release: Release) -> &'static str {
    match release {
        Release::Bullseye => "qemu-system-x86",
        Release::Bookworm | Release::Trixie => "qemu-system-xen",
    }
}

/// Where libxl's path leads in dom0, whose commands all lie in one folder; a file does not go through a link.
pub(super) fn in_dom0(path: &str) -> String {
    path.replace("/usr/bin/", "/bin/")
}

/// What libxl starts: QEMU with its own libraries, and with the C library of all. It would look for its data beside the linker.
fn start() -> String {
    let linker = libraries::LINKER;
    format!("#!/bin/sh\nexec /lib/{linker} --library-path /{LIBRARIES}:/lib /{REAL} -L /usr/share/qemu \"$@\"\n")
}

/// The first path in `file`'s strings that ends so.
fn path_in(file: &[u8], ending: &str) -> Option<String> {
    let strings = file.split(|byte| *byte == 0).filter_map(|string| str::from_utf8(string).ok());
    strings.filter(|string| string.starts_with('/') && string.ends_with(ending)).map(str::to_owned).next()
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_read_out_of_the_librarys_strings() {
        let library =
            b"\x7fELF\0qemu-system-i386\0/usr/libexec/xen-qemu-system-i386\0/usr/share/seabios/bios-256k.bin\0";
        assert_eq!(path_in(library, PROGRAM).as_deref(), Some("/usr/libexec/xen-qemu-system-i386"));
        assert_eq!(path_in(library, FIRMWARE).as_deref(), Some("/usr/share/seabios/bios-256k.bin"));
        assert_eq!(path_in(library, "/ovmf.bin"), None);
        assert_eq!(in_dom0("/usr/bin/qemu-system-i386"), "/bin/qemu-system-i386");
    }
}
