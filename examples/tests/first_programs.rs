//! The first programs of the book, each on a simulated machine of its own.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_standin_machine::demo::{self, Domain, Side};
use xenlight::Library;

/// In the environment of this program, when it is the machine: what to run on it.
const PROGRAM: &str = "OSEVENT_BOOK_PROGRAM";

fn main() -> ExitCode {
    if let Some(program) = env::var_os(PROGRAM) {
        return run_on_machine(program);
    }
    let programs = [("calloop", env!("CARGO_BIN_EXE_first-calloop")), ("smol", env!("CARGO_BIN_EXE_first-smol"))];
    let trials = programs.map(|(on, program)| {
        let name = format!("first_{on}_lists_the_domains_and_ends_one_of_them");
        Trial::ignorable_test(name, move || lists_and_ends(program))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn run_on_machine(program: OsString) -> ExitCode {
    match demo::enter(&[Domain::new("web"), Domain::new("database")]) {
        Ok(Side::Machine(code)) => return code,
        Ok(Side::Program) => eprintln!("{}", Command::new(program).exec()),
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}

fn lists_and_ends(program: &str) -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    let output = Command::new(env::current_exe()?).env(PROGRAM, program).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let expected =
        "Domain-0 is Running\nweb is Running\ndatabase is Running\nweb has shut down: poweroff\nweb is gone\n";
    if said != expected || !output.status.success() {
        return Err(format!("{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Completion::Completed)
}
