//! How often a program that waits is woken: its threads' switches, as the kernel counts them.

use crate::client::Client;
use crate::eventfd::new_eventfd;
use crate::figures::table;
use crate::kind::Kind;
use anyhow::Context;
use osevent_core::{ClientValue, Deadline, Interest};
use procfs::process::Process;
use std::os::fd::AsRawFd;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each is left alone
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// Until async-io's own thread leaves the waiting to the executor's.
const SETTLING: Duration = Duration::from_secs(2);

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
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
