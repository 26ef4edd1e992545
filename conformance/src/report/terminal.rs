//! What a run prints.

use super::{Report, Row, Verdict};
use crate::case::Listed;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use std::io::Write;

/// The cases with their clauses and claims.
pub(crate) fn list(cases: &[&Listed]) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for case in cases {
        table.add_row([case.name, &case.clauses.join(" "), case.claim]);
    }
    println!("{table}");
}

/// Cases by adapters; then what did not pass, and why; then the counts, in one line.
pub(crate) fn print(report: &Report) {
    println!("{}", table(&report.cases));
    print!("{}", ending(&report.cases));
}

fn ending(rows: &[Row]) -> String {
    let explained = rows.iter().filter(|row| row.result != Verdict::Passed);
    let mut text: String =
        explained.map(|row| format!("\n{} on {}: {}\n", row.name, row.adapter, row.explanation())).collect();
    text.push_str(&format!("\n{}\n", counts(rows)));
    text
}

fn table(rows: &[Row]) -> Table {
    let mut adapters: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !adapters.contains(&&*row.adapter) {
            adapters.push(&row.adapter);
        }
        if !names.contains(&&*row.name) {
            names.push(&row.name);
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["case", "clauses"].into_iter().chain(adapters.iter().copied()));
    for name in names {
        let of = |adapter: &str| rows.iter().find(|row| row.name == name && row.adapter == adapter);
        let clauses = rows.iter().find(|row| row.name == name).map(|row| row.clauses.join(" ")).unwrap_or_default();
        let mut cells = vec![Cell::new(name), Cell::new(clauses)];
        cells.extend(adapters.iter().map(|adapter| of(adapter).map_or_else(|| Cell::new(""), cell)));
        table.add_row(cells);
    }
    table
}

/// Coloured where the output is a terminal, and only there.
fn cell(row: &Row) -> Cell {
    let cell = Cell::new(verdict(row));
    match row.result {
        Verdict::Passed => cell,
        Verdict::Failed => cell.fg(Color::Red),
        Verdict::Skipped => cell.fg(Color::Yellow),
    }
}

/// The result in a few words.
pub(crate) fn verdict(row: &Row) -> String {
    match row.result {
        Verdict::Passed => format!("passed {:.2} s", row.seconds),
        Verdict::Failed => {
            let times = if row.runs > 1 { format!(" {} of {}", row.failures, row.runs) } else { String::new() };
            let clauses = row.broken.iter().map(|clause| format!(" {clause}")).collect::<String>();
            format!("FAILED{times}{clauses}")
        }
        Verdict::Skipped => "skipped".into(),
    }
}

fn counts(rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.result == verdict).count();
    let (passed, failed, skipped) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::Skipped));
    format!("{passed} passed, {failed} failed, {skipped} skipped")
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::{Record, Violation};

    pub(in crate::report) fn row(name: &str, adapter: &str, result: Verdict) -> Row {
        Row {
            name: name.into(),
            claim: "a claim".into(),
            clauses: vec!["R8".into()],
            adapter: adapter.into(),
            guest: "libxl".into(),
            result,
            broken: Vec::new(),
            reason: if result == Verdict::Passed { String::new() } else { format!("{name} has a reason") },
            seconds: 0.5,
            runs: 1,
            failures: u32::from(result == Verdict::Failed),
            arguments: Vec::new(),
            record: None,
        }
    }

    #[test]
    fn each_adapter_is_a_column_whatever_it_is_called() {
        let mut rows = vec![row("one", "glib", Verdict::Passed), row("one", "glib+thread", Verdict::Failed)];
        rows.push(Row {
            runs: 20,
            failures: 3,
            broken: vec!["O5".into()],
            ..row("two", "glib+thread", Verdict::Failed)
        });
        let mut table = table(&rows);
        // Without a terminal, no colours.
        let text = table.force_no_tty().to_string();
        let line = |word: &str| {
            let line = text.lines().find(|line| line.trim().starts_with(word)).expect("a line");
            line.split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(line("case"), ["case", "clauses", "glib", "glib+thread"]);
        assert_eq!(line("one"), ["one", "R8", "passed", "0.50", "s", "FAILED"]);
        assert_eq!(line("two"), ["two", "R8", "FAILED", "3", "of", "20", "O5"]);
    }

    #[test]
    fn what_did_not_pass_is_explained_with_its_clauses_before_the_counts() {
        let violation = Violation { clause: "R8".into(), step: 4, text: "fd 7 occurred late".into() };
        let record = Record { violations: vec![violation.clone()], ..Record::default() };
        let said = Row { reason: violation.to_string(), ..row("said", "glib", Verdict::Failed) };
        let rows = [
            row("well", "glib", Verdict::Passed),
            Row { record: Some(record.clone()), ..row("unsaid", "glib", Verdict::Failed) },
            Row { record: Some(record), ..said },
            row("not-here", "glib", Verdict::Skipped),
        ];
        let expected = "\nunsaid on glib: unsaid has a reason\nR8: step 4: fd 7 occurred late\n\
                        \nsaid on glib: R8: step 4: fd 7 occurred late\n\
                        \nnot-here on glib: not-here has a reason\n\
                        \n1 passed, 2 failed, 1 skipped\n";
        assert_eq!(ending(&rows), expected);
    }
}
