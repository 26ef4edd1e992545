//! The report as data.

use super::Report;

/// One JSON object: [`Report`], with the names of its fields and those of [`Record`](osevent_conformance::record::Record).
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report is plain data");
    text.push('\n');
    text
}
