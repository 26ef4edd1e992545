//! `instructions`: the core and the reactor take no more instructions than the record says.
//!
//! Valgrind counts them, so neither the machine nor what else runs there matters. Another compiler or C library may count a little
//! different: then the record is made anew, in a change of its own.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::tally::Tally;
use crate::workspace::Workspace;

const PROGRAM: &str = "osevent-instructions";
const RECORD: &str = "benchmarks/instructions/recorded.txt";

/// Of the program: what it drives, and its functions, each called a thousand times. Not how the reactor registers a timeout: it
/// reads the clocks until two readings are close.
const COUNTED: [(&str, &[&str]); 2] = [
    ("core", &["register", "dispatch", "deregister", "register_timeout", "cancel", "expire"]),
    ("reactor", &["register", "dispatch", "deregister", "cancel", "expire"]),
];
const TIMES: u64 = 1_000;

/// What a count may be above the record.
const PERCENT: u64 = 5;

pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    if which::which("valgrind").is_err() {
        return Ok(Tally::skipped_for("no valgrind here; `./x test --only setup` installs it"));
    }
    let program = workspace.program(PROGRAM).context("the program that is counted is not in the workspace")?;
    let program = workspace.executable(program, "build", |cargo| cargo.arg("--release"))?;
    let mut counted = Vec::new();
    for (driven, functions) in COUNTED {
        for function in functions {
            counted.push((format!("{driven} {function}"), count(&program, driven, function)?));
        }
    }
    let path = workspace.root.join(RECORD);
    if env::var_os("UPDATE_COUNTS").is_some() {
        fs::write(&path, counted.iter().map(|(what, count)| format!("{what} {count}\n")).collect::<String>())?;
    }
    let record = fs::read_to_string(&path).with_context(|| RECORD)?;
    let mut tally = Tally::default();
    for (what, count) in counted {
        let recorded = recorded(&record, &what);
        println!(
            "instructions: {what}: {count}, recorded {}",
            recorded.map_or("none".into(), |count| count.to_string())
        );
        let is_well = recorded.is_some_and(|recorded| is_within(count, recorded));
        tally += Tally::of_faults((!is_well).then(|| {
            format!(
                "{what} is more than {PERCENT} % above {RECORD}. If it has to be: UPDATE_COUNTS=1 ./x test --only instructions"
            )
        }));
    }
    Ok(tally)
}

/// The instructions of one call, with all that it calls.
fn count(program: &Path, driven: &str, function: &str) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("--toggle-collect=osevent_instructions::{function}"));
    let output = valgrind.arg(program).arg(driven).output().context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{} did not end well:\n{said}", program.display());
    }
    let collected = collected(&said).with_context(|| format!("valgrind does not say what it counted:\n{said}"))?;
    if collected == 0 {
        bail!("valgrind has not found the function {function}");
    }
    Ok(collected / TIMES)
}

/// From `==123== Collected : 500544`.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

fn recorded(record: &str, what: &str) -> Option<u64> {
    record.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(' ')?.parse().ok())
}

fn is_within(count: u64, recorded: u64) -> bool {
    count * 100 <= recorded * (100 + PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valgrinds_count_is_found_in_what_it_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 500544\n==7== \n==7== I   refs:      500,544\n";
        assert_eq!(collected(said), Some(500_544));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn a_count_may_be_five_percent_above_the_record_and_no_more() {
        let record = "core register 100\ncore register_timeout 7\n";
        assert_eq!(recorded(record, "core register"), Some(100));
        assert_eq!(recorded(record, "core register_timeout"), Some(7));
        assert_eq!(recorded(record, "core"), None);
        assert_eq!(recorded(record, "reactor register"), None);
        assert!(is_within(105, 100) && is_within(50, 100) && !is_within(106, 100));
    }
}
