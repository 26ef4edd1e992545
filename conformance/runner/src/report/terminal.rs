//! What a run prints.

use super::{Report, Row, Verdict};
use crate::case::Listed;
use comfy_table::{Table, presets};
use std::io::{ErrorKind, IsTerminal, Write, stdout};

/// The cases with their clauses and claims.
pub(crate) fn list(cases: &[&Listed]) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for case in cases {
        table.add_row([case.name, &case.clauses.join(" "), case.claim]);
    }
    written(&format!("{table}\n"));
}

/// Writes to the standard output. Whoever reads no more has what it wanted, as `head` does.
pub(crate) fn written(text: &str) {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => eprintln!("osevent-conformance: cannot write: {error}"),
        _ => {}
    }
}

/// A line for each case, with a mark for each loop; then what did not pass, and why; then the counts, in one line.
/// With `times`, what each took stands beside its mark.
pub(crate) fn print(report: &Report, times: bool) {
    // None where the output is no terminal.
    let width = Table::new().width().map(usize::from);
    let style = if stdout().is_terminal() { Style::Colours } else { Style::Plain };
    written(&format!("{}\n{}", table(&report.cases, width, times, style), ending(&report.cases)));
}

fn ending(rows: &[Row]) -> String {
    let several = tiers(rows).len() > 1;
    let explained = rows.iter().filter(|row| row.result != Verdict::Passed);
    let below = |row: &Row| if several { format!(", {}", row.tier) } else { String::new() };
    let mut text: String = explained
        .map(|row| {
            let (name, adapter, clauses) = (&row.name, &row.adapter, row.clauses.join(" "));
            format!("{name} on {adapter}{} (checks {clauses}): {}\n\n", below(row), row.explanation())
        })
        .collect();
    if several {
        for tier in tiers(rows) {
            let of: Vec<_> = rows.iter().filter(|row| row.tier == tier).cloned().collect();
            text.push_str(&format!("{tier}: {}\n", counts(&of)));
        }
    }
    text.push_str(&format!("{}\n", counts(rows)));
    text
}

/// What a column of the table is about.
#[derive(PartialEq, Eq)]
struct Column<'a> {
    tier: &'a str,
    adapter: &'a str,
}

impl Column<'_> {
    fn has(&self, row: &Row) -> bool {
        row.tier == self.tier && row.adapter == self.adapter
    }
}

fn columns(rows: &[Row]) -> Vec<Column<'_>> {
    let mut columns = Vec::new();
    for row in rows {
        let column = Column { tier: &row.tier, adapter: &row.adapter };
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

fn tiers(rows: &[Row]) -> Vec<&str> {
    let mut tiers = Vec::new();
    for Column { tier, .. } in columns(rows) {
        if !tiers.contains(&tier) {
            tiers.push(tier);
        }
    }
    tiers
}

/// Whether marks are coloured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Colours,
}

/// The columns have numbers, which the lines above the table explain: names of eight loops would not fit, and names of cases are
/// never broken. The clauses, last in the line, are cut off at `width`; `--list` has them all.
fn table(rows: &[Row], width: Option<usize>, times: bool, style: Style) -> String {
    let columns = columns(rows);
    let tiers = tiers(rows);
    let mut text = String::new();
    for tier in &tiers {
        let of = columns.iter().enumerate().filter(|(_, column)| column.tier == *tier);
        let words = of.map(|(at, column)| format!("{} {}", at + 1, column.adapter));
        text.push_str(&wrapped(&format!("{tier}:"), words, width));
    }
    text.push_str("✓ passed  ✗ failed  – skipped\n\n");
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&&*row.name) {
            names.push(&row.name);
        }
    }
    let cell = if times { 8 } else { columns.len().to_string().len() + 1 };
    let longest = names.iter().map(|name| name.len()).chain(["case".len()]).max().unwrap_or_default();
    let numbers: String = (1..=columns.len()).map(|number| format!("{number:>cell$}")).collect();
    text.push_str(&format!("{numbers}  {:<longest$}  clauses\n", "case"));
    for name in names {
        let mut clauses = String::new();
        for column in &columns {
            let row = rows.iter().find(|row| row.name == name && column.has(row));
            text.push_str(&mark(row, cell, times, style));
            if let Some(row) = row {
                clauses = row.clauses.join(" ");
            }
        }
        let left = width.map(|width| width.saturating_sub(columns.len() * cell + longest + 4));
        let line = format!("  {name:<longest$}  {}", cut(&clauses, left));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `head` and the words behind it, in lines of at most `width`.
fn wrapped(head: &str, words: impl Iterator<Item = String>, width: Option<usize>) -> String {
    let mut text = String::new();
    let mut line = head.to_owned();
    for word in words {
        if line.len() + 2 + word.len() > width.unwrap_or(100) {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(head.len());
        }
        line.push_str("  ");
        line.push_str(&word);
    }
    format!("{text}{line}\n")
}

/// As many whole words of `clauses` as fit.
fn cut(clauses: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width < clauses.len()) else { return clauses.to_owned() };
    let fits = |end: &usize| *end + 2 <= width;
    match clauses.match_indices(' ').map(|(at, _)| at).take_while(fits).last() {
        Some(end) => format!("{} …", &clauses[..end]),
        None => String::new(),
    }
}

