//! What dom0 needs for programs with windows: a screen in memory, a session bus and what screen readers use, as they are installed
//! on this machine.
//!
//! Of this machine and not of dom0's release: the programs are built here, with the libraries of here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::device_model::in_dom0;

/// The files for dom0: their paths there, and here.
pub(super) fn files() -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for program in PROGRAMS {
        let path = PathBuf::from(program);
        anyhow::ensure!(path.exists(), "there is no {program} for a desktop in dom0; `./x setup` installs it");
        files.push((in_dom0(program), path));
    }
    for path in DATA {
        list(Path::new(path), &mut files)?;
    }
    Ok(files)
}

const PROGRAMS: [&str; 5] = [
    "/usr/bin/Xvfb",
    "/usr/bin/xkbcomp",
    "/usr/bin/dbus-daemon",
    "/usr/libexec/at-spi-bus-launcher",
    "/usr/libexec/at-spi2-registryd",
];

/// Files and folders of data; a loader of icons comes with its own libraries, as programs do.
const DATA: [&str; 13] = [
    "/etc/fonts",
    "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0",
    "/usr/share/X11/xkb",
    "/usr/share/dbus-1/accessibility-services",
    "/usr/share/dbus-1/services/org.a11y.Bus.service",
    "/usr/share/dbus-1/session.conf",
    "/usr/share/defaults/at-spi2",
    "/usr/share/fontconfig",
    "/usr/share/fonts/truetype/dejavu",
    "/usr/share/glib-2.0/schemas/gschemas.compiled",
    "/usr/share/icons/Adwaita/index.theme",
    "/usr/share/icons/Adwaita/scalable",
    "/usr/share/mime/mime.cache",
];

/// A bus wants to know who its user is.
pub(super) const USERS: &str = "root::0:0:root:/tmp:/bin/sh\n";

/// Adds the file, or all files below the folder. What a link leads to is copied.
fn list(path: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    if !path.is_dir() {
        files.push((path.display().to_string(), path.to_owned()));
        return Ok(());
    }
    let entries = path.read_dir().with_context(|| format!("there is no {} for a desktop in dom0", path.display()))?;
    entries.map(|entry| Ok(entry?.path())).try_for_each(|path: Result<_>| list(&path?, files))
}
