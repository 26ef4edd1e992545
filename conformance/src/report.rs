//! What a run shows: a list, a table, a file.

use crate::case::{Case, Verdict};
use anyhow::Context;
use comfy_table::{Cell, Table, presets};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// One case on one adapter.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) adapter: &'static str,
    pub(crate) guest: &'static str,
    pub(crate) clauses: &'static [&'static str],
    pub(crate) result: Verdict,
    pub(crate) reason: String,
    /// Of one repetition.
    pub(crate) seconds: f64,
}

pub(crate) fn list(cases: &[&Case]) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for case in cases {
        table.add_row([case.name, &case.clauses.join(" "), case.claim]);
    }
    println!("{table}");
}

/// Cases by adapters.
pub(crate) fn table(rows: &[Row]) {
    let mut adapters: Vec<_> = Vec::new();
    let mut names: Vec<_> = Vec::new();
    for row in rows {
        if !adapters.contains(&row.adapter) {
            adapters.push(row.adapter);
        }
        if !names.contains(&row.name) {
            names.push(row.name);
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["case", "clauses"].into_iter().chain(adapters.iter().copied()));
    for name in names {
        let of = |adapter: &str| rows.iter().find(|row| row.name == name && row.adapter == adapter);
        let clauses = rows.iter().find(|row| row.name == name).map(|row| row.clauses.join(" ")).unwrap_or_default();
        let mut cells = vec![Cell::new(name), Cell::new(clauses)];
        cells.extend(adapters.iter().map(|adapter| Cell::new(of(adapter).map(verdict).unwrap_or_default())));
        table.add_row(cells);
    }
    println!("{table}");
    for row in rows.iter().filter(|row| row.result != Verdict::Passed) {
        println!("{} on {}: {}", row.name, row.adapter, row.reason);
    }
}

/// The result in a few words.
pub(crate) fn verdict(row: &Row) -> String {
    match row.result {
        Verdict::Passed => format!("passed {:.2} s", row.seconds),
        Verdict::Failed => "FAILED".into(),
        Verdict::Skipped => "skipped".into(),
    }
}

pub(crate) fn json(rows: &[Row], path: &Path) -> anyhow::Result<()> {
    let mut file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    serde_json::to_writer_pretty(&mut file, rows)?;
    writeln!(file)?;
    Ok(())
}

/// A case's log, which the runner shows when it fails.
pub(crate) fn log_to_stderr(level: log::LevelFilter) {
    struct Stderr;
    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            // One write, so that lines of several threads do not mix.
            let line = format!("{} {}: {}\n", record.level(), record.target(), record.args());
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        fn flush(&self) {}
    }
    // It fails only where a logger is set already.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
