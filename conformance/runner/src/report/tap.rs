//! The Test Anything Protocol, version 13: what every consumer reads.

use super::{Report, Row, Verdict};
use serde_json::Value;
use std::fmt::Write;

/// One test for each row. One that did not pass has a block of YAML that says why.
pub fn tap(report: &Report) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", report.cases.len());
    for (row, number) in report.cases.iter().zip(1..) {
        // Writing to a string does not fail.
        let _ = test(&mut text, number, row);
    }
    text
}

fn test(text: &mut String, number: usize, row: &Row) -> std::fmt::Result {
    let ok = if row.result == Verdict::Failed { "not ok" } else { "ok" };
    let name = format!("{} on {}, {}", row.name, row.adapter, row.tier);
    write!(text, "{ok} {number} - {}", escaped(&name))?;
    if row.result == Verdict::Skipped {
        write!(text, " # SKIP {}", escaped(row.headline()))?;
    }
    writeln!(text)?;
    if row.result != Verdict::Passed {
        writeln!(text, "  ---")?;
        writeln!(text, "  message: {}", quoted(&row.explanation()))?;
        writeln!(text, "  clauses: {}", quoted(&row.clauses.join(" ")))?;
        writeln!(text, "  broken: {}", quoted(&row.broken.join(" ")))?;
        writeln!(text, "  duration_ms: {:.3}", row.seconds * 1e3)?;
        writeln!(text, "  ...")?;
    }
    Ok(())
}

/// A description: one line, in which a number sign does not begin a directive.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(char::is_control, " ")
}

/// A double-quoted scalar of YAML, of which JSON's strings are a part.
fn quoted(text: &str) -> String {
    let printable = text.replace(|letter: char| letter.is_control() && letter != '\n' && letter != '\t', "\u{fffd}");
    Value::from(printable).to_string()
}
