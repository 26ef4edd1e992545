//! The C compiler, and programs that it makes with libosevent.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use osevent_standin_machine::Machine;
use tempfile::TempDir;

/// The folder of the package.
pub(crate) const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

const OPTIONS: [&str; 5] = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g"];

/// What a program is linked with beside its loop's library.
pub(crate) enum Linked {
    Shared,
    Static,
}

/// A program in a folder of its own.
pub(crate) struct Program {
    folder: TempDir,
}

impl Program {
    /// Compiles `source`, below the package, for which `header` and `library` must be there beside Xen's; they
    /// come with Debian's `package`. `Err` in `Ok` says what is missing.
    pub(crate) fn compile(
        source: &str,
        linked: &Linked,
        (header, library, package): (&str, &str, &str),
    ) -> Result<Result<Self, String>, Failed> {
        let compiled = command().arg("--version").output();
        if !compiled.is_ok_and(|output| output.status.success()) {
            return Ok(Err(format!("no C compiler {:?} (Debian: gcc)", command().get_program())));
        }
        let folder = TempDir::new()?;
        let has = |header: &str| {
            let probe = folder.path().join("probe.c");
            std::fs::write(&probe, format!("#include <{header}>\n")).expect("the temporary folder is writable");
            command().arg("-fsyntax-only").arg(probe).output().is_ok_and(|output| output.status.success())
        };
        for (header, package) in [("libxl.h", "libxen-dev"), (header, package)] {
            if !has(header) {
                return Ok(Err(format!("no {header} (Debian: {package})")));
            }
        }
        let mut compiler = command();
        compiler.args(OPTIONS).arg("-I").arg(Path::new(PACKAGE).join("include"));
        compiler.arg("-o").arg(folder.path().join("program")).arg(Path::new(PACKAGE).join(source));
        match linked {
            Linked::Shared => {
                // As it would be installed.
                for name in ["libosevent.so", "libosevent.so.0"] {
                    symlink(built("libosevent.so"), folder.path().join(name))?;
                }
                compiler.arg("-L").arg(folder.path()).arg("-losevent");
            }
            Linked::Static => {
                // The last two: glibc before 2.34 has them apart.
                compiler.arg(built("libosevent.a")).args(["-pthread", "-ldl"]);
            }
        }
        let output = compiler.args(["-lxenlight", "-lxentoollog"]).arg(library).output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{compiler:?}: {}\n{errors}", output.status).into());
        }
        Ok(Ok(Self { folder }))
    }

    /// A command that runs it on that machine.
    pub(crate) fn on(&self, machine: &Machine) -> Command {
        let mut command = machine.command(self.folder.path().join("program"));
        command.env("LD_LIBRARY_PATH", self.folder.path());
        command
    }
}

/// What cargo has built beside this test.
fn built(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("this program has a file");
    tests.with_file_name(name)
}

fn command() -> Command {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}
