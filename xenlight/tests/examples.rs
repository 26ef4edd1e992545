//! The examples, each on a pretend machine: they greet a domain, report its shutdown and its death, and end in order.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_standin_machine::{Machine, Running};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use xenlight::Library;

/// Xen's number of "it rebooted".
const REBOOT: u8 = 1;

fn main() {
    let cases = ["glib", "calloop", "smol", "tokio"].map(|on| {
        let name = format!("watch_{on}_reports_the_life_of_a_domain_and_ends_as_its_command_does");
        Trial::ignorable_test(name, move || watches(&format!("watch-{on}")))
    });
    libtest_mimic::run(&Arguments::from_args(), cases.into()).exit();
}

fn watches(example: &str) -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    let program = examples()?.join(example);
    let folder = tempfile::tempdir()?;
    let going_on = folder.path().join("going-on");
    fs::write(&going_on, "")?;
    let command = format!("while test -e {}; do sleep 0.05; done; exit 7", going_on.display());

    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut running = Running::start(machine.command(program).args(["sh", "-c", &command]))?;
    running.says("domain 5 (pretend-5) is there")?;
    machine.shut_down(5, REBOOT)?;
    running.says("domain 5 (pretend-5) has shut down: Reboot")?;
    machine.add_domain(9)?;
    running.says("domain 9 (pretend-9) is there")?;
    machine.destroy(5)?;
    running.says("domain 5 (pretend-5) is gone")?;
    fs::remove_file(going_on)?;
    running.ends_with(7)?;
    Ok(Completion::Completed)
}

/// Has cargo build the examples, and returns where they are: `cargo test --all-targets` builds them as tests only.
fn examples() -> Result<PathBuf, Failed> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--examples"]);
        cargo.args((!cfg!(debug_assertions)).then_some("--release"));
        // Set by the cargo that runs us; a build script that watches them would be run again for nothing.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                cargo.env_remove(name);
            }
        }
        let output = cargo.output().map_err(|error| format!("{cargo:?}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("{cargo:?}: {}\n{said}", output.status)) }
    });
    built.clone()?;
    Ok(env::current_exe()?.with_file_name("../examples"))
}
