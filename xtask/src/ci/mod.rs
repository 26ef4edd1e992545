//! `test`: all that has to hold before a change is good; `check-release`: what has to hold before a release besides. Both in
//! steps; the last line counts.
//!
//! A step that fails does not keep the later ones from running. Nothing that was not run counts as passed: a step
//! left out with `--skip`, an ignored test and a skipped case count as skipped.

mod clauses;
mod instructions;
mod published;
mod release;
mod steps;
mod tally;
mod window;

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::lab;
use crate::workspace::Workspace;
use steps::{STEPS, Step};
use tally::Tally;

/// Which steps of `test` to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave a step out; repeat for more
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    skip: Vec<String>,
    /// Run this step and leave out the others; repeat for more
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    only: Vec<String>,
}

/// Which steps of `check-release` to run.
#[derive(Args)]
pub(crate) struct ReleaseOptions {
    /// Run this step and leave out the others; repeat for more
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(release::STEPS.map(|step| step.name)))]
    only: Vec<String>,
}

/// Runs the steps of `test`; 0 when nothing failed, else 1.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    run_steps(workspace, &STEPS, &options.only, &options.skip)
}

/// Runs the steps of `check-release`; 0 when nothing failed, else 1.
pub(crate) fn check_release(workspace: &Workspace, options: &ReleaseOptions) -> Result<u8> {
    run_steps(workspace, &release::STEPS, &options.only, &[])
}

fn run_steps(workspace: &Workspace, steps: &[Step], only: &[String], skip: &[String]) -> Result<u8> {
    let wanted = |step: &Step| {
        let named = |list: &[String]| list.iter().any(|name| name == step.name);
        !named(skip) && (only.is_empty() || named(only))
    };
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let start = Instant::now();
    let mut results: Vec<(&Step, Tally, Duration)> = Vec::new();
    let mut rest = steps;
    while let [first, others @ ..] = rest {
        let count = if lab::has_memory_for(2) { others.iter().take_while(|step| step.is_beside).count() } else { 0 };
        let beside;
        (beside, rest) = others.split_at(count);
        thread::scope(|scope| {
            let beside =
                scope.spawn(|| beside.iter().map(|step| run_step(workspace, step, wanted(step))).collect::<Vec<_>>());
            results.push(run_step(workspace, first, wanted(first)));
            results.extend(beside.join().unwrap_or_else(|panic| resume_unwind(panic)));
        });
    }

    let mut sum = Tally::default();
    println!();
    for (step, tally, _) in &results {
        tally.failures.iter().for_each(|line| println!("{}: {line}", step.name));
    }
    for (step, tally, took) in results {
        println!("{:>width$} {:>7.1} s  {tally}", step.name, took.as_secs_f64());
        sum += tally;
    }
    println!("{:>width$} {:>7.1} s", "all", start.elapsed().as_secs_f64());
    println!("{sum}");
    Ok(u8::from(sum.failed > 0))
}

fn run_step<'a>(workspace: &Workspace, step: &'a Step, is_wanted: bool) -> (&'a Step, Tally, Duration) {
    let begun = Instant::now();
    let tally = if is_wanted {
        println!("==> {}: {}", step.name, step.what);
        (step.run)(workspace).unwrap_or_else(|error| {
            println!("{}: {error:#}", step.name);
            Tally::failed_by(format!("{error:#}"))
        })
    } else {
        println!("==> {}: not wanted", step.name);
        Tally::SKIPPED
    };
    let took = begun.elapsed();
    println!("<== {}: {tally} in {:.1} s", step.name, took.as_secs_f64());
    (step, tally, took)
}
