//! Writes the man pages and shell completions of the programs, made of their command lines, into a folder: `osevent-manual FOLDER`.
//!
//! It is run where the programs are installed from, so that they carry none of it. It knows the programs that its features name.

#[cfg(feature = "osevent-manager")]
mod manager;
#[cfg(feature = "osevent-manager")]
#[path = "../../manager-gtk/src/options.rs"]
mod options;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use clap::Command;
use clap_complete::Shell;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: osevent-manual FOLDER");
        return ExitCode::from(2);
    };
    match programs().into_iter().try_for_each(|program| write(program, &folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("osevent-manual: {error}");
            ExitCode::FAILURE
        }
    }
}

fn programs() -> Vec<Command> {
    vec![
        #[cfg(feature = "osevent-manager")]
        manager::command(),
        #[cfg(feature = "osevent-bar")]
        osevent_bar::command(),
        #[cfg(feature = "osevent-conformance")]
        osevent_conformance_runner::command(),
        #[cfg(feature = "xenlight-fleet")]
        xenlight_fleet::command(),
        #[cfg(feature = "xenlightd")]
        xenlightd::command(),
    ]
}

/// The pages of a program and of its subcommands, below `man`, and what each shell completes, in a folder with its name.
fn write(mut program: Command, folder: &Path) -> Result<(), Box<dyn Error>> {
    let pages = folder.join("man");
    fs::create_dir_all(&pages)?;
    // Without pages of `help`, which says what the others say.
    clap_mangen::generate_to(program.clone().disable_help_subcommand(true), pages)?;
    let name = program.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let folder = folder.join(shell.to_string());
        fs::create_dir_all(&folder)?;
        clap_complete::generate_to(shell, &mut program, &name, folder)?;
    }
    Ok(())
}
