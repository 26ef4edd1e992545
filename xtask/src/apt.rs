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
fn update() -> Result<()> {
    run(apt_get()?.arg("update")).context("apt-get update failed")
}

/// Installs `packages`, which are missing, without those that they merely recommend, and never by removing others. What is
/// installed is upgraded only where one of `packages` depends on a newer version.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !has_lists(Path::new("/var/lib/apt/lists")) {
        update()?;
    }
    let install = || {
        let options = ["install", "-y", "--no-install-recommends", "--no-remove"];
        run(apt_get()?.args(options).args(packages))
    };
    // Old lists name files that the mirror no longer has.
    install().or_else(|_| update().and_then(|()| install())).with_context(|| match in_the_way(packages) {
        Ok(others) if !others.is_empty() => {
            let others = others.join(" ");
            format!(
                "apt would have to remove {others}, and nothing is removed here. Should it go, remove it by hand: apt-get \
                 remove {others}; or else install {} in versions that go with it",
                packages.join(" ")
            )
        }
        _ => "apt-get install failed".into(),
    })
}

/// Whether this system has the package, installed or not.
///
/// # Errors
/// Lists of packages were never fetched, and cannot be.
pub(crate) fn offers(package: &str) -> Result<bool> {
    if !has_lists(Path::new("/var/lib/apt/lists")) {
        update()
            .context("what can be installed is not known yet. By hand, as root: apt-get update; then run this again")?;
    }
    let shown = Command::new("apt-cache").args(["show", package]).stdin(Stdio::null()).output();
    Ok(shown.context("cannot run apt-cache")?.status.success())
}

/// The packages that apt would remove if it were let to.
fn in_the_way(packages: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("apt-get");
    command.args(["install", "--simulate", "--no-install-recommends"]).args(packages).env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).output()?;
    Ok(removals(&String::from_utf8_lossy(&output.stdout)))
}

/// Of what `apt-get install --simulate` says, `Remv NAME [VERSION] …`, the names.
fn removals(words: &str) -> Vec<String> {
    let removals = words.lines().filter_map(|line| line.strip_prefix("Remv "));
    removals.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Those of `packages` that are not installed, be it for one architecture of several or never to be upgraded.
pub(crate) fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let installed = |package: &&&str| {
        let query = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}\n", package]).output();
        query.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|status| status == "installed"))
    };
    packages.iter().filter(|p| !installed(p)).copied().collect()
}

/// Whether lists of packages have ever been fetched into that folder.
pub(crate) fn has_lists(folder: &Path) -> bool {
    folder
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_in_the_way_is_told() {
        let words = "The following packages will be REMOVED:\n  qemu-utils\nRemv qemu-utils [1:10.0.2+ds-2] [a:amd64 ]\n\
                     Inst libibverbs1 (44.0-2 Debian:12/stable [amd64])\nRemv other:i386 [1]\n";
        assert_eq!(removals(words), ["qemu-utils", "other:i386"]);
        assert_eq!(removals("Inst a (1)\n"), Vec::<String>::new());
    }
}
