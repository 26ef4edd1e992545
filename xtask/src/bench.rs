//! `bench`: builds the benchmarks in release and runs them. On a Xen they run by way of `lab`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result, ensure};

use crate::command::ends_well;
use crate::setup;
use crate::workspace::Workspace;

/// Runs them with `arguments`, in this process's place: it returns only if that fails.
pub(crate) fn run(workspace: &Workspace, arguments: Vec<OsString>) -> Result<u8> {
    setup::for_building()?;
    let of_package = ["--quiet", "--release", "--package", "osevent-benchmarks"];
    // All of its programs, as one starts others.
    ensure!(ends_well(workspace.cargo().arg("build").args(of_package).arg("--bins"))?, "the benchmarks do not build");
    let mut cargo = workspace.cargo();
    cargo.arg("run").args(of_package).args(["--bin", "osevent-benchmarks", "--"]).args(arguments);
    Err(cargo.exec()).context("cannot run cargo")
}
