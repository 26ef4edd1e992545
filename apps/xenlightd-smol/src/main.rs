//! The domains of a Xen host on D-Bus, for all who are not root.
//!
//! One thread runs an executor, on which everything is a task: the bus, the sockets of the metrics, and what libxl waits for. libxl itself
//! works on a thread of its own, so that the bus is served while it builds a domain.
//!
//! - [`serve`] puts the service together. [`host`] keeps the connection to Xen and says what changes, [`table`] finds the changes, and
//!   [`bus`] has the objects and tells the changes as signals. [`authority`] asks polkit about each method, [`job`] is a long operation.
//! - [`metrics`] and [`scrape`] are for Prometheus.
//! - [`list`] and [`events`] are clients of the service, as anybody could write them.

mod aside;
mod authority;
mod bus;
mod client;
mod domain;
mod events;
mod failure;
mod host;
mod job;
mod list;
mod metrics;
mod names;
mod runtime;
mod scrape;
mod serve;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
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
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve { metrics } => serve::run(&metrics),
        Command::List => as_client(async |bus| list::run(&bus).await),
        Command::Events { json } => as_client(async move |bus| events::run(&bus, json).await),
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
