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
        let output = self.run(Command::new(env!("CARGO_BIN_EXE_xtask")).arg("setup"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Runs a command there, to its end.
    fn run(&self, command: &mut Command) -> Output {
        let paths = env::var_os("PATH").unwrap_or_default();
        let paths = env::join_paths([self.0.join("bin")].into_iter().chain(env::split_paths(&paths))).unwrap();
        command.env("PATH", paths).env("DPKG_ADMINDIR", self.0.join("dpkg")).output().expect("it starts")
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
    let output = machine.run(Command::new(env!("CARGO_BIN_EXE_xtask")).arg("package"));
    refuses(&output, "this system has no libadwaita-1-dev: packages are built on Debian 12 or later");
}

fn refuses(output: &Output, words: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains(words), "{errors}");
}

#[test]
fn what_cannot_be_fetched_is_named_once_with_what_to_do() {
    if !is_dpkg_here() {
        return;
    }
    let machine = Machine::new("setup-no-network", "");
    machine.program("apt-get", "[ \"$3\" = update ] || exit 100");
    let output = machine.run(Command::new(env!("CARGO_BIN_EXE_xtask")).arg("setup"));
    refuses(
        &output,
        "is there a network? Then run this again; or by hand, as root: apt-get update && apt-get install ",
    );
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = errors.lines().last().unwrap();
    assert_eq!(last.matches("libuv1-dev").count(), 1, "{last}");
}

#[test]
fn where_lists_of_packages_cannot_be_fetched_it_says_what_they_are_for_and_what_to_do() {
    let machine = Machine::new("setup-no-lists", "");
    machine.program("apt-get", "exit 100");
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c"]);
    unshare
        .arg("mount -t tmpfs tmpfs /var/lib/apt/lists || exit 77; exec \"$0\" setup")
        .arg(env!("CARGO_BIN_EXE_xtask"));
    let output = machine.run(&mut unshare);
    // unshare's own failure, and mount's.
    if let Some(1 | 77) = output.status.code() {
        return println!("SKIPPED: there are no name spaces to be had here, or no apt");
    }
    refuses(&output, "what can be installed is not known yet. By hand, as root: apt-get update");
}

#[test]
fn without_apt_a_program_that_does_not_build_says_what_lists_what_it_needs() {
    let machine = Machine::new("setup-no-apt", "");
    machine.program("cargo", &format!("[ \"$1\" != metadata ] || exec '{}' \"$@\"; exit 101", env!("CARGO")));
    fs::remove_file(machine.0.join("bin/apt-get")).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_xtask"));
    demo.args(["demo", "--", "first-calloop"]).env("PATH", machine.0.join("bin"));
    let output = demo.env("CARGO", machine.0.join("bin/cargo")).output().unwrap();
    refuses(
        &output,
        "first-calloop does not build. There is no apt-get here, so nothing was installed for it: ./x setup",
    );

    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("package").env("PATH", machine.0.join("bin")).output();
    refuses(&output.unwrap(), "there is no apt-get here: packages are built on Debian 12 or later");
}
