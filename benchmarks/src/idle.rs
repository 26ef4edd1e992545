//! How often a program that waits is woken: its threads' switches, as the kernel counts them.

use crate::client::Client;
use crate::configured;
use crate::eventfd::new_eventfd;
use crate::figures::table;
use crate::goals::simulated_machine;
use crate::kind::Kind;
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_core::{ClientValue, Deadline, Interest};
use procfs::process::Process;
use std::os::fd::AsRawFd;
use std::time::Duration;
use xenlight::{Ctx, Domain, DomainId, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each is left alone
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many domains there are, for those who follow them
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..32000))]
    domains: u32,
    /// Is the process that follows them, on a machine that is there
    #[arg(long, hide = true)]
    inside: bool,
}

/// Until async-io's own thread leaves the waiting to the executor's.
const SETTLING: Duration = Duration::from_secs(2);

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.inside {
        return followed(options);
    }
    attached(options)?;
    let machine = simulated_machine()?;
    configured::add(&machine, options.domains)?;
    let (seconds, domains) = (options.seconds.to_string(), options.domains.to_string());
    let mut command = machine.command(std::env::current_exe()?);
    let status = command.args(["idle", "--inside", "--seconds", &seconds, "--domains", &domains]).status()?;
    ensure!(status.success(), "the process that follows ended with {status}");
    Ok(())
}

/// Of who follows domains, before and after their configurations were asked for.
fn followed(options: &Options) -> anyhow::Result<()> {
    let wake_ups = || Ok::<_, anyhow::Error>(wake_ups(options.seconds)?.to_string());
    let mut shown = table(["loop", "wake-ups a second with followed domains", "with their configurations"]);
    for kind in Kind::ALL {
        let host = kind.start()?;
        let attached = host.attach()?;
        let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
        configured::write_files(&ctx)?;
        let domains = ctx.follow_domains()?;
        let before = wake_ups()?;
        let of = domains.list().map(Domain::domid).filter(|domid| *domid != DomainId::DOM0);
        let configs = ctx.followed_configs(of);
        ensure!(configs.len() == options.domains as usize, "{} domains are followed", configs.len());
        for config in configs {
            block_on(config)?;
        }
        shown.add_row([kind.name().to_owned(), before, wake_ups()?]);
        drop(domains);
        block_on(ctx.close());
    }
    println!("{shown}");
    Ok(())
}

/// Of a client that has nothing to do.
fn attached(options: &Options) -> anyhow::Result<()> {
    let mut shown = table(["loop", "wake-ups a second without osevent", "with an idle client"]);
    for kind in Kind::ALL {
        let alone = {
            let _alone = kind.start()?;
            wake_ups(options.seconds)?
        };
        let host = kind.start()?;
        let attached = host.attach()?;
        let client = Client::on(attached.event_loop.clone(), |_| {});
        let quiet = new_eventfd(0)?;
        client.register_fd(quiet.as_raw_fd(), Interest::IN, ClientValue(1))?;
        client.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(2))?;
        shown.add_row([kind.name().to_owned(), alone.to_string(), wake_ups(options.seconds)?.to_string()]);
    }
    println!("{shown}");
    Ok(())
}

/// In a second, of all threads but this one.
fn wake_ups(seconds: u64) -> anyhow::Result<f64> {
    std::thread::sleep(SETTLING);
    let before = switches()?;
    std::thread::sleep(Duration::from_secs(seconds));
    Ok((switches()? - before) as f64 / seconds as f64)
}

fn switches() -> anyhow::Result<u64> {
    let process = Process::myself()?;
    let mut sum = 0;
    for task in process.tasks()? {
        let status = task?.status()?;
        // The first thread, which counts.
        if status.pid != process.pid {
            let counted = status.voluntary_ctxt_switches.zip(status.nonvoluntary_ctxt_switches);
            let (voluntary, involuntary) = counted.context("this kernel does not count switches")?;
            sum += voluntary + involuntary;
        }
    }
    Ok(sum)
}
