//! The prefix that libosevent is installed into, and what pkg-config says about it.

use crate::compiler::{Linked, PACKAGE, command, folder, run};
use libtest_mimic::Failed;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the C library is made and used with: a command that shows that it is there, and its package of Debian.
const TOOLS: [(&str, &str); 3] = [("make", "make"), ("pkg-config", "pkg-config"), ("nm", "binutils")];

/// An installed libosevent.
#[derive(Clone)]
pub(crate) struct Prefix(PathBuf);

impl Prefix {
    /// The prefix, where `make install` has put the library that cargo has built beside this test. It is made once.
    /// `Err` in `Ok` says what is missing here.
    pub(crate) fn installed() -> Result<Result<Self, String>, Failed> {
        static INSTALLED: OnceLock<Result<Result<Prefix, String>, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| {
            install().map_err(|failed| failed.message().unwrap_or("it cannot be installed").to_owned())
        });
        installed.clone().map_err(Failed::from)
    }

    /// The folder of the libraries.
    pub(crate) fn libraries(&self) -> PathBuf {
        self.0.join("lib")
    }

    /// The installed file.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Whether pkg-config finds these modules.
    pub(crate) fn knows(&self, modules: &[&str]) -> bool {
        self.pkg_config().arg("--exists").args(modules).status().is_ok_and(|status| status.success())
    }

    /// What a program with these modules beside osevent is compiled with, after its own file.
    pub(crate) fn flags(&self, linked: Linked, modules: &[&str]) -> Result<Vec<String>, Failed> {
        let mut pkg_config = self.pkg_config();
        pkg_config.args(["--cflags", "--libs"]);
        if let Linked::Static = linked {
            pkg_config.arg("--static");
        }
        let flags = run(pkg_config.arg("osevent").args(modules))?;
        let flags = flags.split_whitespace().map(|flag| match (linked, flag) {
            // Both are installed, and a linker that can choose takes the shared one.
            (Linked::Static, "-losevent") => "-l:libosevent.a",
            _ => flag,
        });
        Ok(flags.map(str::to_owned).collect())
    }

    fn pkg_config(&self) -> Command {
        self.command("pkg-config")
    }

    /// A command for which pkg-config finds what is installed here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PKG_CONFIG_PATH", self.libraries().join("pkgconfig"));
        command
    }
}

/// The library that cargo has built for these tests: the newest, since cargo leaves those of other builds beside it.
fn archive() -> Result<PathBuf, Failed> {
    let program = env::current_exe()?;
    let folder = program.parent().ok_or("this program lies in no folder")?;
    let is_archive = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libosevent") && !name.starts_with("libosevent_") && name.ends_with(".a")
    };
    let archives = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(|path| is_archive(path));
    let built = archives.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path))).max();
    Ok(built.ok_or_else(|| format!("cargo has built no libosevent.a in {}", folder.display()))?.1)
}

fn install() -> Result<Result<Prefix, String>, Failed> {
    let compiler = command().get_program().to_string_lossy().into_owned();
    for (tool, package) in [(&*compiler, "gcc")].iter().chain(&TOOLS) {
        if !Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success()) {
            return Ok(Err(format!("no {tool} (Debian: {package})")));
        }
    }
    let prefix = folder().join("installed");
    let variable = |name: &str, path: &Path| format!("{name}={}", path.display());
    let built = archive()?;
    let mut make = Command::new("make");
    make.args(["--silent", "--directory", PACKAGE, "install"]);
    make.arg(variable("build", &folder().join("build"))).arg(variable("archive", &built));
    run(make.arg(variable("prefix", &prefix)))?;
    Ok(Ok(Prefix(prefix)))
}
