//! The command line of osevent-manager, which GLib reads.

use clap::{Arg, ArgAction, Command, ValueHint};

use crate::options::{ABOUT, CommandOption, FILES, OPTIONS};

/// As clap would have it.
pub(crate) fn command() -> Command {
    let file = FILES.trim_matches(['[', '…', ']']);
    let files = Arg::new("files").value_name(file).value_hint(ValueHint::FilePath).num_args(0..);
    // GLib's.
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Show help options");
    Command::new("osevent-manager")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_flag(true)
        .about("Manage the virtual machines of a Xen host")
        .long_about(ABOUT)
        .arg(files)
        .args(OPTIONS.map(argument))
        .arg(help)
}

fn argument(option: &CommandOption) -> Arg {
    let argument = Arg::new(option.long).long(option.long).short(option.short).help(option.text);
    match option.value {
        Some(name) => argument.value_name(name),
        None => argument.action(ArgAction::SetTrue),
    }
}
