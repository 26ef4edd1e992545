//! The history of the goals: a file with all runs, and a table of the last ones in the document.

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

/// A row for each figure of the last run, a column for each run.
fn shown(runs: &[Value]) -> String {
    let Some(last) = runs.last() else { return String::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let head = |run: &Value| {
        let conditions = &run["conditions"];
        let day = text(&conditions["date"]).chars().take(10).collect::<String>();
        format!("{day} {}, load {:.0}", text(&conditions["commit"]), conditions["load"].as_f64().unwrap_or_default())
    };
    let results = |run: &Value| run["results"].as_array().cloned().unwrap_or_default();
    let columns = ["goal".to_owned(), "what".to_owned(), "wanted".to_owned()].into_iter().chain(runs.iter().map(head));
    let mut shown = table_of(columns.collect());
    for row in results(last) {
        let same = |other: &&Value| other["goal"] == row["goal"] && other["what"] == row["what"];
        let mut cells = vec![text(&row["goal"]), text(&row["what"]), wanted(&row["bound"])];
        cells.extend(runs.iter().map(|run| results(run).iter().find(same).map(figure).unwrap_or_default()));
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
