//! The examples, each on a pretend machine: they greet a domain, report its shutdown and its death, and end in order.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_standin_machine::{Failure, Machine, Running};
use std::fs;
use xenlight::Library;

/// Xen's number of "it rebooted".
const REBOOT: u8 = 1;

fn main() {
    let programs = [
        ("glib", env!("CARGO_BIN_EXE_watch-glib")),
        ("calloop", env!("CARGO_BIN_EXE_watch-calloop")),
        ("smol", env!("CARGO_BIN_EXE_watch-smol")),
        ("tokio", env!("CARGO_BIN_EXE_watch-tokio")),
    ];
    let watching = programs.map(|(on, program)| {
        let name = format!("watch_{on}_reports_the_life_of_a_domain_and_ends_as_its_command_does");
        Trial::ignorable_test(name, move || with_command(program, watches))
    });
    let name = "list_smol_tells_each_change_and_ends_as_its_command_does";
    let listing = Trial::ignorable_test(name, || with_command(env!("CARGO_BIN_EXE_list-smol"), lists));
    let name = "migrate_glib_says_what_its_receiver_said_and_that_the_domain_stays";
    let migrating = Trial::ignorable_test(name, migrates);
    libtest_mimic::run(&Arguments::from_args(), watching.into_iter().chain([listing, migrating]).collect()).exit();
}

/// The receiver is none.
fn migrates() -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut command = machine.command(env!("CARGO_BIN_EXE_migrate-glib"));
    let output = command.args(["pretend-5", "sh", "-c", "echo xl: not found"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let is_told = said.contains("xl: not found") && said.contains("the domain remains at the source");
    if output.status.code() != Some(1) || !is_told {
        return Err(format!("{:?}: {said}", output.status).into());
    }
    Ok(Completion::Completed)
}

/// Runs it on a machine with a domain, with a command that ends after `follow`.
fn with_command(
    program: &str,
    follow: fn(&Machine, &mut Running) -> Result<(), Failure>,
) -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    let folder = tempfile::tempdir()?;
    let going_on = folder.path().join("going-on");
    fs::write(&going_on, "")?;
    let command = format!("while test -e {}; do sleep 0.05; done; exit 7", going_on.display());

    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut running = Running::start(machine.command(program).args(["sh", "-c", &command]))?;
    follow(&machine, &mut running)?;
    fs::remove_file(going_on)?;
    running.ends_with(7)?;
    Ok(Completion::Completed)
}

fn watches(machine: &Machine, running: &mut Running) -> Result<(), Failure> {
    running.says("domain 5 (pretend-5) is there")?;
    machine.shut_down(5, REBOOT)?;
    running.says("domain 5 (pretend-5) has shut down: Reboot")?;
    machine.add_domain(9)?;
    running.says("domain 9 (pretend-9) is there")?;
    machine.destroy(5)?;
    running.says("domain 5 (pretend-5) is gone")
}

fn lists(machine: &Machine, running: &mut Running) -> Result<(), Failure> {
    running.says("domain 5 (pretend-5) runs")?;
    machine.store().write("/local/domain/5/name", b"web")?;
    running.says("domain 5 (web) runs")?;
    machine.shut_down(5, REBOOT)?;
    running.says("domain 5 (web) has shut down (reboot)")?;
    machine.add_domain(9)?;
    running.says("domain 9 (pretend-9) runs")?;
    machine.destroy(5)?;
    running.says("domain 5 (web) is gone")
}
