//! The C compiler.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use tempfile::TempDir;
use xenlight_sys::Release;

/// A C compiler that works, and a folder for what it makes.
pub(crate) struct Compiler {
    folder: TempDir,
}

impl Compiler {
    /// `Err` says why there is none.
    pub(crate) fn find() -> Result<Self, String> {
        let output = command().arg("--version").output();
        match output {
            Ok(output) if output.status.success() => {}
            _ => return Err(format!("no C compiler {:?} (Debian: gcc)", command().get_program())),
        }
        let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        Ok(Self { folder })
    }

    /// The same, with Xen's headers: which release they are of.
    pub(crate) fn find_with_headers() -> Result<(Self, Release), String> {
        let compiler = Self::find()?;
        compiler.check("#include <libxl.h>").map_err(|_| "no libxl.h (Debian: libxen-dev)".to_owned())?;
        let release = headers_release().ok_or("no libxenlight.so beside the headers (Debian: libxen-dev)")?;
        Ok((compiler, release))
    }

    /// Compiles a program without keeping the result.
    pub(crate) fn check(&self, source: &str) -> Result<(), Failed> {
        let file = self.write("check.c", source);
        run(command().args(["-fsyntax-only", "-Werror=incompatible-pointer-types"]).arg(file))?;
        Ok(())
    }

    /// The program after the preprocessor.
    pub(crate) fn preprocess(&self, source: &str) -> Result<String, Failed> {
        let file = self.write("preprocess.c", source);
        run(command().args(["-E", "-P"]).arg(file))
    }

    /// Makes a shared object called `name`.
    pub(crate) fn shared_object(&self, name: &str, source: &str, options: &[&str]) -> Result<PathBuf, Failed> {
        let file = self.write(&format!("{name}.c"), source);
        let object = self.folder.path().join(name);
        run(command().args(["-shared", "-fPIC", "-o"]).arg(&object).arg(file).args(options))?;
        Ok(object)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, source: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, source).expect("the temporary folder is writable");
        path
    }
}

/// libxen-dev links libxenlight.so to the library that its headers belong to.
fn headers_release() -> Option<Release> {
    let link = run(command().arg("-print-file-name=libxenlight.so")).ok()?;
    let file = fs::canonicalize(link.trim()).ok()?;
    let version = file.file_name()?.to_str()?.strip_prefix("libxenlight.so.")?.to_owned();
    let mut parts = version.split('.').map(str::parse);
    match (parts.next()?, parts.next()?) {
        (Ok(2), Ok(0)) => Some(Release::V4_2),
        (Ok(major), Ok(minor)) => Some(Release::new(major, minor)),
        _ => None,
    }
}

fn command() -> Command {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}

fn run(command: &mut Command) -> Result<String, Failed> {
    let output = command.output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{errors}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
