//! The goals for speed and memory: each figure of osevent beside what it is compared with, measured by turns in one run.
//!
//! docs/benchmarks.md states the goals and has a result.

mod burst;
mod history;
mod memory;
mod on_machine;
mod one_hot;
mod registering;
mod removals;
mod threads;
mod timeouts;

pub(crate) use self::on_machine::{Listing, listing};
pub(crate) use self::removals::{Removals, removals};
pub(crate) use self::threads::Churning;
pub(crate) use self::timeouts::{PeersPending, Pending};

use crate::conditions::Conditions;
use crate::eventfd::allow_many_fds;
use crate::figures::{Pair, table};
use crate::peers::Peer;
use anyhow::Context;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each is measured, by turns
    #[arg(long, default_value_t = 31, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events in a round
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(10..))]
    events: u32,
    /// How many fds or timeouts make many; goals are stated for 10,000
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    many: u32,
    /// Measures this goal and leaves out the others; repeat for more
    #[arg(long, value_name = "GOAL", value_parser = GOALS.map(|(name, _)| name))]
    only: Vec<String>,
    /// What domains are listed with beside osevent
    #[arg(long, default_value = "xl", value_name = "PROGRAM")]
    xl: PathBuf,
    /// Also writes the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also adds the results to the history in this folder, and shows it in its `benchmarks.md`
    #[arg(long, value_name = "DOCS")]
    record: Option<PathBuf>,
}

type Measure = fn(&Options) -> anyhow::Result<Vec<Row>>;

const GOALS: [(&str, Measure); 12] = [
    ("P1", one_hot::among_idle),
    ("P2", one_hot::alone),
    ("P3", one_hot::against_own),
    ("P4", burst::measure),
    ("P5", registering::in_one_thread),
    ("P6", registering::while_the_loop_sleeps),
    ("P7", timeouts::measure),
    ("P8", threads::measure),
    ("P9", memory::measure),
    ("P10", removals::measure),
    ("P15", on_machine::list),
    ("P16", on_machine::memory),
];

/// Something is missing on this machine, without which a goal cannot be measured; it says what.
#[derive(Debug)]
struct Skipped(String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// What a figure should be.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

/// One figure.
#[derive(Serialize)]
struct Row {
    what: String,
    unit: &'static str,
    /// Against what, and what was measured, in this unit; medians. The figure is the ratio of the second to the first.
    compared: Option<(f64, f64)>,
    /// `None` if it is only to be compared.
    bound: Option<Bound>,
    figure: f64,
    /// The 10th and the 90th percentile of the rounds.
    spread: (f64, f64),
}

impl Row {
    /// The ratio, in nanoseconds.
    fn of_pair(what: impl Into<String>, bound: Option<Bound>, pair: &Pair) -> Self {
        Self {
            what: what.into(),
            unit: "ns",
            compared: Some((pair.base.median(), pair.measured.median())),
            bound,
            figure: pair.ratio.median(),
            spread: (pair.ratio.quantile(10), pair.ratio.quantile(90)),
        }
    }

    /// One that does not vary.
    fn alone(what: impl Into<String>, unit: &'static str, bound: Bound, figure: f64) -> Self {
        Self { what: what.into(), unit, compared: None, bound: Some(bound), figure, spread: (figure, figure) }
    }
}

/// A row, as files have it.
#[derive(Serialize)]
struct Measured {
    goal: &'static str,
    /// Without a bound there is none.
    is_met: Option<bool>,
    #[serde(flatten)]
    row: Row,
}

/// All of a run.
#[derive(Serialize)]
struct Run {
    conditions: Conditions,
    results: Vec<Measured>,
    /// What could not be measured, and why.
    skipped: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    allow_many_fds()?;
    let conditions = Conditions::now();
    let mut shown = table(["goal", "what", "unit", "against", "measured", "figure", "spread", "wanted", "met"]);
    let mut results = vec![];
    let (_, mut skipped) = Peer::installed();
    for (goal, measure) in GOALS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == goal) {
            continue;
        }
        eprintln!("{goal} ...");
        let rows = match measure(options) {
            Ok(rows) => rows,
            Err(error) if error.is::<Skipped>() => {
                skipped.push(format!("{goal}: {error:#}"));
                continue;
            }
            Err(error) => return Err(error.context(goal)),
        };
        for row in rows {
            let is_met = row.bound.map(|bound| bound.is_met(row.figure));
            let side = |side: Option<f64>| side.map_or("".to_owned(), |figure| format!("{figure:.0}"));
            shown.add_row([
                goal.to_owned(),
                row.what.clone(),
                row.unit.to_owned(),
                side(row.compared.map(|(against, _)| against)),
                side(row.compared.map(|(_, measured)| measured)),
                format!("{:.2}", row.figure),
                format!("{:.2} to {:.2}", row.spread.0, row.spread.1),
                row.bound.map(|bound| bound.to_string()).unwrap_or_default(),
                is_met.map_or("", |is_met| if is_met { "yes" } else { "no" }).to_owned(),
            ]);
            results.push(Measured { goal, is_met, row });
        }
    }
    println!("{shown}");
    for reason in &skipped {
        println!("skipped: {reason}");
    }
    let run = Run { conditions, results, skipped };
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&run)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(docs) = &options.record {
        history::record(docs, &serde_json::to_value(&run)?)?;
    }
    Ok(())
}
