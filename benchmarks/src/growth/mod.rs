//! How cost grows: with fds, timeouts, threads, ctxs and domains, each with a curve through it.

mod fit;
mod machine;
mod plot;
mod series;

use crate::conditions::Conditions;
use crate::document;
use crate::eventfd::allow_many_fds;
use crate::figures::table;
use crate::peers::Peer;
use anyhow::Context;
use fit::Line;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each is measured, by turns
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events in a round
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(10..))]
    events: u32,
    /// Up to so many fds, and ten times as many timeouts
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(10..))]
    many: u32,
    /// Up to so many domains and ctxs
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..32_000))]
    domains: u32,
    /// Writes `growth.json` and a plot of each subject into this folder
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Writes `growth.json` and a plot of each subject into `benchmarks` in this folder, and shows the curves in its `benchmarks.md`
    #[arg(long, value_name = "DOCS")]
    record: Option<PathBuf>,
    /// Is the process on the simulated machine
    #[arg(long, hide = true)]
    inside: bool,
}

/// What grows, and what costs then.
#[derive(Serialize, Deserialize)]
struct Subject {
    /// Of its plot.
    name: String,
    of: String,
    cost: String,
    series: Vec<Series>,
}

#[derive(Serialize, Deserialize)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

type Measure = fn(&Options) -> anyhow::Result<Vec<Subject>>;

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    allow_many_fds()?;
    if options.inside {
        return machine::inside(options);
    }
    let conditions = Conditions::now();
    let measures: [(&str, Measure); 4] = [
        ("fds", series::fds),
        ("timeouts", series::timeouts),
        ("threads", series::threads),
        ("domains and ctxs", machine::domains_and_ctxs),
    ];
    let mut subjects = vec![];
    for (what, measure) in measures {
        eprintln!("{what} ...");
        subjects.extend(measure(options).context(what)?);
    }
    let mut shown = table(["of", "what", "unit", "the first", "each further one", "farthest from the curve"]);
    for subject in &subjects {
        for series in &subject.series {
            let line = Line::through(&series.points);
            shown.add_row([
                subject.of.clone(),
                series.name.clone(),
                subject.cost.clone(),
                significant(line.at(series.points[0].0)),
                significant(line.slope),
                format!("{:.0} %", 100.0 * line.farthest(&series.points)),
            ]);
        }
    }
    println!("{shown}");
    let (_, skipped) = Peer::installed();
    skipped.iter().for_each(|reason| println!("skipped: {reason}"));
    let run = serde_json::json!({ "conditions": conditions, "subjects": subjects, "skipped": skipped });
    let recorded = options.record.as_ref().map(|docs| docs.join("benchmarks"));
    for folder in options.plots.iter().chain(&recorded) {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("growth.json"), serde_json::to_string_pretty(&run)? + "\n")?;
        for subject in &subjects {
            plot::write(&folder.join(format!("growth-{}.svg", subject.name)), subject)?;
        }
    }
    let Some(docs) = &options.record else { return Ok(()) };
    let plots = subjects.iter().map(|subject| format!("![{}](benchmarks/growth-{}.svg)\n", subject.of, subject.name));
    let text = format!("{shown}\n\n{}\n{}", plots.collect::<String>(), conditions.sentence());
    document::replace(&docs.join("benchmarks.md"), "growth", &text)
}

/// Three digits, or as many as are before the point.
fn significant(figure: f64) -> String {
    let digits = figure.abs().log10().floor();
    let after = if digits.is_finite() { (2.0 - digits).clamp(0.0, 6.0) as usize } else { 0 };
    format!("{figure:.after$}")
}

/// 1, 10, 100... up to `most`.
fn decades(most: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1u32), |number| number.checked_mul(10)).take_while(move |number| *number <= most)
}
