//! `demo`: shows the manager of virtual machines on a simulated machine.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result, bail};

use crate::setup;
use crate::workspace::Workspace;

/// Runs it in this process's place: it returns only if that fails.
pub(crate) fn run(workspace: &Workspace) -> Result<u8> {
    if let Some(lacking) = setup::for_windows()? {
        bail!("{lacking}: the manager needs GTK 4.8 and libadwaita 1.2, as in Debian 12");
    }
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "osevent-manager", "--", "--demo"]);
    Err(cargo.exec()).context("cannot run cargo")
}
