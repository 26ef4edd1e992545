//! Under which conditions something was measured.

use procfs::{Current, LoadAverage, process::Process};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::SystemTime;

/// At the beginning of a run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Conditions {
    /// In RFC 3339, UTC.
    date: String,
    /// The commit of the working tree, with a `+` if files have been changed since.
    commit: Option<String>,
    processors: usize,
    /// Of the last minute.
    load: f32,
    kernel: String,
    niceness: i64,
}

impl Conditions {
    pub(crate) fn now() -> Self {
        let niceness = Process::myself().and_then(|me| me.stat()).map_or(0, |stat| stat.nice);
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: commit(),
            processors: std::thread::available_parallelism().map_or(1, |count| count.get()),
            load: LoadAverage::current().map_or(0.0, |load| load.one),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            niceness,
        }
    }

    /// For a reader.
    pub(crate) fn sentence(&self) -> String {
        let Self { date, commit, processors, load, kernel, niceness } = self;
        let commit = commit.as_deref().unwrap_or("no commit");
        format!("{date}, {commit}, {processors} processors, Linux {kernel}, load {load:.0}, niceness {niceness}.")
    }
}

/// `None` without git, or outside of a repository.
fn commit() -> Option<String> {
    let described = ["describe", "--always", "--exclude=*", "--dirty=+"];
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(described).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
