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
    /// Where it looks for headers first.
    headers: Option<PathBuf>,
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
        Ok(Self { folder, headers: None })
    }

    /// The same for each set of Xen's headers, with the release: those that are installed, and those that `XEN_HEADERS` names, as
    /// `4.16=/path:4.22=/path`.
    pub(crate) fn find_with_headers() -> Result<Vec<(Self, Release)>, String> {
        let mut found = Vec::new();
        let installed = Self::find()?;
        let missing = match installed.check("#include <libxl.h>") {
            Err(_) => Some("no libxl.h (Debian: libxen-dev)"),
            Ok(()) => match headers_release() {
                Some(release) => {
                    found.push((installed, release));
                    None
                }
                None => Some("no libxenlight.so beside the headers (Debian: libxen-dev)"),
            },
        };
        for entry in env::var("XEN_HEADERS").unwrap_or_default().split(':').filter(|entry| !entry.is_empty()) {
            let (release, folder) = entry.split_once('=').ok_or("XEN_HEADERS is 4.16=/path:4.22=/path")?;
            let release = release_of(release).ok_or_else(|| format!("{release} is no release such as 4.22"))?;
            found.push((Self { headers: Some(folder.into()), ..Self::find()? }, release));
        }
        match missing {
            Some(reason) if found.is_empty() => Err(reason.to_owned()),
            _ => Ok(found),
        }
    }

    /// Compiles a program without keeping the result.
    pub(crate) fn check(&self, source: &str) -> Result<(), Failed> {
        let file = self.write("check.c", source);
        run(self.command().args(["-fsyntax-only", "-Werror=incompatible-pointer-types"]).arg(file))?;
        Ok(())
    }

    /// The program after the preprocessor, with the marks that say where each line is from.
    pub(crate) fn preprocess(&self, source: &str) -> Result<String, Failed> {
        let file = self.write("preprocess.c", source);
        run(self.command().arg("-E").arg(file))
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

    fn command(&self) -> Command {
        let mut command = command();
        if let Some(headers) = &self.headers {
            command.arg("-I").arg(headers);
        }
        command
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
    match file.file_name()?.to_str()?.strip_prefix("libxenlight.so.")? {
        "2.0.0" => Some(Release::V4_2),
        version => release_of(version),
    }
}

/// The first two numbers.
fn release_of(version: &str) -> Option<Release> {
    let mut parts = version.split('.').map(str::parse);
    Some(Release::new(parts.next()?.ok()?, parts.next()?.ok()?))
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
