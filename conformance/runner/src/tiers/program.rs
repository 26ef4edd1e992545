//! Programs of dom0's, each in a process of its own.

use anyhow::{Context, bail};
use std::process::{Command, Output};

/// Runs it; its output.
///
/// # Errors
/// It cannot be started, or fails: with what it says of it.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output: Output = output.with_context(|| format!("cannot run {program}; is it installed?"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{program} {} ended with {}: {}", arguments.join(" "), output.status, words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
