//! Runs a case in this process, with a monitor.

use crate::boundary::Integration;
use crate::directed::{BoundaryCase, Setting};
use crate::last_words;
use crate::monitor::{Limits, Monitor};
use crate::outcome::Outcome;
use crate::patience;
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The file in the folder of a case that has its [`Record`](crate::record::Record).
pub const RECORD: &str = "record.json";

/// The limits of the monitor for cases without libxl.
pub const LIMITS: Limits =
    Limits { overdue: Duration::from_secs(10), hook: Duration::from_secs(1), stuck: Duration::from_secs(120) };

/// Runs a case at the boundary. The record of the monitor is written next to the outcome.
///
/// # Errors
/// The error of the case, or the findings of the monitor.
pub fn perform_at_boundary(
    case: &BoundaryCase,
    integration: Box<dyn Integration>,
    outcome: &Path,
) -> anyhow::Result<()> {
    let monitor = Monitor::new(patience::limits(LIMITS));
    let result = watched(&monitor, outcome, || case.perform(Setting::new(&*integration, monitor.clone())));
    if result.is_err() {
        // Its end would wait for a loop that a failed case may have left standing.
        std::mem::forget(integration);
    }
    result
}

/// Calls `run` while the monitor watches. A call that never returns ends the process, with an outcome. After an abort the record is still
/// written.
///
/// # Errors
/// The error of `run`, or the findings of the monitor.
pub fn watched(monitor: &Arc<Monitor>, outcome: &Path, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let at_once = outcome.to_owned();
    monitor.watch(move |record| {
        let written = write(&at_once.with_file_name(RECORD), &record)
            .and_then(|()| write(&at_once, &Outcome::of(record.conclude(Ok(())))));
        // SAFETY: no preconditions. Nothing is cleaned up: whoever is stuck may hold what that needs.
        unsafe { libc::_exit(if written.is_ok() { 0 } else { 2 }) }
    });
    let (last, path) = (monitor.clone(), outcome.with_file_name(RECORD));
    last_words::on_abort(move || {
        if let Err(error) = write(&path, &last.finish()) {
            log::error!("{error:#}");
        }
    })?;
    let result = run();
    let record = monitor.finish();
    write(&outcome.with_file_name(RECORD), &record)?;
    record.conclude(result)
}

/// Writes `content` to `path`, for the process that waits for this one.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, content: &impl Serialize) -> anyhow::Result<()> {
    std::fs::write(path, serde_json::to_vec(content)?).with_context(|| format!("cannot write {}", path.display()))
}
