//! `setup`: installs the system packages that the workspace builds, tests and runs with.

use anyhow::{Result, bail};

use crate::apt;

/// Debian's packages, and what each is for.
const PACKAGES: [(&str, &str); 6] = [
    ("gcc", "links Rust programs, compiles the layout tests"),
    ("libc6-dev", "what gcc links with"),
    ("pkg-config", "finds GLib"),
    ("libglib2.0-dev", "the GLib adapter"),
    ("libxen-dev", "libxl, and its headers for the layout tests"),
    (QEMU, "the lab: a real Xen in an emulated machine"),
];

/// The package with QEMU for the lab.
pub(crate) const QEMU: &str = "qemu-system-x86";

/// Installs what is missing, as root or through sudo.
///
/// # Errors
/// Where that is not possible, with what to do instead.
pub(crate) fn run() -> Result<()> {
    if !apt::available() {
        let list = PACKAGES.map(|(package, why)| format!("  {package}: {why}"));
        let list = list.join("\n");
        bail!("no apt-get here. Install by hand what these packages of Debian hold, then go on:\n{list}");
    }
    let missing = apt::missing(&PACKAGES.map(|(package, _)| package));
    if missing.is_empty() {
        println!("setup: all system packages are there");
        return Ok(());
    }
    for (package, why) in PACKAGES {
        if missing.contains(&package) {
            println!("setup: installing {package} ({why})");
        }
    }
    apt::install(&missing).map_err(|error| {
        let list = missing.join(" ");
        error.context(format!(
            "set-up is not complete. To do by hand, as root: apt-get update && \
             apt-get install --no-install-recommends {list}"
        ))
    })
}
