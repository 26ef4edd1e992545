//! The libxl of any of Debian's releases, unpacked, the suite linked so that it runs on that one, and its `xl`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::debian::{Debian, Release};
use crate::lab::libraries;
use crate::workspace::{Program, Workspace};

/// The suite and the libxl that it is to load.
pub(crate) struct Linked {
    /// The program.
    pub(crate) program: PathBuf,
    /// libxl's file.
    pub(crate) libxl: PathBuf,
}

/// Unpacks the libxl of `release` and links `program` for it; `beside` is put into the same folder.
///
/// The program finds libxl's libraries by its DT_RPATH, and not by LD_LIBRARY_PATH, which the host's own programs would
/// follow as well when libxl starts them. Where the release has a newer C library than the host, the program takes that
/// one, with its dynamic linker: libxl wants it, and the host's other libraries run on it.
pub(crate) fn link(workspace: &Workspace, release: Release, program: &Program, beside: &[PathBuf]) -> Result<Linked> {
    let xen = release.xen();
    let debian = Debian::open(&workspace.target, release)?;
    let unpacked = debian.unpacked("libxl", &[&format!("libxenmisc{xen}")], &["lib", "zlib"])?;
    drop(debian);
    let folder = workspace.target.join("libxl").join(xen);
    let Gathered { libs, linker } = gather(&unpacked, &folder)?;
    let mut arguments = vec![format!("link-arg=-Wl,--disable-new-dtags,-rpath,{}", libs.display())];
    arguments.extend(linker.map(|linker| format!("link-arg=-Wl,--dynamic-linker={}", linker.display())));
    let built = workspace.executable(program, "rustc", |cargo| {
        cargo.args(["--quiet", "--"]).args(arguments.iter().flat_map(|argument| ["-C", argument]))
    })?;
    let linked = folder.join(built.file_name().unwrap_or_default());
    fs::copy(&built, &linked)?;
    for file in beside {
        symlink(file, folder.join(file.file_name().unwrap_or_default()))?;
    }
    let libxl = libs.join(format!("libxenlight.so.{xen}"));
    anyhow::ensure!(libxl.exists(), "{release} has no {}", shown(&libxl));
    Ok(Linked { program: linked, libxl })
}

/// The libraries of an unpacked release.
struct Gathered {
    /// The folder that has them.
    libs: PathBuf,
    /// The dynamic linker that goes with them, if they have a C library that is newer than the host's.
    linker: Option<PathBuf>,
}

/// Makes `folder` anew, with the libraries of `unpacked` in it, and of its C library only what the host needs.
fn gather(unpacked: &Path, folder: &Path) -> Result<Gathered> {
    let c_library = libraries::find(unpacked, "libc.so.6").context("the packages hold no libc.so.6")?;
    let newer = libraries::c_version(&fs::read(c_library)?) > libraries::c_version_of_host()?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let libs = folder.join("lib");
    fs::create_dir_all(&libs)?;
    for from in libraries::folders(unpacked) {
        for entry in from.read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let of_c = libraries::C_LIBRARY.contains(&&*name);
            if entry.path().is_file() && name.contains(".so") && (newer || !of_c) && !libs.join(&name).exists() {
                symlink(entry.path(), libs.join(name))?;
            }
        }
    }
    let linker = || libraries::find(unpacked, libraries::LINKER).context("the packages hold no dynamic linker");
    Ok(Gathered { libs, linker: newer.then(linker).transpose()? })
}

/// Unpacks the `xl` of `release`. Returns a script that runs it here; beside it, `etc` has the files that are installed in `/etc/xen`.
pub(crate) fn xl(workspace: &Workspace, release: Release) -> Result<PathBuf> {
    let xen = release.xen();
    let debian = Debian::open(&workspace.target, release)?;
    let unpacked = debian.unpacked("xl", &[&format!("xen-utils-{xen}"), "xen-utils-common"], &["lib", "zlib"])?;
    drop(debian);
    let folder = workspace.target.join("xl").join(xen);
    let Gathered { libs, linker } = gather(&unpacked, &folder)?;
    let xl = unpacked.join(format!("usr/lib/xen-{xen}/bin/xl"));
    anyhow::ensure!(xl.exists(), "{release} has no {}", shown(&xl));
    symlink(unpacked.join("etc/xen"), folder.join("etc"))?;
    let (libs, xl) = (libs.display(), xl.display());
    let run = match linker {
        Some(linker) => format!("exec '{}' --library-path '{libs}' '{xl}' \"$@\"", linker.display()),
        None => format!("LD_LIBRARY_PATH='{libs}' exec '{xl}' \"$@\""),
    };
    let script = folder.join("xl");
    fs::write(&script, format!("#!/bin/sh\n{run}\n"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
