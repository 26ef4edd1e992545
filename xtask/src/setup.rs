//! `setup`: installs the system packages that the workspace builds, tests and runs with.

use std::process::Command;

use anyhow::{Context, Result, bail};

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

/// Parts of the Rust toolchain, by the command of cargo that each is for: rustup's minimal profile leaves them out.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Installs what is missing: packages as root or through sudo, parts of the toolchain through rustup.
///
/// # Errors
/// Where that is not possible, with what to do instead.
pub(crate) fn run() -> Result<()> {
    packages()?;
    for (command, component) in COMPONENTS {
        let there = Command::new("cargo").args([command, "--version"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            println!("setup: installing {component}");
            let added = Command::new("rustup").args(["component", "add", component]).status();
            if !added.is_ok_and(|status| status.success()) {
                bail!("cargo {command} is missing, and rustup component add {component} failed");
            }
        }
    }
    Ok(())
}

fn packages() -> Result<()> {
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
            println!("setup: {package} is missing ({why})");
        }
    }
    println!("setup: installing what is missing");
    apt::install(&missing).with_context(|| {
        let list = missing.join(" ");
        format!(
            "set-up is not complete. By hand, as root: apt-get update && apt-get install --no-install-recommends {list}"
        )
    })
}
