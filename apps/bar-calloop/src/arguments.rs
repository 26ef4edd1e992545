//! The command line.

use clap::{Parser, Subcommand, ValueEnum};

use crate::domain::Action;

/// The domains of a Xen host in a Wayland bar, or as JSON lines for Waybar
///
/// Needs root in dom0.
#[derive(Debug, Parser)]
#[command(name = "osevent-bar", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where the bar is.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The edge of the screen
    #[arg(long, value_enum, default_value_t = Edge::Top)]
    pub(crate) edge: Edge,
    /// The height in logical pixels
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(12..=200))]
    pub(crate) height: u32,
    /// Only on the output of this name, such as DP-1
    #[arg(long)]
    pub(crate) output: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Edge {
    Top,
    Bottom,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a line of JSON for each change, as Waybar's custom modules read it
    Waybar {
        /// Tell of this domain only, by name or uuid
        #[arg(long)]
        domain: Option<String>,
    },
    /// Do something with a domain, as for a click in Waybar
    Do {
        #[arg(value_enum)]
        action: Action,
        /// Name, uuid or number
        domain: String,
    },
}
