//! Debian's package tools, run as root where that is needed and possible.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Whether this machine has apt.
pub(crate) fn available() -> bool {
    which::which("apt-get").is_ok() && which::which("dpkg-deb").is_ok()
}

/// Fetches the lists of packages.
pub(crate) fn update() -> Result<()> {
    run(apt_get()?.arg("update")).context("apt-get update failed")
}

/// Installs `packages` without those that they merely recommend, and never by removing others.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !has_lists() {
        update()?;
    }
    let install = || {
        let options = ["install", "-y", "--no-install-recommends", "--no-remove"];
        run(apt_get()?.args(options).args(packages))
    };
    // Old lists name files that the mirror no longer has.
    install()
        .or_else(|_| update().and_then(|()| install()))
        .with_context(|| format!("apt-get install {} failed", packages.join(" ")))
}

/// Those of `packages` that are not installed.
pub(crate) fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let installed = |package: &&&str| {
        let query = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]).output();
        query.is_ok_and(|output| output.stdout == b"install ok installed")
    };
    packages.iter().filter(|p| !installed(p)).copied().collect()
}

/// Whether the lists of packages have ever been fetched.
pub(crate) fn has_lists() -> bool {
    Path::new("/var/lib/apt/lists")
        .read_dir()
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages")))
}

/// Root, or a sudo that will not wait for a password when nobody is there to give it.
fn apt_get() -> Result<Command> {
    let mut command;
    // SAFETY: geteuid takes nothing, always succeeds and changes nothing.
    if unsafe { libc::geteuid() } == 0 {
        command = Command::new("apt-get");
    } else if which::which("sudo").is_ok() {
        command = Command::new("sudo");
        if !io::stdin().is_terminal() {
            command.arg("-n");
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    } else {
        bail!("you are not root, and there is no sudo");
    }
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["-q", "-o", "DPkg::Lock::Timeout=600"]);
    Ok(command)
}

/// Runs `command` with its words on our stderr: our stdout may belong to somebody's program.
fn run(command: &mut Command) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    match child.wait()? {
        status if status.success() => Ok(()),
        status => bail!("{status}"),
    }
}
