//! The libxl of any of Debian's releases, unpacked, and the suite linked so that it runs on that one.

use std::fs;
use std::os::unix::fs::symlink;
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
    let c_library = libraries::find(&unpacked, "libc.so.6").context("the packages hold no libc.so.6")?;
    let newer = libraries::c_version(&fs::read(c_library)?) > libraries::c_version_of_host()?;

    let folder = workspace.target.join("libxl").join(xen);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let libs = folder.join("lib");
    fs::create_dir_all(&libs)?;
    for from in libraries::folders(&unpacked) {
        for entry in from.read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let of_c = libraries::C_LIBRARY.contains(&&*name);
            if entry.path().is_file() && name.contains(".so") && (newer || !of_c) && !libs.join(&name).exists() {
                symlink(entry.path(), libs.join(name))?;
            }
        }
    }
    let mut arguments = vec![format!("link-arg=-Wl,--disable-new-dtags,-rpath,{}", libs.display())];
    if newer {
        let linker = libraries::find(&unpacked, libraries::LINKER).context("the packages hold no dynamic linker")?;
        arguments.push(format!("link-arg=-Wl,--dynamic-linker={}", linker.display()));
    }
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

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
