//! `bench`: builds the benchmarks in release and runs them. On a Xen they run by way of `lab`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::setup;
use crate::workspace::Workspace;

/// Runs them with `arguments`, in this process's place: it returns only if that fails.
pub(crate) fn run(workspace: &Workspace, arguments: Vec<OsString>) -> Result<u8> {
    setup::for_building()?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "osevent-benchmarks", "--"]).args(arguments);
    Err(cargo.exec()).context("cannot run cargo")
}
