//! `setup`: installs the system packages that the workspace builds, tests and runs with.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;

/// A package of Debian's, and what it is for.
type Package = (&'static str, &'static str);

/// What the suite and the examples are built and run with.
const BUILDING: [Package; 8] = [
    ("gcc", "links Rust programs, compiles the layout tests and the examples in C"),
    ("libc6-dev", "what gcc links with"),
    ("make", "links and installs the library for C programs"),
    ("pkg-config", "finds GLib, and what programs in C link with"),
    ("libglib2.0-dev", "the GLib adapter"),
    ("libxen-dev", "libxl, and its headers for the layout tests and the examples in C"),
    ("libuv1-dev", "an example in C"),
    ("libsystemd-dev", "another: sd-event"),
];

/// What the tests read reports and manuals with and count with, and what only examples need.
const TESTING: [Package; 10] = [
    ("chromium", "reads the page of results"),
    ("libxml2-utils", "holds JUnit XML against its schema"),
    ("perl", "reads TAP"),
    ("mandoc", "reads the manual of the library for C programs"),
    ("valac", "compiles an example in Vala"),
    ("libvirt-dev", "an example in C"),
    ("valgrind", "counts the instructions of the core"),
    ("dbus", "the bus on which the service is tested"),
    ("sway", "the compositor in which the bar is tested"),
    ("grim", "what the bar looks like there"),
];

/// What packages of Debian are built, checked and tried with.
const PACKAGING: [Package; 3] = [
    ("debhelper", "builds packages of the programs"),
    ("lintian", "finds what is wrong with them"),
    ("mmdebstrap", "makes a clean system to try them on"),
];

/// What the programs with windows are built, run and tested with. Debian has all of it from 12 on.
const WINDOWS: [Package; 9] = [
    ("libgtk-4-dev", "windows"),
    ("libadwaita-1-dev", "GNOME's looks"),
    ("libvte-2.91-gtk4-dev", "a terminal in a window"),
    ("adwaita-icon-theme", "icons"),
    ("gettext", "their translations"),
    ("desktop-file-utils", "checks their entries in menus"),
    ("appstream", "checks what software centres show of them"),
    ("xvfb", "a screen in memory, for the tests of windows"),
    ("at-spi2-core", "lets them use a window as a screen reader does, on a session bus"),
];

/// The packages of the workspace that need them.
pub(crate) const WITH_WINDOWS: [&str; 1] = ["osevent-manager"];

/// Debian has it from 12 on. Where it is missing, the tests of the fleet are ignored, with this reason.
const NATS: Package = ("nats-server", "the server over which hosts are tested together");

/// Parts of the Rust toolchain, by the command of cargo that each is for: rustup's minimal profile leaves them out.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Installs what is missing: packages as root or through sudo, parts of the toolchain through rustup.
///
/// # Errors
/// Where that is not possible, with what to do instead.
pub(crate) fn run() -> Result<()> {
    let mut packages = [&BUILDING[..], &TESTING, &PACKAGING].concat();
    match apt::available().then(lacking_for_windows).transpose()?.flatten() {
        Some(lacking) => println!("setup: {lacking}: programs with windows cannot be built"),
        None => packages.extend(WINDOWS),
    }
    if apt::available() && apt::offers(NATS.0)? {
        packages.push(NATS);
    }
    if !apt::available() {
        let list = packages.iter().map(|(package, why)| format!("  {package}: {why}")).collect::<Vec<_>>().join("\n");
        bail!("no apt-get here. Install by hand what these packages of Debian hold, then go on:\n{list}");
    }
    if !install(&packages)? {
        println!("setup: all system packages are there");
    }
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

/// Installs what the suite and the examples need to build, where there is apt; elsewhere the build says what is missing.
///
/// # Errors
/// Something is missing and cannot be installed, with what to do instead.
pub(crate) fn for_building() -> Result<()> {
    if apt::available() {
        install(&BUILDING)?;
    }
    Ok(())
}

/// Installs what programs with windows are built, run and tested with. If this system is too old for them, returns what it lacks.
///
/// # Errors
/// The same as for [`for_building`].
pub(crate) fn for_windows() -> Result<Option<String>> {
    if apt::available() {
        if let Some(lacking) = lacking_for_windows()? {
            return Ok(Some(lacking));
        }
        install(&[&BUILDING[..], &WINDOWS].concat())?;
    }
    let libraries = ["gtk4 >= 4.8", "libadwaita-1 >= 1.2", "vte-2.91-gtk4"];
    let found = |library: &&str| Command::new("pkg-config").args(["--exists", library]).status();
    let lacking = libraries.iter().find(|library| !found(library).is_ok_and(|status| status.success()));
    Ok(lacking.map(|library| format!("pkg-config finds no {library}")))
}

/// Installs what packages of Debian are made and tried with, of programs with windows, too; returns what is lacking here.
///
/// # Errors
/// The same as for [`for_building`].
pub(crate) fn for_packaging() -> Result<Option<String>> {
    if !apt::available() {
        return Ok(Some(
            "there is no apt-get here: packages are built on Debian 12 or later, or a similar system".into(),
        ));
    }
    if let Some(lacking) = for_windows()? {
        return Ok(Some(format!("{lacking}: packages are built on Debian 12 or later, or a similar system")));
    }
    install(&PACKAGING)?;
    Ok(None)
}

/// What a failed build says besides: whoever knows no package of these names needs the list.
pub(crate) fn hint() -> &'static str {
    if apt::available() {
        ""
    } else {
        ". There is no apt-get here, so nothing was installed for it: ./x setup lists what is needed"
    }
}

/// What apt does not have of what programs with windows need.
fn lacking_for_windows() -> Result<Option<String>> {
    // Apt takes a second for each that it is asked for.
    for package in apt::missing(&WINDOWS.map(|(package, _)| package)) {
        if !apt::offers(package)? {
            return Ok(Some(format!("this system has no {package}")));
        }
    }
    Ok(None)
}

/// Installs those that are missing; false if none is. Its words go to stderr: stdout may be a program's.
fn install(packages: &[Package]) -> Result<bool> {
    let names: Vec<_> = packages.iter().map(|(package, _)| *package).collect();
    let missing = apt::missing(&names);
    if missing.is_empty() {
        return Ok(false);
    }
    for (package, why) in packages.iter().filter(|(package, _)| missing.contains(package)) {
        eprintln!("setup: {package} is missing ({why})");
    }
    eprintln!("setup: installing what is missing");
    apt::install(&missing).with_context(|| {
        let list = missing.join(" ");
        format!(
            "set-up is not complete. If something could not be fetched, is there a network? Then run this again; or by hand, as root: \
             apt-get update && apt-get install --no-install-recommends {list}"
        )
    })?;
    Ok(true)
}
