//! How long it takes until a change of a domain is in the list of one who follows them. On the installed libxl, without a hypervisor.

use crate::figures::{Sample, now, table};
use crate::goals::simulated_machine;
use anyhow::{Context, ensure};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use osevent_conformance_loops::Adapter;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};
use xenlight::{Ctx, DomainChange, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains there are
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..32000))]
    domains: u32,
    /// How many changes there are
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    changes: u32,
    /// Is the process that follows, on a machine that is there
    #[arg(long, hide = true)]
    inside: bool,
}

/// Between two changes: the process that follows is at rest when one comes.
const BETWEEN: Duration = Duration::from_millis(10);
const READY: &str = "ready";
/// The name after all changes.
const LAST: &str = "last";

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.inside {
        return inside(options);
    }
    let machine = simulated_machine()?;
    for domid in 1..=options.domains {
        machine.add_domain(domid).map_err(|error| anyhow::anyhow!("no domain {domid}: {error}"))?;
    }
    let (domains, changes) = (options.domains.to_string(), options.changes.to_string());
    let mut command = machine.command(std::env::current_exe()?);
    command.args(["follow", "--inside", "--domains", &domains, "--changes", &changes]).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
    ensure!(lines.next().context("it says nothing")?? == READY, "the process that follows does not begin");
    for number in 0..options.changes {
        thread::sleep(BETWEEN);
        let path = format!("/local/domain/{}/name", 1 + number % options.domains);
        // The name is when the change was made.
        machine.store().write(&path, now().as_nanos().to_string().as_bytes())?;
    }
    thread::sleep(BETWEEN);
    machine.store().write("/local/domain/1/name", LAST.as_bytes())?;
    for line in lines {
        println!("{}", line?);
    }
    let status = child.wait()?;
    ensure!(status.success(), "the process that follows ended with {status}");
    Ok(())
}

fn inside(options: &Options) -> anyhow::Result<()> {
    let host = Adapter::Epoll.start()?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let start = Instant::now();
    let mut domains = ctx.follow_domains()?;
    let first = start.elapsed();
    println!("{READY}");
    let mut times = Vec::new();
    // Two changes of a name are one, if nobody looked in between.
    loop {
        let change = block_on(domains.next()).context("the stream has ended")?;
        let arrived = now();
        let DomainChange::Changed { now, .. } = &change else { anyhow::bail!("{change:?}") };
        let name = now.name.as_deref().context("it has no name")?;
        if name == LAST {
            break;
        }
        times.push(arrived.saturating_sub(Duration::from_nanos(name.parse().context("the name is no time")?)));
    }
    let sample = Sample::of(times).context("there was no change")?;
    let mut shown = table(["of so many domains", "median", "p99", "most"]);
    let shown_as = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let what = format!("a change until it is told, {}", options.domains);
    shown.add_row([what, shown_as(sample.median()), shown_as(sample.quantile(99)), shown_as(sample.worst())]);
    println!("{shown}\nto begin with all of them takes {}", shown_as(first));
    Ok(())
}
