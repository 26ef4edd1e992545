//! `osevent-benchmarks`: what hosting libxl costs a program, beside what the same loop's own means cost in the same run.
//!
//! `cargo xtask bench` builds it in release and runs it. Absolute numbers are the machine's; docs/benchmarks.md has
//! those of one.

mod client;
mod conditions;
mod counting;
mod dispatch;
mod document;
mod eventfd;
mod figures;
mod follow;
mod goals;
mod growth;
mod idle;
mod kind;
mod list;
mod lives;
mod peers;
mod ring;
mod rival;
mod share;
mod stall;
mod way;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures what hosting libxl costs, and prints tables: all that need no Xen, if none is named.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// The goals that are stated for speed and memory, and whether they are met
    Goals(goals::Options),
    /// Measures on a simulated machine, for `goals`
    #[command(hide = true)]
    Inside(goals::Inside),
    /// How cost grows with fds, timeouts, threads, domains and ctxs
    Growth(growth::Options),
    /// One event through osevent, and through a source of the loop's own
    Dispatch(dispatch::Options),
    /// What a client that is always busy leaves to the host's own sources and timers
    Share(share::Options),
    /// How often an attachment that has nothing to do wakes the process
    Idle(idle::Options),
    /// How long it takes to list domains with all that a manager shows of them, and what an open ctx takes
    List(list::Options),
    /// How long it takes until a change of a domain is told to one who follows them
    Follow(follow::Options),
    /// How long it takes to create and destroy domains, against xl; on a Xen, such as the lab's
    Lives(lives::Options),
    /// How long the host's loop stands still while libxl works, in both modes; on a Xen, such as the lab's
    Stall(stall::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("osevent-benchmarks: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.what {
        Some(What::Goals(options)) => goals::run(&options),
        Some(What::Inside(inside)) => goals::inside(&inside),
        Some(What::Growth(options)) => growth::run(&options),
        Some(What::Dispatch(options)) => dispatch::run(&options),
        Some(What::Share(options)) => share::run(&options),
        Some(What::Idle(options)) => idle::run(&options),
        Some(What::List(options)) => list::run(&options),
        Some(What::Follow(options)) => follow::run(&options),
        Some(What::Lives(options)) => lives::run(&options),
        Some(What::Stall(options)) => stall::run(&options),
        None => ["dispatch", "share", "idle"].into_iter().try_for_each(|what| {
            println!("{what}:");
            run(Arguments::parse_from([env!("CARGO_PKG_NAME"), what]))
        }),
    }
}
