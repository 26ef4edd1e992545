//! The command that runs random scripts for as long as one likes.

use crate::hosts::Adapter;
use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use osevent_conformance::integration::CoreIntegration;
use osevent_conformance::model::{Failure, Plan, Release, SHRINKING, Script, replay, run_seeds};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Random scripts on the model of libxl, in place of cases.
#[derive(Args)]
#[command(next_help_heading = "Random scripts on the model of libxl, in place of cases")]
pub(crate) struct Random {
    /// Run the scripts of so many seeds on each adapter and for each release; print the first that fails, made shorter.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed, or the only one.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Run the script in this file, as it was printed. --repeat says how often.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seed"])]
    script: Option<PathBuf>,
    /// Be like this release of libxl; like all in turn, if none is named.
    #[arg(long = "release", value_parser = release())]
    releases: Vec<Release>,
}

/// The names of releases.
fn release() -> impl TypedValueParser<Value = Release> {
    let named = |name: String| Release::ALL.iter().copied().find(|release| release.name() == name);
    PossibleValuesParser::new(Release::ALL.iter().map(|release| release.name()))
        .map(move |name| named(name).expect("it is one of them"))
}

/// How long a host is waited for. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

impl Random {
    /// Whether that is what is asked for.
    pub(crate) fn are_given(&self) -> bool {
        self.seeds.is_some() || self.seed.is_some() || self.script.is_some()
    }

    /// True if nothing failed.
    pub(crate) fn run(&self, adapters: &[Adapter], repeat: u32) -> anyhow::Result<bool> {
        let adapters = if adapters.is_empty() { Adapter::ALL } else { adapters };
        let mut passed = true;
        for adapter in adapters {
            passed &= match &self.script {
                Some(path) => {
                    let text = std::fs::read_to_string(path);
                    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
                    run_script(&Script::parse(&text)?, *adapter, repeat)?
                }
                None => self.run_seeds(*adapter)?,
            };
        }
        Ok(passed)
    }

    fn run_seeds(&self, adapter: Adapter) -> anyhow::Result<bool> {
        let releases = if self.releases.is_empty() { Release::ALL } else { &self.releases };
        let first = self.seed.unwrap_or(0);
        let seeds = first..first + self.seeds.unwrap_or(1);
        let mut passed = true;
        for &release in releases {
            let integration = CoreIntegration::new(adapter.start()?);
            let progress = progress(seeds.end - seeds.start);
            progress.set_message(format!("{release} on {}", adapter.name()));
            let start = Instant::now();
            let plan = Plan { release, seeds: seeds.clone(), patience: PATIENCE };
            let failure = run_seeds(&plan, &integration, |_| progress.inc(1))?;
            let (count, seconds) = (progress.position(), start.elapsed().as_secs_f64());
            progress.finish_and_clear();
            println!("{release} on {}: {count} seeds, {:.0} a second", adapter.name(), count as f64 / seconds);
            passed &= tell(failure, integration, adapter);
        }
        Ok(passed)
    }
}

fn run_script(script: &Script, adapter: Adapter, repeat: u32) -> anyhow::Result<bool> {
    let integration = CoreIntegration::new(adapter.start()?);
    for _ in 0..repeat {
        if let Some(failure) = replay(script, &integration, PATIENCE)? {
            return Ok(tell(Some(failure), integration, adapter));
        }
    }
    println!("{} on {}: passed {repeat} times", script.release, adapter.name());
    Ok(true)
}

/// Prints the failure, if there is one. False if so.
fn tell(failure: Option<Failure>, integration: CoreIntegration, adapter: Adapter) -> bool {
    let Some(mut failure) = failure else { return true };
    if failure.stuck {
        // Its end would wait for the threads that hang.
        std::mem::forget(integration);
        let shortened =
            failure.shorten_hanging(SHRINKING, || Ok(Box::new(CoreIntegration::new(adapter.start()?)) as Box<_>));
        if let Err(error) = shortened {
            eprintln!("the script could not be made as short as possible: {error:#}");
        }
    }
    println!("failed on {}: {failure}", adapter.name());
    false
}

fn progress(length: u64) -> ProgressBar {
    let template = "{elapsed} {bar:30} {pos}/{len} {per_sec} {msg} {eta}";
    ProgressBar::new(length).with_style(ProgressStyle::with_template(template).expect("a valid template"))
}
