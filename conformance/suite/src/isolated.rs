//! A case in a process of its own: this program once more, for a limited time.

use crate::runner::{describe, wait};
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How such a process ended.
pub(crate) enum Ended<T> {
    /// It told its outcome.
    Told(T),
    /// It did not: why, and the end of what it printed.
    Died(String),
    /// It was killed when its time was over.
    Overdue,
}

/// Starts this program as `configure` wants it, given the file for the outcome; waits for its end.
pub(crate) fn run<T: DeserializeOwned>(
    limit: Duration,
    configure: impl FnOnce(&mut Command, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<Ended<T>> {
    let folder = tempfile::tempdir().context("no folder for a case's files")?;
    let (outcome, log) = (folder.path().join("outcome"), folder.path().join("log"));
    let mut command = Command::new(std::env::current_exe()?);
    configure(&mut command, &outcome)?;
    let output = File::create(&log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("cannot start the case's process")?;
    let Some(status) = wait(&mut child, limit)? else { return Ok(Ended::Overdue) };
    let told = std::fs::read(&outcome).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Ok(match told {
        Some(told) if status.success() => Ended::Told(told),
        _ => {
            let log = std::fs::read(&log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join("\n");
            Ended::Died(format!("its process {}\n{tail}", describe(status)).trim_end().to_owned())
        }
    })
}
