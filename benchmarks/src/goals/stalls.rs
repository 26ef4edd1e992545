//! P14: how long a loop stands still while libxl works on a thread of its own. On a simulated machine, with the installed libxl.

use super::row::Bound::AtMost;
use super::row::Row;
use super::{Options, simulated_machine};
use crate::kind::Kind;
use crate::stall;
use anyhow::Context;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use xenlight::types::{Machine as Of, Pvh};
use xenlight::{DomainConfig, Library};

/// The process on the machine, whose output is its figures.
#[derive(clap::Args)]
pub(crate) struct Stalls {
    rounds: u32,
    kernel: PathBuf,
}

/// At rest, and before the end.
const PAUSE: Duration = Duration::from_millis(100);

/// Of a round of a loop, in milliseconds: the longest at rest, and while a domain is created, unpaused and destroyed.
type Longest = (f64, f64);

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let machine = simulated_machine()?;
    let folder = tempfile::tempdir()?;
    let kernel = folder.path().join("kernel");
    fs::write(&kernel, osevent_domains::kernel::idle())?;
    let kernel = kernel.to_str().context("the path of the folder for temporary files is no UTF-8")?;
    let rounds: Vec<Vec<Longest>> = super::on_machine::output_of(machine.command(std::env::current_exe()?).args([
        "stalls",
        &options.rounds.to_string(),
        kernel,
    ]))?;
    let row = |(kind, rounds): (Kind, Vec<Longest>)| {
        let what =
            format!("{}: the loop stands still while libxl creates and destroys, more than at rest", kind.name());
        Row::of_difference(what, "ms", Some(AtMost(16.0)), rounds)
    };
    Ok(Kind::ALL.into_iter().zip(rounds).map(row).collect())
}

pub(crate) fn stalls(stalls: &Stalls) -> anyhow::Result<()> {
    let library = Library::load()?;
    let mut config = DomainConfig::new("stall", Of::Pvh(Pvh::default()));
    let kernel = stalls.kernel.to_str().context("the path of the kernel is no UTF-8")?;
    config.build_info = config.build_info.max_memory_kib(65_536).kernel(kernel);
    let mut rounds = Kind::ALL.map(|_| vec![]);
    // The first round is not counted.
    for round in 0..=stalls.rounds {
        for (kind, rounds) in Kind::ALL.into_iter().zip(&mut rounds) {
            let [rest, work @ ..] =
                stall::life(kind, true, &library, &config, PAUSE)?.map(|phase| phase.longest.as_secs_f64() * 1e3);
            if round > 0 {
                rounds.push((rest, work.into_iter().fold(0.0, f64::max)));
            }
        }
    }
    println!("{}", serde_json::to_string(&rounds)?);
    Ok(())
}
