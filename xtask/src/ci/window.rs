//! The step that uses the manager of virtual machines in the lab's dom0, and leaves pictures of it.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::steps::of_tested;
use crate::command::ends_well;
use crate::workspace::{Program, Workspace};

const PACKAGE: &str = "osevent-manager";
const TEST: &str = "xen";
/// Where the test packs its pictures in dom0.
const PICTURES: &str = "/tmp/pictures.tar";
const PACKED: &str = "pictures.tar";

/// What runs the test, whose pictures replace those of the last time.
pub(super) fn command(workspace: &Workspace) -> Result<Command> {
    let program = workspace.program(PACKAGE).with_context(|| format!("the workspace has no {PACKAGE}"))?;
    let test = Program::test(PACKAGE, TEST);
    let [program, test] = [program, &test].map(|wanted| {
        let mut cargo = of_tested(workspace, "build", &["--workspace"]);
        Workspace::built(wanted, cargo.arg("--message-format=json-render-diagnostics"))
    });
    let (program, test) = (program?, test?);
    let pictures = pictures(workspace);
    if pictures.exists() {
        fs::remove_dir_all(&pictures)?;
    }
    fs::create_dir_all(&pictures)?;
    let mut lab = Command::new(env::current_exe()?);
    lab.args(["lab", "--desktop", "--hvm", "--timeout", "1800", "--with"]).arg(program);
    lab.arg("--fetch").arg(format!("{PICTURES}={}", pictures.join(PACKED).display())).arg("--").arg(test);
    lab.current_dir(&workspace.root);
    Ok(lab)
}

/// Unpacks the pictures, if any were taken.
pub(super) fn unpack_pictures(workspace: &Workspace) -> Result<()> {
    let pictures = pictures(workspace);
    if pictures.join(PACKED).exists() {
        let is_unpacked = ends_well(Command::new("tar").args(["-xf", PACKED]).current_dir(&pictures))?;
        ensure!(is_unpacked, "the pictures cannot be unpacked");
        println!("pictures are in {}", pictures.display());
    }
    Ok(())
}

fn pictures(workspace: &Workspace) -> PathBuf {
    workspace.target.join("pictures")
}
