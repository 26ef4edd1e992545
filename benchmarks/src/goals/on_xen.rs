//! P11, P13, P15 and P16 on a real Xen, such as that of `lab --libvirt`: beside xl and libvirtd.

use super::on_machine::output_of;
use super::row::Bound::{self, AtMost};
use super::row::{Measured, Row, show};
use super::{Run, resident, take, write_json};
use crate::conditions::Conditions;
use crate::figures::Pair;
use crate::libvirtd::{LibvirtDomain, Libvirtd};
use crate::xl_file::XlFile;
use crate::{deaths, lists, lives};
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains are listed, watched, and die
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    domains: u32,
    /// How many are created and destroyed, one after the other
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    lives: u32,
    /// How often all are listed and watched
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The domain, as a file for xl with its name in a line of its own
    #[arg(long, default_value = "/lab/idle.cfg", value_name = "FILE")]
    config: PathBuf,
    /// Measures this goal and leaves out the others; repeat for more
    #[arg(long, value_name = "GOAL", value_parser = GOALS.map(|(name, _)| name))]
    only: Vec<String>,
    /// Writes the results here, for `goals --on-xen`
    #[arg(long, value_name = "FILE")]
    json: PathBuf,
}

type Measure = fn(&Libvirtd, &Options) -> anyhow::Result<Vec<Row>>;

const GOALS: [(&str, Measure); 4] = [("P11", of_lives), ("P13", of_deaths), ("P15", of_lists), ("P16", of_memory)];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let conditions = Conditions::now();
    let libvirtd = Libvirtd::start()?;
    let (mut results, mut skipped) = (vec![], vec![]);
    let wanted = |goal: &str| options.only.is_empty() || options.only.iter().any(|only| only == goal);
    for (goal, measure) in GOALS.into_iter().filter(|(goal, _)| wanted(goal)) {
        eprintln!("{goal} ...");
        take(goal, measure(&libvirtd, options), &mut results, &mut skipped)?;
    }
    show(&results, &skipped);
    write_json(&options.json, &Run { conditions, results, skipped })
}

/// What [`run`] has written.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Measured>> {
    let written = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let run: Run =
        serde_json::from_slice(&written).with_context(|| format!("`on-xen` has not written {}", path.display()))?;
    Ok(run.results)
}

fn row(what: String, bound: Option<Bound>, pair: &Pair) -> Row {
    Row { unit: "ms".into(), ..Row::of_pair(what, bound, pair) }
}

fn of_lives(libvirtd: &Libvirtd, options: &Options) -> anyhow::Result<Vec<Row>> {
    let lives = lives::one_at_a_time(libvirtd, options.lives, &options.config)?;
    let row = |(what, pair): &(String, Pair)| {
        // A whole life has the goal.
        let bound = what.starts_with(lives::WHOLE).then_some(AtMost(0.5));
        row(format!("on Xen: a domain {what}"), bound, pair)
    };
    Ok(lives.iter().map(row).collect())
}

fn of_deaths(libvirtd: &Libvirtd, options: &Options) -> anyhow::Result<Vec<Row>> {
    let deaths = deaths::measure(libvirtd, options.domains, &options.config)?;
    let rows = deaths.iter().flat_map(|(what, pair)| {
        let what = format!("on Xen: one of {} domains {what}, against libvirtd", options.domains);
        let (base, measured) = (pair.base.quantile(99), pair.measured.quantile(99));
        let last = Row::alone(format!("{what}: p99"), "ms", AtMost(0.5), measured / base);
        [row(what, Some(AtMost(0.5)), pair), Row { compared: Some((base, measured)), ..last }]
    });
    Ok(rows.collect())
}

fn of_lists(libvirtd: &Libvirtd, options: &Options) -> anyhow::Result<Vec<Row>> {
    let lists = lists::measure(libvirtd, options.domains, options.rounds, &options.config)?;
    let row = |(what, pair): &(String, Pair)| {
        row(format!("on Xen: {} domains {what}", options.domains), Some(AtMost(0.2)), pair)
    };
    Ok(lists.iter().map(row).collect())
}

/// Each of a few domains is watched more than once.
fn of_memory(libvirtd: &Libvirtd, options: &Options) -> anyhow::Result<Vec<Row>> {
    const WATCHES: usize = 200;
    let domains = libvirtd.create_many(options.domains.min(20), &XlFile::read(&options.config)?, "watched")?;
    let watched: Vec<_> = domains.iter().map(LibvirtDomain::id).cycle().take(WATCHES).collect();
    let rows = resident::rows(options.rounds, &watched, "on Xen: ", |program, domids| {
        output_of(Command::new(program).args(domids))
    });
    domains.iter().try_for_each(LibvirtDomain::destroy)?;
    rows
}
