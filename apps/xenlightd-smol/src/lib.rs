//! The domains of a Xen host on D-Bus, for all who are not root: the program xenlightd as a library, for the tests of its clients.
//!
//! One thread runs an executor, on which everything is a task: the bus, the sockets of the metrics, and what libxl waits for. libxl itself
//! works on a thread of its own, so that the bus is served while it builds a domain.
//!
//! - `serve` puts the service together. `host` keeps the connection to Xen and says what changes, `table` finds the changes, `journal` keeps
//!   them, and `bus` has the objects and tells the changes as signals. `machine` is what the host has, `devices` what
//!   domains have. `authority` asks polkit about each method, `job` is a long operation,
//!   such as those in `saving` and `reset`, with what callers pass open, at which `files` looks before.
//! - `metrics` and `scrape` are for Prometheus.
//! - `list`, `events`, and `saved` with `save` and `restore`, are clients of the service, as anybody could write them.

mod aside;
mod authority;
mod bus;
mod client;
mod devices;
mod domain;
mod events;
mod failure;
mod files;
mod host;
mod job;
mod journal;
mod list;
mod machine;
mod metrics;
mod names;
mod reset;
mod runtime;
mod saved;
mod saving;
mod scrape;
mod serve;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand, ValueHint};
use scrape::Address;
use smol::Executor;
use zbus::Connection;
use zbus::connection::Builder;

/// Why a command failed, for the last line on standard error.
type Failed = Box<dyn Error + Send + Sync>;

/// The domains of a Xen host on D-Bus, for all who are not root
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Be the service: needs root in dom0, and the system bus
    Serve {
        /// Answer scrapes for metrics here, too: tcp:ADDRESS:PORT or unix:/PATH
        #[arg(long = "metrics", value_name = "SOCKET")]
        metrics: Vec<Address>,
    },
    /// Print the domains
    List,
    /// Print the domains, and a line for each change from now on
    Events {
        /// A JSON object in each line
        #[arg(long)]
        json: bool,
    },
    /// Save a domain to a file, and end it
    Save {
        /// Its name
        domain: String,
        /// The file, which only you can read. What it was before stays until the domain is saved
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Let the domain go on instead
        #[arg(long)]
        keep: bool,
    },
    /// Restore a domain from a file of save's, or of `xl save`
    Restore {
        /// The file, which stays
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Leave the domain paused
        #[arg(long)]
        paused: bool,
    },
}

/// The command line, for the manual.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The program: does what the arguments of the process say.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve { metrics } => serve::run(&metrics),
        Command::List => as_client(async |bus| list::run(&bus).await),
        Command::Events { json } => as_client(async move |bus| events::run(&bus, json).await),
        Command::Save { domain, file, keep } => {
            as_client(async move |bus| saved::save(&bus, &domain, &file, keep).await)
        }
        Command::Restore { file, paused } => as_client(async move |bus| saved::restore(&bus, &file, paused).await),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xenlightd: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn as_client(run: impl AsyncFnOnce(Connection) -> Result<(), Failed>) -> Result<(), Failed> {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        let bus = Builder::system().runtime(runtime::Smol(executor.clone())).build().await;
        run(bus.map_err(|error| format!("cannot reach the system bus: {error}"))?).await
    }))
}
