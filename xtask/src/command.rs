//! Commands that are run for how they end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Runs it without standard input; whether it ended well.
///
/// # Errors
/// It cannot be run.
pub(crate) fn ends_well(command: &mut Command) -> Result<bool> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(status.success())
}
