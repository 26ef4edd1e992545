//! Commands that are run for how they end.

use std::ffi::OsStr;
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

/// The program and its arguments, for people.
pub(crate) fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_command_its_words_are_shown_and_not_where_it_runs() {
        let mut command = Command::new("cargo");
        command
            .args(["test", "--package", "xtask"])
            .current_dir("/")
            .env("CARGO_TARGET_DIR", "/tmp")
            .env_remove("CARGO");
        assert_eq!(shown(&command), "cargo test --package xtask");
    }
}
