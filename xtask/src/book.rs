//! `book`: builds the book and checks its links.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// What builds it, outside the workspace.
pub(crate) const BUILDER: &str = "book/builder/Cargo.toml";

/// Builds it; 0 when all its links lead somewhere.
pub(crate) fn run(workspace: &Workspace) -> Result<u8> {
    let status = command(workspace).status().context("cannot run cargo")?;
    Ok(u8::from(!status.success()))
}

/// The command that does so, into the target folder.
pub(crate) fn command(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_TARGET_DIR", &workspace.target);
    cargo.args(["run", "--quiet", "--manifest-path", BUILDER, "--"]).arg(workspace.target.join("book"));
    cargo
}
