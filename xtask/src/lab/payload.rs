//! The program to run and all that it needs, as an archive that is laid over dom0's first file system.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lab_frame::{COMMAND_FILE, FETCH_FILE, PROGRAM_FOLDER};

use super::image::Image;
use super::{desktop, libraries};
use crate::workspace::Workspace;
use osevent_domains::Archive;

/// What is to run in dom0.
pub(crate) struct Payload {
    agent: PathBuf,
    command: Vec<OsString>,
    /// Their paths in dom0, and here.
    files: Vec<(String, PathBuf)>,
    has_desktop: bool,
    fetch: Vec<String>,
}

impl Payload {
    /// Finds the program, and builds it if it is one of the workspace.
    ///
    /// `command` starts with a path on this machine (if there is a slash in it), the name of a binary or example of
    /// the workspace, or else a command of dom0.
    pub(crate) fn prepare(
        workspace: &Workspace,
        image: &Image,
        command: &[OsString],
        with: &[PathBuf],
        has_desktop: bool,
        fetch: Vec<String>,
    ) -> Result<Payload> {
        let [program, arguments @ ..] = command else {
            bail!("no program given");
        };
        if fetch.len() > usize::from(u8::MAX) {
            bail!("the lab brings back 255 files at most");
        }
        let agent = workspace.program("lab-agent").context("the workspace has no lab-agent")?;
        let mut payload = Payload {
            // With its C library inside: it runs on any dom0's.
            agent: workspace.executable(agent, "rustc", |cargo| {
                cargo.args(["--quiet", "--", "-C", "target-feature=+crt-static"])
            })?,
            command: vec![program.clone()],
            files: Vec::new(),
            has_desktop,
            fetch,
        };
        let of_workspace = program.to_str().and_then(|name| workspace.program(name));
        if program.as_bytes().contains(&b'/') {
            payload.program(PathBuf::from(program))?;
        } else if let Some(program) = of_workspace {
            payload.program(workspace.build(program, false)?)?;
        } else if !image.has_command(&program.to_string_lossy()) {
            bail!(
                "{} is neither a path (with a slash in it), nor a binary or example of the workspace, nor a \
                 command of dom0",
                program.display()
            );
        }
        payload.command.extend(arguments.iter().cloned());
        with.iter().try_for_each(|file| payload.beside(file.clone()).map(drop))?;
        for (_, file) in &payload.files {
            if !file.is_file() {
                bail!("there is no file {}", file.display());
            }
        }
        if has_desktop {
            payload.files.extend(desktop::files()?);
        }
        Ok(payload)
    }

    fn program(&mut self, path: PathBuf) -> Result<()> {
        self.command[0] = self.beside(path)?.into();
        Ok(())
    }

    /// Adds a file to the folder of the program; its path in dom0.
    fn beside(&mut self, path: PathBuf) -> Result<String> {
        let name = path.file_name().and_then(OsStr::to_str);
        let name = name.with_context(|| format!("{} has no name, or one that is not UTF-8", path.display()))?;
        let to = format!("{PROGRAM_FOLDER}/{name}");
        self.files.push((to.clone(), path));
        Ok(to)
    }

    /// Writes the archive. Libraries that dom0 has are left out: they are of the release that Xen's tools need. But where a
    /// file needs a newer C library than dom0's, all of the host's takes its place: what was built with the newer one needs
    /// it, and what was built with the older one runs on it.
    pub(crate) fn write_to(&self, image: &Image, out: impl Write) -> Result<()> {
        let mut archive = Archive::new(out);
        let mut needed = BTreeSet::new();
        let mut c_library = None;
        let agent = ("/bin/lab-agent".to_owned(), self.agent.clone());
        let files: Vec<_> = self.files.iter().chain([&agent]).collect();
        for folder in folders(&files) {
            archive.folder(&folder)?;
        }
        for (to, path) in files {
            let content = fs::read(path).with_context(|| path.display().to_string())?;
            if content.starts_with(b"\x7fELF") {
                let libraries = missing_libraries(image, path)?;
                if is_c_library_too_old(image, &content, &libraries)? {
                    c_library = Some(path);
                }
                needed.extend(libraries);
            }
            archive.file(to, true, &content)?;
        }
        if let Some(program) = c_library {
            needed.extend(c_library_of_host(program)?);
        }
        for (name, path) in needed {
            archive.file(&format!("lib/{name}"), true, &fs::read(path)?)?;
        }
        if self.has_desktop {
            archive.file("etc/passwd", false, desktop::USERS.as_bytes())?;
        }
        let words = self.command.iter().map(|word| word.as_bytes());
        archive.file(COMMAND_FILE, false, &nul_ended(words))?;
        let paths = self.fetch.iter().map(|path| path.as_bytes());
        archive.file(FETCH_FILE, false, &nul_ended(paths))?;
        archive.finish()?.flush()?;
        Ok(())
    }
}

/// All folders above the files, each after the one above it.
fn folders(files: &[&(String, PathBuf)]) -> BTreeSet<String> {
    let above = files.iter().flat_map(|(to, _)| Path::new(to).ancestors().skip(1));
    above.filter_map(Path::to_str).filter(|folder| folder.len() > 1).map(str::to_owned).collect()
}

/// The libraries that `program` needs and dom0 does not have.
fn missing_libraries(image: &Image, program: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut missing = Vec::new();
    for (name, path) in libraries::of_host(program)? {
        if !image.contents.contains(&format!("lib/{name}")) {
            let path = path.with_context(|| {
                let program = program.display();
                format!("{program} needs {name}, which is neither on this machine nor in dom0")
            })?;
            missing.push((name, path));
        }
    }
    Ok(missing)
}

/// Whether a file of the host's cannot use dom0's C library: it needs a newer one, or a part that dom0 does not have.
fn is_c_library_too_old(image: &Image, file: &[u8], missing: &[(String, PathBuf)]) -> Result<bool> {
    let part_is_missing = missing.iter().any(|(name, _)| libraries::C_LIBRARY.contains(&&**name));
    Ok(part_is_missing || libraries::c_version_needed(file)?.is_some_and(|needed| needed > image.c_version))
}

/// The host's C library, as `program` of the host uses it.
fn c_library_of_host(program: &Path) -> Result<Vec<(String, PathBuf)>> {
    let libraries = libraries::of_host(program)?;
    let library = libraries.into_iter().find(|(name, _)| name == "libc.so.6").and_then(|(_, path)| path);
    let library = library.with_context(|| format!("{} uses no C library of this machine", program.display()))?;
    let folder = library.parent().unwrap_or(Path::new("/lib"));
    let parts = libraries::C_LIBRARY.map(|name| (name.to_owned(), folder.join(name)));
    Ok(parts.into_iter().filter(|(_, path)| path.exists()).collect())
}

fn nul_ended<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    words.flat_map(|word| [word, &[0]].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_argument_is_kept() {
        let words = [&b"sh"[..], b"", b"x"];
        assert_eq!(nul_ended(words.into_iter()), b"sh\0\0x\0");
    }
}
