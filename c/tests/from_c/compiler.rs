//! The C compiler, and programs that it makes with the installed libosevent.

use crate::prefix::Prefix;
use libtest_mimic::Failed;
use osevent_standin_machine::Machine;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the package.
pub(crate) const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Set with the first use of [`folder`].
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// A folder of this process, for what is installed and compiled.
pub(crate) fn folder() -> &'static Path {
    FOLDER.get_or_init(|| tempfile::tempdir().expect("the temporary folder is writable").keep())
}

/// Removes it, after the last case.
pub(crate) fn remove_folder() -> io::Result<()> {
    FOLDER.get().map_or(Ok(()), fs::remove_dir_all)
}

const OPTIONS: [&str; 6] = ["-std=gnu11", "-pthread", "-Wall", "-Wextra", "-Werror", "-g"];

/// How a program is linked with libosevent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Linked {
    Shared,
    Static,
}

/// What a program needs beside libosevent.
pub(crate) struct Needs {
    /// Its pkg-config modules.
    pub(crate) modules: &'static [&'static str],
    /// The package of Debian with the last of them.
    pub(crate) package: &'static str,
}

/// What a program for poll(2) needs.
pub(crate) const XEN: Needs = Needs { modules: &["xenlight", "xentoollog"], package: "libxen-dev" };

/// What a program for GLib needs.
pub(crate) const GLIB: Needs = Needs { modules: &["osevent-glib", "xentoollog"], package: "libglib2.0-dev" };

/// A program that uses the installed library.
pub(crate) struct Program {
    path: PathBuf,
    libraries: PathBuf,
}

impl Program {
    /// Compiles `source`, below the package, as somebody would who has installed osevent. `Err` in `Ok` says what is
    /// missing here.
    pub(crate) fn compile(source: &str, linked: Linked, needs: &Needs) -> Result<Result<Self, String>, Failed> {
        Self::compile_with(source, linked, needs, |prefix, path, source| {
            let mut compiler = command();
            compiler.args(OPTIONS).arg("-o").arg(path).arg(source);
            compiler.args(prefix.flags(linked, needs.modules)?);
            Ok(compiler)
        })
    }

    /// The same for a program in Vala.
    pub(crate) fn compile_vala(source: &str, needs: &Needs) -> Result<Result<Self, String>, Failed> {
        if Command::new("valac").arg("--version").output().is_err() {
            return Ok(Err("no valac (Debian: valac)".to_owned()));
        }
        Self::compile_with(source, Linked::Shared, needs, |prefix, path, source| {
            let mut compiler = prefix.command("valac");
            // Of the installed vapi, and of the one for libxl beside the program.
            for folder in [&*prefix.file("share/vala/vapi"), source.parent().expect("a file")] {
                compiler.arg("--vapidir").arg(folder);
            }
            compiler.args(["--fatal-warnings", "--pkg=osevent-glib", "--pkg=xenlight", "--pkg=posix"]);
            compiler.args(["-X", "-lxentoollog", "-o"]).arg(path).arg(source);
            Ok(compiler)
        })
    }

    fn compile_with(
        source: &str,
        linked: Linked,
        needs: &Needs,
        compiler: impl FnOnce(&Prefix, &Path, &Path) -> Result<Command, Failed>,
    ) -> Result<Result<Self, String>, Failed> {
        let prefix = match Prefix::installed()? {
            Ok(prefix) => prefix,
            Err(missing) => return Ok(Err(missing)),
        };
        if !prefix.knows(needs.modules) {
            return Ok(Err(format!("pkg-config does not find {:?} (Debian: {})", needs.modules, needs.package)));
        }
        let source = Path::new(PACKAGE).join(source);
        let path = folder().join(format!("{}-{linked:?}", source.file_stem().expect("a file").display()));
        run(&mut compiler(&prefix, &path, &source)?)?;
        Ok(Ok(Self { path, libraries: prefix.libraries() }))
    }

    /// A command that runs it on that machine.
    pub(crate) fn on(&self, machine: &Machine) -> Command {
        let mut command = machine.command(&self.path);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command
    }
}

/// The compiler, without arguments. `CC` may name another, with options.
pub(crate) fn command() -> Command {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}

/// What it has written to stdout, if it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<String, Failed> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{errors}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
