//! `demo`: runs a program on a simulated machine; without one, the manager of virtual machines.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::setup;
use crate::workspace::Workspace;

/// Runs it in this process's place: it returns only if that fails.
pub(crate) fn run(workspace: &Workspace, command: &[OsString]) -> Result<u8> {
    // cargo is quiet here, so that the program's output stands alone.
    eprintln!("demo: building what is not built yet: this takes some minutes the first time");
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package"]);
    if let [program, arguments @ ..] = command {
        let program = match program.to_str().and_then(|name| workspace.program(name)) {
            Some(program) => {
                if setup::WITH_WINDOWS.contains(&program.package.as_str()) {
                    for_windows()?;
                }
                workspace.build(program, true)?
            }
            None => PathBuf::from(program),
        };
        setup::for_building()?;
        cargo.args(["osevent-standin-machine", "--features", "demo", "--example", "simulated", "--"]);
        cargo.arg(program).args(arguments);
    } else {
        for_windows()?;
        cargo.args(["osevent-manager", "--", "--demo"]);
    }
    Err(cargo.exec()).context("cannot run cargo")
}

fn for_windows() -> Result<()> {
    match setup::for_windows()? {
        Some(lacking) => bail!("{lacking}: programs with windows need GTK 4.8 and libadwaita 1.2, as in Debian 12"),
        None => Ok(()),
    }
}
