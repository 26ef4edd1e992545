//! The project's own commands: `cargo xtask COMMAND`.
//!
//! It needs nothing of what it sets up: neither GLib nor Xen.

mod apt;
mod bench;
mod book;
mod ci;
mod command;
mod conformance;
mod debian;
mod demo;
mod dom0_program;
mod lab;
mod libxl;
mod package;
mod setup;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "The commands of the osevent project")]
struct Xtask {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Subcommand)]
enum XtaskCommand {
    /// Install the system packages that the project needs
    Setup,
    /// Set up, check and test everything; ends with one line that counts
    Test(ci::Options),
    /// Check what a release needs besides: packages, oldest Rust and dependencies, features, interfaces
    CheckRelease(ci::ReleaseOptions),
    /// Run the conformance suite; with --tier xen, on a real Xen in the lab; with --tier pair, on two of them; with --libxl, on that release's libxl
    #[command(disable_help_flag = true)]
    Conformance {
        /// The suite's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build Debian packages, and try them on clean systems of Debian 12 and 13
    Package,
    /// Build the suite as one file for the dom0 of another machine
    Dom0Program,
    /// Measure what hosting libxl costs, in a release build: all, on a real Xen too, or the benchmark that is named
    #[command(disable_help_flag = true)]
    Bench {
        /// The benchmarks' own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a program on a simulated machine, without Xen and without root; without a program, the manager of virtual machines
    Demo {
        /// A path, or a binary or example of the workspace; and its arguments. The machine has the domains `web` and `database`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
        command: Vec<OsString>,
    },
    /// Build the book and check its links
    Book,
    /// Run a program as root in the dom0 of a real Xen, in QEMU
    ///
    /// Exits as the program does; 128+n if signal n killed it; 127 if dom0 cannot start it; 124 when the time is
    /// over; 125 if the boot stood still twice, Xen or dom0 panicked, or no exit code came back for another reason; 2 if the lab cannot start.
    Lab(lab::Options),
}

fn main() -> ExitCode {
    match run(Xtask::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: XtaskCommand) -> Result<u8> {
    match command {
        XtaskCommand::Setup => setup::run().map(|()| 0),
        XtaskCommand::Test(options) => ci::run(&Workspace::load()?, &options),
        XtaskCommand::CheckRelease(options) => ci::check_release(&Workspace::load()?, &options),
        XtaskCommand::Conformance { arguments } => conformance::run(&Workspace::load()?, arguments),
        XtaskCommand::Package => package::run(&Workspace::load()?),
        XtaskCommand::Dom0Program => dom0_program::run(&Workspace::load()?).map(|()| 0),
        XtaskCommand::Bench { arguments } => bench::run(&Workspace::load()?, arguments),
        XtaskCommand::Demo { command } => demo::run(&Workspace::load()?, &command),
        XtaskCommand::Book => book::run(&Workspace::load()?),
        XtaskCommand::Lab(options) => lab::run(&Workspace::load()?, &options),
    }
}
