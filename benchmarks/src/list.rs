//! What it takes to list domains with all that a manager shows of them, and to have a ctx open. On the installed libxl, without a hypervisor.

use crate::figures::table;
use crate::goals::simulated_machine;
use crate::memory_of;
use anyhow::{Context, ensure};
use osevent_conformance_loops::Adapter;
use std::time::{Duration, Instant};
use xenlight::types::{Disk, Nic};
use xenlight::{Ctx, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains there are
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..32000))]
    domains: u32,
    /// How often it is repeated
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Is the process that lists, on a machine that is there
    #[arg(long, hide = true)]
    inside: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.inside {
        return inside(options);
    }
    let machine = simulated_machine()?;
    for domid in 1..=options.domains {
        machine.add_domain(domid).map_err(|error| anyhow::anyhow!("no domain {domid}: {error}"))?;
    }
    let mut command = machine.command(std::env::current_exe()?);
    command.args([
        "list",
        "--inside",
        "--domains",
        &options.domains.to_string(),
        "--rounds",
        &options.rounds.to_string(),
    ]);
    let status = command.status()?;
    ensure!(status.success(), "the process that lists ended with {status}");
    Ok(())
}

fn inside(options: &Options) -> anyhow::Result<()> {
    let host = Adapter::Epoll.start()?;
    let attached = host.attach()?;
    let library = Library::load()?;
    // What the first one loads and allocates for all is no other's.
    drop(Ctx::open(&library, attached.event_loop.clone())?);
    let [before, _] = memory_of::this_process()?;
    const OPEN: u64 = 20;
    let many: Vec<_> = (0..OPEN).map(|_| Ctx::open(&library, attached.event_loop.clone())).collect::<Result<_, _>>()?;
    let [after, _] = memory_of::this_process()?;
    let each = after.saturating_sub(before) / OPEN;
    let ctx = many.first().context("a ctx was opened")?;

    let mut shown = table(["of so many domains", "median", "least", "most"]);
    let mut row = |what: &str, list: &dyn Fn() -> Result<usize, xenlight::Error>| -> anyhow::Result<()> {
        let mut times = Vec::new();
        for _ in 0..options.rounds {
            let start = Instant::now();
            let count = list()?;
            times.push(start.elapsed());
            // Domain 0 as well.
            ensure!(count == options.domains as usize + 1, "{count} domains were listed");
        }
        times.sort();
        let shown_as = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let (least, median, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        shown.add_row([format!("{what}, {}", options.domains), shown_as(median), shown_as(least), shown_as(most)]);
        Ok(())
    };
    row("states", &|| Ok(ctx.domains()?.len()))?;
    row("states, names, disks, network interfaces", &|| {
        let domains = ctx.domains()?;
        for domain in &domains {
            ctx.name(domain.domid)?;
            ctx.devices::<Disk>(domain.domid)?;
            ctx.devices::<Nic>(domain.domid)?;
        }
        Ok(domains.len())
    })?;
    println!("{shown}\nan open ctx takes {} KiB of resident memory", each);
    Ok(())
}
