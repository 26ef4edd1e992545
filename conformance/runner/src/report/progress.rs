//! How far a run is: a bar where there is a terminal, else a line for each case that is through.

use super::terminal::verdict;
use super::{Row, Verdict};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Shared by the threads that run cases.
pub(crate) struct Progress {
    bar: ProgressBar,
    rows: usize,
    /// Rows that are through, and repetitions that failed: counters, which order nothing, so all accesses are Relaxed.
    finished: AtomicUsize,
    failures: AtomicUsize,
}

impl Progress {
    /// Of a run of so many rows, each so many times.
    pub(crate) fn new(rows: usize, repeat: u32) -> Self {
        let template = "{elapsed} {bar:30} {pos}/{len}, {per_sec}, {eta} left, {prefix}{msg}";
        let style = ProgressStyle::with_template(template).expect("a valid template");
        let bar = ProgressBar::new(rows as u64 * u64::from(repeat)).with_style(style).with_prefix("none failed: ");
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar, rows, finished: AtomicUsize::new(0), failures: AtomicUsize::new(0) }
    }

    /// A case begins.
    pub(crate) fn begun(&self, case: &str, adapter: &str) {
        self.bar.set_message(format!("{case} on {adapter}"));
    }

    /// One repetition of it is through; where it failed, why.
    pub(crate) fn repeated(&self, case: &str, clauses: &[&str], adapter: &str, failure: Option<&str>) {
        self.bar.inc(1);
        if let Some(reason) = failure {
            let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
            self.bar.set_prefix(format!("{failures} failed: "));
            let clauses = clauses.join(" ");
            self.bar.suspend(|| eprintln!("{case} on {adapter} (checks {clauses}): {reason}"));
        }
    }

    /// Says something besides.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// All repetitions of it are.
    pub(crate) fn finished(&self, row: &Row) {
        let line = self.line(row);
        if self.bar.is_hidden() {
            eprintln!("{line}");
        }
    }

    fn line(&self, row: &Row) -> String {
        let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
        let failures = self.failures.load(Ordering::Relaxed);
        let (rows, name, adapter, verdict) = (self.rows, &row.name, &row.adapter, verdict(row));
        let why = if row.result == Verdict::Skipped { format!(", {}", row.headline()) } else { String::new() };
        format!("{finished}/{rows}, {failures} failed: {name} on {adapter}: {verdict}{why}")
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::tests::row;

    #[test]
    fn line_of_a_case_counts_cases_and_failed_repetitions() {
        let progress = Progress::new(3, 10);
        let failed = Row { runs: 10, failures: 2, ..row("one", "glib", Verdict::Failed) };
        for repetition in 0..10 {
            progress.repeated("one", &["R8"], "glib", (repetition < 2).then_some("a reason"));
        }
        assert_eq!(progress.line(&failed), "1/3, 2 failed: one on glib: FAILED 2 of 10, checks R8");
        let skipped = progress.line(&row("two", "glib", Verdict::Skipped));
        assert_eq!(skipped, "2/3, 2 failed: two on glib: skipped, two has a reason");
        assert_eq!(
            progress.line(&row("three", "glib", Verdict::Passed)),
            "3/3, 2 failed: three on glib: passed 0.50 s"
        );
    }
}
