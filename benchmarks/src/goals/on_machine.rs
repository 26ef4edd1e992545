//! P15 and P16: a list of all domains, and the memory of a host program. On a simulated machine, with the installed libxl.
//!
//! What is measured runs in a process of its own on the machine, whose output is its figures.

use super::row::Bound::AtMost;
use super::row::Row;
use super::{Options, Skipped, resident, simulated_machine};
use crate::configured;
use crate::figures::Pair;
use crate::lists::{by_follower, by_xl};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance_loops::Adapter;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use xenlight::{Ctx, DomainId, Library};

const DOMAINS: u32 = 200;

/// The process that lists.
#[derive(clap::Args)]
pub(crate) struct Listing {
    domains: u32,
    rounds: u32,
    xl: PathBuf,
}

/// A machine with so many domains, and what this program writes on it.
fn on_machine<T: DeserializeOwned>(domains: u32, program: &Path, arguments: &[String]) -> anyhow::Result<T> {
    let machine = simulated_machine()?;
    configured::add(&machine, domains)?;
    output_of(machine.command(program).args(arguments))
}

/// The figures that a process writes.
pub(super) fn output_of<T: DeserializeOwned>(process: &mut Command) -> anyhow::Result<T> {
    let output = process.output()?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the process on the machine ended with {}: {reason}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// P16.
pub(super) fn memory(options: &Options) -> anyhow::Result<Vec<Row>> {
    let domains = DOMAINS.min(options.many);
    let domids: Vec<_> = (1..=domains).collect();
    resident::rows(options.rounds.min(5), &domids, "", |program, domids| on_machine(domains, program, domids))
}

/// P15: all domains with name, state and configuration, against `xl list -l`.
pub(super) fn list(options: &Options) -> anyhow::Result<Vec<Row>> {
    let runs = Command::new(&options.xl).arg("help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = runs {
        return Err(Skipped(format!("{}: {error}; --xl names another one", options.xl.display())).into());
    }
    let domains = DOMAINS.min(options.many);
    let xl = options.xl.to_str().context("the path of xl is no UTF-8")?;
    let arguments = ["listing", &domains.to_string(), &options.rounds.min(11).to_string(), xl].map(str::to_owned);
    let rounds: Vec<[f64; 3]> = on_machine(domains, &std::env::current_exe()?, &arguments)?;
    let what = format!("{domains} domains with name, state and configuration, against xl list -l");
    let row = |at: usize, what: String, bound| {
        let pair = Pair::of(rounds.iter().map(|round| (round[0], round[at])).collect());
        Row { unit: "ms".into(), ..Row::of_pair(what, bound, &pair) }
    };
    Ok(vec![row(1, what.clone(), None), row(2, format!("{what}: they are followed"), Some(AtMost(0.2)))])
}

/// By turns: `xl list -l`, with its start and end, the same by a ctx that is open, and by one that follows the domains.
pub(crate) fn listing(listing: &Listing) -> anyhow::Result<()> {
    let host = Adapter::Epoll.start()?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    configured::write_files(&ctx)?;
    let of_xl = || by_xl(&listing.xl, listing.domains);
    let of_osevent = || -> anyhow::Result<f64> {
        let began = Instant::now();
        // All are asked for before the first answer is waited for.
        let asked: Vec<_> = ctx.domains()?.into_iter().filter(|domain| domain.domid != DomainId::DOM0).collect();
        let asked: Vec<_> =
            asked.into_iter().map(|domain| (ctx.name(domain.domid), ctx.config(domain.domid))).collect();
        let count = asked.len();
        for (name, config) in asked {
            name?;
            block_on(config)?;
        }
        ensure!(count == listing.domains as usize, "{count} domains are listed");
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let mut domains = ctx.follow_domains()?;
    let mut round =
        || Ok([of_xl()?, of_osevent()?, by_follower(&ctx, &mut domains, listing.domains, Ctx::followed_configs)?]);
    // With the first list, for which all is asked.
    round()?;
    let rounds = (0..listing.rounds).map(|_| round()).collect::<anyhow::Result<Vec<_>>>()?;
    println!("{}", serde_json::to_string(&rounds)?);
    Ok(())
}
