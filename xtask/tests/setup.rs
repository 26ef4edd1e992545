//! `setup` asks apt for what is missing, and for nothing else.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What setup wants, and one that is not there.
const WANTED: [&str; 31] = [
    "gcc",
    "libc6-dev",
    "make",
    "pkg-config",
    "libglib2.0-dev",
    "libxen-dev",
    "libuv1-dev",
    "libsystemd-dev",
    "chromium",
    "libxml2-utils",
    "perl",
    "mandoc",
    "valac",
    "libvirt-dev",
    "valgrind",
    "dbus",
    "sway",
    "grim",
    "debhelper",
    "lintian",
    "mmdebstrap",
    "nats-server",
    "libgtk-4-dev",
    "libadwaita-1-dev",
    "libvte-2.91-gtk4-dev",
    "adwaita-icon-theme",
    "gettext",
    "desktop-file-utils",
    "appstream",
    "xvfb",
    "at-spi2-core",
];

/// The first of those that older systems do not have.
const FIRST_FOR_WINDOWS: usize = 22;

/// A machine with its own list of packages and an apt-get that only writes down how it was called.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str, packages: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        for inside in ["bin", "dpkg/info", "dpkg/updates"] {
            fs::create_dir_all(folder.join(inside)).unwrap();
        }
        fs::write(folder.join("dpkg/status"), packages).unwrap();
        let machine = Self(folder);
        machine.program("apt-get", &format!("echo \"$*\" >>'{}'", machine.calls().display()));
        machine.program("apt-cache", "true");
        // An ordinary user's way to it.
        machine.program("sudo", "while [ \"$1\" != apt-get ]; do shift; done\nexec \"$@\"");
        machine
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.0.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn calls(&self) -> PathBuf {
        self.0.join("calls")
    }

    fn setup(&self) -> Output {
        let paths = env::var_os("PATH").unwrap_or_default();
        let paths = env::join_paths([self.0.join("bin")].into_iter().chain(env::split_paths(&paths))).unwrap();
        let mut setup = Command::new(env!("CARGO_BIN_EXE_xtask"));
        setup.arg("setup").env("PATH", paths).env("DPKG_ADMINDIR", self.0.join("dpkg"));
        let output = setup.output().expect("xtask starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// How apt-get was called for something else than its lists.
    fn installed(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.calls()).unwrap_or_default();
        calls.lines().filter(|call| !call.ends_with(" update")).map(str::to_owned).collect()
    }
}

fn package(name: &str, architecture: &str, status: &str) -> String {
    format!(
        "Package: {name}\nStatus: {status}\nMaintainer: nobody\nArchitecture: {architecture}\nMulti-Arch: same\nVersion: 1\n\
         Description: one\n\n"
    )
}

fn is_dpkg_here() -> bool {
    let here = Path::new("/usr/bin/dpkg-query").exists();
    if !here {
        println!("SKIPPED: no dpkg");
    }
    here
}

#[test]
fn where_all_is_installed_apt_is_not_run() {
    if !is_dpkg_here() {
        return;
    }
    let mut packages: String = WANTED[2..].iter().map(|name| package(name, "amd64", "install ok installed")).collect();
    // One that is to stay as it is, and one for two architectures.
    packages += &package("gcc", "amd64", "hold ok installed");
    packages += &package("libc6-dev", "amd64", "install ok installed");
    packages += &package("libc6-dev", "i386", "install ok installed");
    let machine = Machine::new("setup-all", &packages);
    let output = machine.setup();
    assert_eq!(machine.installed(), Vec::<String>::new());
    assert!(String::from_utf8_lossy(&output.stdout).contains("all system packages are there"));
}

#[test]
fn only_what_is_missing_is_installed_and_nothing_removed() {
    if !is_dpkg_here() {
        return;
    }
    let there = WANTED.iter().filter(|name| **name != "libuv1-dev" && **name != "perl");
    let mut packages: String = there.map(|name| package(name, "amd64", "install ok installed")).collect();
    // Removed but for its configuration.
    packages += &package("perl", "amd64", "deinstall ok config-files");
    let machine = Machine::new("setup-some", &packages);
    machine.setup();
    let [call] = &machine.installed()[..] else { panic!("{:?}", machine.installed()) };
    let (options, names) = call.split_once(" install ").expect(call);
    assert_eq!(names, "-y --no-install-recommends --no-remove libuv1-dev perl", "{options}");
}

#[test]
fn a_system_that_is_too_old_for_gtk_4_is_set_up_for_all_else() {
    if !is_dpkg_here() {
        return;
    }
    let there = WANTED[..FIRST_FOR_WINDOWS].iter();
    let packages: String = there.map(|name| package(name, "amd64", "install ok installed")).collect();
    let machine = Machine::new("setup-old", &packages);
    machine.program("apt-cache", "[ \"$2\" != libadwaita-1-dev ]");
    let output = machine.setup();
    assert_eq!(machine.installed(), Vec::<String>::new());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("this system has no libadwaita-1-dev"), "{said}");
}
