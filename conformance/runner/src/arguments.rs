//! What the program is asked for.

use crate::{hosts, random, report, tiers};
use clap::Parser;
use osevent_conformance::patience;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Runs the conformance cases: what libxl demands of an event loop, checked on real libxl.
#[derive(Parser)]
#[command(name = "osevent-conformance", version)]
pub(crate) struct Arguments {
    /// Which event loop hosts libxl; all, if none is named.
    #[arg(long = "adapter", value_enum)]
    pub(crate) adapters: Vec<hosts::Adapter>,
    /// Whether libxl works on the loop or on a thread of its own; both, if neither is named.
    #[arg(long = "mode", value_enum)]
    pub(crate) modes: Vec<hosts::Mode>,
    /// What is below libxl: pretend domains, or the Xen that this machine runs on (as root, in its dom0).
    #[arg(long, value_enum, default_value = "libxl")]
    pub(crate) tier: tiers::Tier,
    /// The type of the domains that the cases create on a real Xen. If none is named, the loops share the types out: each case
    /// runs once on each loop and in each mode, and on each type.
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) types: Option<tiers::xen::Types>,
    /// Only the cases whose name is, or begins with, this; may be given several times.
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,
    /// Not the cases whose name is, or begins with, this; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) without: Vec<String>,
    /// The libxl that is loaded, as a file, in place of the one that is installed.
    #[arg(long, value_name = "FILE")]
    pub(crate) libxl: Option<PathBuf>,
    /// The kernel for Linux domains on a real Xen, which has to run as a PV domain; the one that dom0 runs, if none is named.
    #[arg(long, value_name = "FILE")]
    pub(crate) linux: Option<PathBuf>,
    /// Where the other host of --tier pair serves: an address and a port.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) peer: Option<SocketAddr>,
    /// Be the other host of --tier pair, at this address and port, until the process is ended. Whoever can connect may create and destroy domains:
    /// this is for a network without others.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["peer", "cases", "list"])]
    pub(crate) serve: Option<SocketAddr>,
    /// Measure so many migrations by xenlight and as many by xl, from this host to that at --peer, instead of running cases.
    #[arg(long, value_name = "N", requires = "peer", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) figures: Option<u32>,
    /// List the cases instead of running them.
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) reports: report::Files,
    /// How often each case runs.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// How many cases run at a time. On a real Xen, one.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: u16,
    /// How many seconds a case waits for what a conforming loop does at once; less, once a case has waited in vain.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    #[command(flatten)]
    pub(crate) random: random::Random,
    /// Show libxl's log of the cases that fail.
    #[arg(long)]
    pub(crate) log: bool,
    /// Run the cases at the boundary on loops with a planted fault, and on one without: those that are named, or all. What
    /// has to fail fails, and is told by its clause.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    pub(crate) broken: Option<Vec<String>>,
    /// Run the suite on the loop in this shared object, which has the two functions of osevent_loop.h. --case can be given
    /// once, with any part of a case's name.
    #[arg(long = "loop", value_name = "FILE", conflicts_with_all = ["adapters", "tier", "broken"])]
    pub(crate) shared_object: Option<PathBuf>,
    /// Print the cases of these reports, as --json writes them, in one table, and write them to one report.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["cases", "broken", "list"])]
    pub(crate) merge: Vec<PathBuf>,
    /// Print times in place of marks.
    #[arg(long)]
    pub(crate) times: bool,
    /// Look whether libxl and the stand-ins below it go together: what the runner starts before the cases.
    #[arg(long, hide = true)]
    pub(crate) probe: bool,
    /// Run this one case in this process and write its outcome to the file: what the runner starts.
    #[arg(long, hide = true, value_name = "OUTCOME")]
    pub(crate) inside: Option<PathBuf>,
}

impl Arguments {
    /// The patience with a loop of which nothing is known.
    pub(crate) fn patience(&self) -> Duration {
        self.patience.map_or_else(patience::patience, |seconds| Duration::from_secs(seconds.into()))
    }
}
