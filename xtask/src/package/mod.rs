//! `package`: Debian packages of the programs and of the library for C programs. lintian looks at them, and they are installed on a
//! clean Debian, tried there and removed.

mod clean;

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::command::ends_well;
use crate::debian::Release;
use crate::setup;
use crate::workspace::Workspace;

/// The folders that packages are built in, each with its folder `debian`.
const OF_PROGRAMS: &str = "apps";
const OF_LIBRARY: &str = "c";

/// Those that have GTK 4. What is built on the older one runs on the newer one, too.
const RELEASES: [Release; 2] = [Release::Bookworm, Release::Trixie];

/// What it means when packages are not well.
pub(crate) const FAULT: &str = "the packages do not build, or lintian or a clean system has something against them";

/// Builds all packages as they are released, and tries them.
///
/// # Errors
/// A tool is missing and cannot be installed.
pub(crate) fn run(workspace: &Workspace) -> Result<u8> {
    if let Some(lacking) = setup::for_packaging()? {
        bail!("{lacking}");
    }
    let folder = workspace.target.join("packages");
    make_anew(&folder)?;
    println!("package: 1 of 4: the library for C programs");
    let well = build(workspace, OF_LIBRARY, &folder, None)? && {
        println!("package: 2 of 4: the programs, optimised. The first time, this takes most of the time");
        build(workspace, OF_PROGRAMS, &folder, None)?
    };
    let well = well && {
        println!("package: 3 of 4: what lintian says of the packages");
        is_well_made(&folder)?
    };
    let well = well && {
        println!("package: 4 of 4: clean systems, on which they are installed, tried and removed");
        try_all(&folder)?
    };
    if well {
        println!("package: the packages are in {}", folder.display());
    }
    Ok(u8::from(!well))
}

/// The same for the programs that lie in `built`, which nobody has to wait for; false if something is wrong with the packages.
///
/// # Errors
/// The packages cannot be tried, for a reason that is not theirs.
pub(crate) fn check_built(workspace: &Workspace, built: &Path) -> Result<bool> {
    let folder = workspace.target.join("packages-of-test");
    make_anew(&folder)?;
    Ok(build(workspace, OF_PROGRAMS, &folder, Some(built))? && is_well_made(&folder)? && try_all(&folder)?)
}

fn make_anew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

/// Whether `source` could be built into `folder`, of what lies in `built` if that is given.
fn build(workspace: &Workspace, source: &str, folder: &Path, built: Option<&Path>) -> Result<bool> {
    let mut command = Command::new("dpkg-buildpackage");
    // The cargo that we have, which is hardly one of Debian's.
    command.args(["--build=binary", "--no-sign", "--no-check-builddeps"]).current_dir(workspace.root.join(source));
    for file in ["buildinfo", "changes"] {
        command.arg(format!("--{file}-file={}", folder.join(source).with_extension(file).display()));
        command.arg(format!("--{file}-option=-u{}", folder.display()));
    }
    // Without packages of what a debugger reads.
    command.env("OSEVENT_PACKAGES", folder).env("DEB_BUILD_OPTIONS", "noautodbgsym");
    if let Some(built) = built {
        // What is tried once is packed quickly.
        command.env("OSEVENT_BUILT", built);
        command.env("DPKG_DEB_COMPRESSOR_TYPE", "gzip").env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    }
    ends_well(&mut command)
}

/// Whether lintian has nothing against the packages in `folder`.
fn is_well_made(folder: &Path) -> Result<bool> {
    let files = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let changes = files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "changes"));
    ends_well(Command::new("lintian").args(["--fail-on", "error,warning"]).args(changes))
}

/// Whether the packages in `folder` can be installed on each release, work there, and go without a trace.
fn try_all(folder: &Path) -> Result<bool> {
    let results = thread::scope(|scope| {
        let tries = RELEASES.map(|release| scope.spawn(move || clean::try_on(release, folder)));
        tries.map(|tried| tried.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    results.into_iter().try_fold(true, |well, tried| Ok(tried? && well))
}
