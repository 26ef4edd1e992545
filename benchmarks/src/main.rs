//! `osevent-benchmarks`: what hosting libxl costs a program, beside what the same loop's own means cost in the same run.
//!
//! `cargo xtask bench` builds it in release and runs it. Absolute numbers are the machine's; docs/benchmarks.md has
//! those of one.

mod client;
mod conditions;
mod configured;
mod counting;
mod deaths;
mod destructions;
mod dispatch;
mod document;
mod eventfd;
mod figures;
mod flame;
mod follow;
mod goals;
mod growth;
mod idle;
mod kind;
mod libvirtd;
mod list;
mod lists;
mod lives;
mod memory_of;
mod peers;
mod processors;
mod ring;
mod rival;
mod said;
mod share;
mod silent;
mod stall;
mod way;
mod xl_file;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures what hosting libxl costs, and prints tables.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The goals that are stated for speed and memory, and whether they are met
    Goals(goals::Options),
    /// Lists domains on a simulated machine, for `goals`
    #[command(hide = true)]
    Listing(goals::Listing),
    /// Removes devices on a simulated machine, for `goals`
    #[command(hide = true)]
    Removals(goals::Removals),
    /// Stands still on a simulated machine, for `goals`
    #[command(hide = true)]
    Stalls(goals::Stalls),
    /// Those goals that are about a real Xen, such as that of `lab --libvirt`, for `goals --on-xen`
    OnXen(goals::OnXen),
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
    /// Where the time of a domain's life goes, by the clock, as a flame graph; on a Xen, such as the lab's
    Flame(flame::Options),
    /// How long it takes to list domains, against xl and libvirtd; on a Xen, such as that of `lab --libvirt`
    Lists(lists::Options),
    /// How long it takes until the death of a domain is told, against libvirtd; on a Xen, such as that of `lab --libvirt`
    Deaths(deaths::Options),
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
        What::Goals(options) => goals::run(&options),
        What::Listing(listing) => goals::listing(&listing),
        What::Removals(removals) => goals::removals(&removals),
        What::Stalls(stalls) => goals::stalls(&stalls),
        What::OnXen(options) => goals::on_xen(&options),
        What::Growth(options) => growth::run(&options),
        What::Dispatch(options) => dispatch::run(&options),
        What::Share(options) => share::run(&options),
        What::Idle(options) => idle::run(&options),
        What::List(options) => list::run(&options),
        What::Follow(options) => follow::run(&options),
        What::Lives(options) => lives::run(&options),
        What::Flame(options) => flame::run(&options),
        What::Lists(options) => lists::run(&options),
        What::Deaths(options) => deaths::run(&options),
        What::Stall(options) => stall::run(&options),
    }
}
