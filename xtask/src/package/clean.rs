//! A clean Debian: a root with nothing but its essential packages and apt, which is made for one try and gone after it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::ends_well;
use crate::debian::{Release, sources_of};

/// What is done there, by the first of them.
const SCRIPTS: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/package/try.sh"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/package/boot.sh"),
];

/// Whether the packages in `folder` can be installed on `release`, work there, and go without a trace.
pub(super) fn try_on(release: Release, folder: &Path) -> Result<bool> {
    println!("package: on a clean {release}");
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--quiet", "--variant=apt", "--format=null", "--skip=cleanup"]);
    mmdebstrap.arg("--customize-hook=mkdir \"$1/try\"");
    mmdebstrap.arg(format!("--customize-hook=sync-in '{}' /try", folder.display()));
    mmdebstrap.arg(format!("--customize-hook=copy-in '{}' /try", SCRIPTS.join("' '")));
    // What it mounts is nobody else's.
    mmdebstrap.arg("--customize-hook=unshare --mount chroot \"$1\" sh /try/try.sh");
    mmdebstrap.args([release.codename(), "-"]).args(sources_of(release)?.lines());
    ends_well(&mut mmdebstrap)
}