/// One mark, right-aligned; blank for a case that is not for this loop.
fn mark(row: Option<&Row>, width: usize, times: bool, style: Style) -> String {
    let Some(row) = row else { return " ".repeat(width) };
    let (mark, colour) = match row.result {
        Verdict::Passed => ("✓", 32),
        Verdict::Failed => ("✗", 31),
        Verdict::Skipped => ("–", 33),
    };
    let time = if times { format!("{:>.2} ", row.seconds) } else { String::new() };
    let space = " ".repeat(width.saturating_sub(1 + time.len()));
    match style {
        Style::Plain => format!("{space}{time}{mark}"),
        Style::Colours => format!("{space}{time}\x1b[{colour}m{mark}\x1b[0m"),
    }
}

/// The result in a few words.
pub(crate) fn verdict(row: &Row) -> String {
    match row.result {
        Verdict::Passed => format!("passed {:.2} s", row.seconds),
        Verdict::Failed => {
            let times = if row.runs > 1 { format!(" {} of {}", row.failures, row.runs) } else { String::new() };
            match &*row.broken {
                [] => format!("FAILED{times}, checks {}", row.clauses.join(" ")),
                broken => format!("FAILED{times} {}", broken.join(" ")),
            }
        }
        Verdict::Skipped => "skipped".into(),
    }
}

fn counts(rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.result == verdict).count();
    let (passed, failed, skipped) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::Skipped));
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use osevent_conformance::Violation;
    use osevent_conformance::record::Record;

    pub(in crate::report) fn row(name: &str, adapter: &str, result: Verdict) -> Row {
        Row {
            name: name.into(),
            claim: "a claim".into(),
            clauses: vec!["R8".into()],
            adapter: adapter.into(),
            tier: "libxl".into(),
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

    fn eight_columns() -> Vec<Row> {
        let loops =
            ["glib", "calloop", "smol", "epoll"].iter().flat_map(|name| [name.to_string(), format!("{name}+thread")]);
        let name = "a-case-with-a-long-name-of-45-characters-okay";
        let clauses = "R1 R8 R9 R16 O1 O2 O10 X2 S5".split(' ').map(String::from).collect::<Vec<_>>();
        loops
            .flat_map(|adapter| {
                let passed = Row { clauses: clauses.clone(), ..row(name, &adapter, Verdict::Passed) };
                [passed, row("other", &adapter, Verdict::Failed)]
            })
            .collect()
    }

    #[test]
    fn one_mark_a_cell_and_names_are_never_broken() {
        let rows = eight_columns();
        for width in [80, 100, 200] {
            let text = table(&rows, Some(width), false, Style::Plain);
            let line = text.lines().find(|line| line.contains("a-case-with")).expect("a line of its own");
            assert!(
                line.starts_with(" ✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓  a-case-with-a-long-name-of-45-characters-okay  R1 R8"),
                "{text}"
            );
            assert_eq!(line.ends_with('…'), width == 80, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert!(text.lines().any(|line| line.starts_with(" ✗ ✗ ✗ ✗ ✗ ✗ ✗ ✗  other ")), "{text}");
        }
        // A name does not give way even where it does not fit.
        assert!(table(&rows, Some(20), false, Style::Plain).contains("characters-okay\n"));
        assert!(table(&rows, Some(80), true, Style::Plain).contains("  0.50 ✓"));
    }

    #[test]
    fn releases_stand_side_by_side_and_are_counted_each() {
        let of = |tier: &str, result| Row { tier: tier.into(), ..row("one", "glib", result) };
        let mut rows = vec![of("libxl 4.14", Verdict::Passed), of("libxl 4.20", Verdict::Failed)];
        rows.push(Row { adapter: "smol".into(), ..rows[0].clone() });
        let text = table(&rows, None, false, Style::Plain);
        assert!(text.contains("libxl 4.14:  1 glib  3 smol\nlibxl 4.20:  2 glib\n"), "{text}");
        assert!(text.contains(" ✓ ✗ ✓  one   R8"), "{text}");
        let text = ending(&rows);
        assert!(text.contains("one on glib, libxl 4.20 (checks R8): one has a reason"), "{text}");
        assert!(text.contains("libxl 4.14: 2 passed, 0 failed, 0 skipped\nlibxl 4.20: 0 passed, 1 failed"), "{text}");
    }

    #[test]
    fn what_did_not_pass_is_explained_with_its_clauses_before_the_counts() {
        let violation = Violation::new("R8", "fd 7 occurred late").at(4);
        let record = Record { violations: vec![violation.clone()], ..Record::default() };
        let said = Row { reason: violation.to_string(), ..row("said", "glib", Verdict::Failed) };
        let rows = [
            row("well", "glib", Verdict::Passed),
            Row { record: Some(record.clone()), ..row("unsaid", "glib", Verdict::Failed) },
            Row { record: Some(record), ..said },
            row("not-here", "glib", Verdict::Skipped),
        ];
        let expected = "unsaid on glib (checks R8): unsaid has a reason\nR8: step 4: fd 7 occurred late\n\
                        \nsaid on glib (checks R8): R8: step 4: fd 7 occurred late\n\
                        \nnot-here on glib (checks R8): not-here has a reason\n\
                        \n1 passed, 2 failed, 1 skipped\n";
        assert_eq!(ending(&rows), expected);
    }
}
