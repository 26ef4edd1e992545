//! `demo`: runs a program on a simulated machine; without one, the manager of virtual machines.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::command::ends_well;
use crate::setup;
use crate::workspace::Workspace;

/// Runs it in this process's place: it returns only if that fails.
pub(crate) fn run(workspace: &Workspace, command: &[OsString]) -> Result<u8> {
    eprintln!(
        "demo: building what is not built yet. The first time, this takes some minutes, after what is missing is installed"
    );
    let mut arguments = Vec::new();
    let package: &[&str] = if let [program, rest @ ..] = command {
        let program = match program.to_str().and_then(|name| workspace.program(name)) {
            Some(program) => {
                if setup::WITH_WINDOWS.contains(&program.package.as_str()) {
                    for_windows()?;
                }
                workspace.build(program, false)?
            }
            None => PathBuf::from(program),
        };
        setup::for_building()?;
        arguments.push(program.into_os_string());
        arguments.extend_from_slice(rest);
        &["osevent-standin-machine", "--features", "demo", "--example", "simulated"]
    } else {
        for_windows()?;
        arguments.push("--demo".into());
        &["osevent-manager"]
    };
    if !ends_well(workspace.cargo().args(["build", "--package"]).args(package))? {
        bail!("the demonstration does not build{}", setup::hint());
    }
    // Quiet now, so that the program's output stands alone.
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package"]).args(package).arg("--").args(arguments);
    Err(cargo.exec()).context("cannot run cargo")
}

fn for_windows() -> Result<()> {
    match setup::for_windows()? {
        Some(lacking) => bail!("{lacking}: programs with windows need GTK 4.8 and libadwaita 1.2, as in Debian 12"),
        None => Ok(()),
    }
}
