//! The history of the goals: a file with all runs, and a table of the last ones in the document.

use super::row::number;
use crate::document;
use crate::figures::table_of;
use anyhow::Context;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What the document shows.
const SHOWN: usize = 5;

/// Adds a run to `benchmarks/history.json` in the folder `docs`, and shows the last ones in its `benchmarks.md`.
pub(super) fn record(docs: &Path, run: &Value) -> anyhow::Result<()> {
    let path = docs.join("benchmarks").join("history.json");
    let mut runs: Vec<Value> = match fs::read(&path) {
        Ok(history) => serde_json::from_slice(&history).with_context(|| format!("{} is none", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => vec![],
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    runs.push(run.clone());
    fs::create_dir_all(docs.join("benchmarks"))?;
    fs::write(&path, serde_json::to_string_pretty(&runs)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    document::replace(&docs.join("benchmarks.md"), "history", &shown(&runs[runs.len().saturating_sub(SHOWN)..]))
}

/// A row for each figure of these runs, a column for each run.
fn shown(runs: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let head = |run: &Value| {
        let conditions = &run["conditions"];
        let day = text(&conditions["date"]).chars().take(10).collect::<String>();
        format!("{day} {}, load {:.0}", text(&conditions["commit"]), conditions["load"].as_f64().unwrap_or_default())
    };
    let results = |run: &Value| run["results"].as_array().cloned().unwrap_or_default();
    let is_same = |one: &Value, other: &Value| one["goal"] == other["goal"] && one["what"] == other["what"];
    // The newest run first: its words and bounds hold, and what it did not measure comes behind, of each goal.
    let mut rows: Vec<Value> = vec![];
    for row in runs.iter().rev().flat_map(results) {
        if !rows.iter().any(|other| is_same(other, &row)) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| number(&text(&row["goal"])));
    let columns = ["goal".to_owned(), "what".to_owned(), "wanted".to_owned()].into_iter().chain(runs.iter().map(head));
    let mut shown = table_of(columns.collect());
    for row in rows {
        let mut cells = vec![text(&row["goal"]), text(&row["what"]), wanted(&row["bound"])];
        cells.extend(
            runs.iter()
                .map(|run| results(run).iter().find(|other| is_same(other, &row)).map(figure).unwrap_or_default()),
        );
        shown.add_row(cells);
    }
    shown.to_string()
}

fn wanted(bound: &Value) -> String {
    let of = |sign, bound: &Value| bound.as_f64().map(|bound| format!("{sign} {bound}"));
    of("≤", &bound["at_most"]).or_else(|| of("≥", &bound["at_least"])).unwrap_or_default()
}

/// In bold if the goal is missed.
fn figure(row: &Value) -> String {
    let figure = format!("{:.2}", row["figure"].as_f64().unwrap_or_default());
    let spread = |at| row["spread"][at].as_f64().unwrap_or_default();
    let figure = if row["is_met"] == false { format!("**{figure}**") } else { figure };
    format!("{figure} ({:.2} to {:.2})", spread(0), spread(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_newest_run_did_not_measure_is_shown_from_the_earlier_ones() {
        let row = |goal: &str, what: &str, figure: f64| json!({"goal": goal, "what": what, "figure": figure, "spread": [figure, figure]});
        let earlier = json!({"results": [row("P2", "a", 1.0), row("P11", "on Xen", 2.0)]});
        let newest = json!({"results": [row("P2", "a", 3.0), row("P15", "b", 4.0)]});
        let shown = shown(&[earlier, newest]);
        let rows: Vec<Vec<_>> = shown.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
        let of = |figure: &str| format!("{figure} ({figure} to {figure})");
        assert_eq!(
            rows,
            [
                ["", "P2", "a", "", &of("1.00"), &of("3.00"), ""],
                ["", "P11", "on Xen", "", &of("2.00"), "", ""],
                ["", "P15", "b", "", "", &of("4.00"), ""],
            ]
        );
    }
}
