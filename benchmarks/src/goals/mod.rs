//! The goals for speed and memory: each figure of osevent beside what it is compared with, measured by turns in one run.
//!
//! docs/benchmarks.md states the goals and has a result.

mod burst;
mod history;
mod memory;
mod on_machine;
mod on_xen;
mod one_hot;
mod plot;
mod registering;
mod removals;
mod resident;
mod row;
mod stalls;
mod threads;
mod timeouts;

pub(crate) use self::on_machine::{Listing, listing};
pub(crate) use self::on_xen::{Options as OnXen, run as on_xen};
pub(crate) use self::removals::{Removals, removals};
pub(crate) use self::stalls::{Stalls, stalls};
pub(crate) use self::threads::Churning;
pub(crate) use self::timeouts::{PeersPending, Pending};

use self::row::{Measured, Row, show};
use crate::conditions::Conditions;
use crate::eventfd::allow_many_fds;
use crate::peers::Peer;
use anyhow::Context;
use osevent_standin_machine::Machine;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

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
    /// Also takes in what `on-xen` has written here
    #[arg(long, value_name = "FILE")]
    on_xen: Option<PathBuf>,
    /// Also writes the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draws those with a goal here, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Also adds the results to the history in this folder, and shows it in its `benchmarks.md`
    #[arg(long, value_name = "DOCS")]
    record: Option<PathBuf>,
}

type Measure = fn(&Options) -> anyhow::Result<Vec<Row>>;

const GOALS: [(&str, Measure); 13] = [
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
    ("P14", stalls::measure),
    ("P15", on_machine::list),
    ("P16", on_machine::memory),
];

/// Something is missing on this machine, without which a goal cannot be measured; it says what.
#[derive(Debug)]
pub(crate) struct Skipped(String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// For what needs one.
pub(crate) fn simulated_machine() -> Result<Machine, Skipped> {
    Machine::new().map_err(|error| Skipped(format!("no simulated machine: {error}")))
}

/// All of a run.
#[derive(Serialize, Deserialize)]
struct Run {
    conditions: Conditions,
    results: Vec<Measured>,
    /// What could not be measured, and why.
    skipped: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    allow_many_fds()?;
    let conditions = Conditions::now();
    let mut results = vec![];
    let (_, mut skipped) = Peer::installed();
    for (goal, measure) in GOALS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == goal) {
            continue;
        }
        eprintln!("{goal} ...");
        take(goal, measure(options), &mut results, &mut skipped)?;
    }
    if let Some(path) = &options.on_xen {
        results.extend(on_xen::read(path)?);
        // A goal's figures of both machines stand together.
        results.sort_by_key(Measured::number);
    }
    show(&results, &skipped);
    let run = Run { conditions, results, skipped };
    if let Some(path) = &options.json {
        write_json(path, &run)?;
    }
    if let Some(path) = &options.plot {
        plot::write(path, &run.results)?;
    }
    if let Some(docs) = &options.record {
        history::record(docs, &serde_json::to_value(&run)?)?;
        plot::write(&docs.join("benchmarks/goals.svg"), &run.results)?;
    }
    Ok(())
}

/// Adds what was measured for a goal, or why it could not be.
fn take(
    goal: &'static str,
    measured: anyhow::Result<Vec<Row>>,
    results: &mut Vec<Measured>,
    skipped: &mut Vec<String>,
) -> anyhow::Result<()> {
    match measured {
        Ok(rows) => results.extend(rows.into_iter().map(|row| Measured::of(goal, row))),
        Err(error) if error.is::<Skipped>() => skipped.push(format!("{goal}: {error:#}")),
        Err(error) => return Err(error.context(goal)),
    }
    Ok(())
}

fn write_json(path: &Path, run: &Run) -> anyhow::Result<()> {
    fs::write(path, serde_json::to_string_pretty(run)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}
