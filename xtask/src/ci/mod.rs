//! `test`: all that has to hold before a change is good, in steps; the last line counts.
//!
//! A step that fails does not keep the later ones from running. Nothing that was not run counts as passed: a step
//! left out with `--skip`, an ignored test and a skipped case count as skipped.

mod steps;
mod tally;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::workspace::Workspace;
use steps::{STEPS, Step};
use tally::Tally;

/// Which steps to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave a step out; repeat for more
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    skip: Vec<String>,
    /// Run this step and leave out the others; repeat for more
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.map(|step| step.name)))]
    only: Vec<String>,
}

impl Options {
    fn wants(&self, step: &Step) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == step.name);
        !named(&self.skip) && (self.only.is_empty() || named(&self.only))
    }
}

/// Runs the steps; 0 when nothing failed, else 1.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let start = Instant::now();
    let mut results: Vec<(&Step, Tally, Duration)> = Vec::new();
    for step in &STEPS {
        let begun = Instant::now();
        let tally = if options.wants(step) {
            println!("==> {}: {}", step.name, step.what);
            (step.run)(workspace).unwrap_or_else(|error| {
                println!("{}: {error:#}", step.name);
                Tally::FAILED
            })
        } else {
            println!("==> {}: not wanted", step.name);
            Tally::SKIPPED
        };
        let took = begun.elapsed();
        println!("<== {}: {tally} in {:.1} s", step.name, took.as_secs_f64());
        results.push((step, tally, took));
    }

    let mut sum = Tally::default();
    println!();
    for (step, tally, took) in results {
        println!("{:>8} {:>7.1} s  {tally}", step.name, took.as_secs_f64());
        sum += tally;
    }
    println!("{:>8} {:>7.1} s", "all", start.elapsed().as_secs_f64());
    println!("{sum}");
    Ok(u8::from(sum.failed > 0))
}
