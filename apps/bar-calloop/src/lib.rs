//! The domains of a Xen host in a Wayland bar, or as JSON lines for Waybar: the program osevent-bar.
//!
//! libxl, Wayland and signals are served by one calloop event loop. Each callback gets the state of the program as `&mut`.

mod act;
mod arguments;
mod bar;
mod domain;
mod host;
mod waybar;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};

/// Why a command failed, for the last line on standard error.
type Failure = Box<dyn Error>;

/// The command line, for the manual.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The program: does what the arguments of the process say.
#[must_use]
pub fn main() -> ExitCode {
    let Arguments { command, place } = Arguments::parse();
    let done = match command {
        None => bar::run(place),
        Some(Command::Waybar { domain }) => waybar::run(domain),
        Some(Command::Do { action, domain }) => act::run(action, &domain),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("osevent-bar: {failure}");
            ExitCode::FAILURE
        }
    }
}
