//! `./x` is `cargo xtask` for a machine that may have no C linker; it installs one, or says what to do.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../x");

/// A machine with nothing but a shell and these programs, which write down how they were called.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str, programs: &[(&str, &str)]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(folder.join("bin")).unwrap();
        let machine = Self(folder);
        for tool in ["sh", "dirname", "env"] {
            let paths = env::var_os("PATH").unwrap_or_default();
            let found = env::split_paths(&paths).map(|path| path.join(tool)).find(|path| path.exists());
            symlink(found.expect(tool), machine.program(tool)).unwrap();
        }
        for (name, script) in programs {
            let path = machine.program(name);
            let calls = machine.calls();
            fs::write(&path, format!("#!/bin/sh\necho \"{name} $*\" >>'{}'\n{script}\n", calls.display())).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    fn calls(&self) -> PathBuf {
        self.0.join("calls")
    }

    fn x(&self) -> Output {
        Command::new(Path::new(SCRIPT))
            .args(["test", "--only", "a b"])
            .env("PATH", self.0.join("bin"))
            .output()
            .unwrap()
    }

    /// How the programs were called for more than a question.
    fn called(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.calls()).unwrap_or_default();
        calls.lines().filter(|call| !call.starts_with("id ") && *call != VERSION).map(str::to_owned).collect()
    }

    fn refuses(&self, words: &str) {
        let output = self.x();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(words), "{errors}");
        assert!(!self.called().iter().any(|call| call.starts_with("cargo")), "{:?}", self.called());
    }
}

const CARGO: (&str, &str) =
    ("cargo", "[ \"$1\" = --version ] && echo 'cargo 1.100.0 (0123456 2027-01-01)' && exit; exit 7");
const VERSION: &str = "cargo --version";
const ROOT: (&str, &str) = ("id", "echo 0");
const USER: (&str, &str) = ("id", "echo 1000");
const XTASK: &str = "cargo xtask test --only a b";
const UPDATE: &str = "apt-get -q update";
const INSTALL: &str =
    "apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends --no-remove gcc libc6-dev";

#[test]
fn with_a_linker_it_is_cargo_xtask_and_exits_as_that() {
    let machine = Machine::new("x-linker", &[CARGO, ("cc", "")]);
    assert_eq!(machine.x().status.code(), Some(7));
    assert_eq!(machine.called(), [XTASK]);
}

#[test]
fn without_one_root_installs_it_and_says_so() {
    let machine = Machine::new("x-root", &[CARGO, ROOT, ("apt-get", "")]);
    let output = machine.x();
    assert_eq!(machine.called(), [UPDATE, INSTALL, XTASK]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("installing Debian's gcc and libc6-dev"));
}

#[test]
fn lists_that_cannot_be_fetched_may_not_be_needed() {
    let machine = Machine::new("x-lists", &[CARGO, ROOT, ("apt-get", "[ \"$2\" != update ]")]);
    assert_eq!(machine.x().status.code(), Some(7));
    assert_eq!(machine.called(), [UPDATE, INSTALL, XTASK]);
}

#[test]
fn a_user_who_may_uses_sudo() {
    let sudo = "shift; [ \"$1\" = true ] || exec \"$@\"";
    let machine = Machine::new("x-sudo", &[CARGO, USER, ("apt-get", ""), ("sudo", sudo)]);
    machine.x();
    assert!(machine.called().contains(&INSTALL.to_owned()), "{:?}", machine.called());
}

#[test]
fn whoever_cannot_is_told_what_to_do() {
    Machine::new("x-no-cargo", &[("cc", "")]).refuses("https://rustup.rs");
    Machine::new("x-no-apt", &[CARGO, ROOT]).refuses("no apt-get to install one with");
    Machine::new("x-no-sudo", &[CARGO, USER, ("apt-get", "")]).refuses("sudo apt-get install gcc libc6-dev");
    Machine::new("x-refused", &[CARGO, ROOT, ("apt-get", "exit 100")]).refuses("cannot install gcc and libc6-dev");
}

#[test]
fn whoever_has_an_older_rust_is_told_which_one_is_needed_and_how_to_get_it() {
    let needed = concat!("Rust ", env!("CARGO_PKG_RUST_VERSION"), " or later is needed");
    for version in ["1.70.0", "1.91.1"] {
        let cargo = format!("echo 'cargo {version} (0123456 2023-06-01)'");
        let machine = Machine::new("x-old", &[("cargo", &cargo), ("cc", "")]);
        machine.refuses(&format!("{needed}, and this is {version}"));
        machine.refuses("rustup update stable");
    }
    let exact = concat!("[ \"$1\" = --version ] && echo 'cargo ", env!("CARGO_PKG_RUST_VERSION"), ".0-nightly (0 1)'");
    let machine = Machine::new("x-exact", &[("cargo", exact), ("cc", "")]);
    machine.x();
    assert_eq!(machine.called(), [XTASK]);
    Machine::new("x-no-toolchain", &[("cargo", "exit 1"), ("cc", "")]).refuses("rustup default stable");
}

#[test]
fn a_disk_that_is_nearly_full_is_told() {
    let of = |free: u64| {
        let df =
            format!("echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo 'tmpfs 1 1 {free} 1% /'");
        let output = Machine::new("x-disk", &[CARGO, ("cc", ""), ("df", &df)]).x();
        assert_eq!(output.status.code(), Some(7));
        String::from_utf8(output.stderr).unwrap()
    };
    let words = of(150 << 10);
    assert!(words.contains("x: only 150 MB are free in ") && words.contains("2 GB"), "{words}");
    let words = of(1 << 20);
    assert!(!words.contains("free"), "{words}");
}
