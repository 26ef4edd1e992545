//! The lines for Waybar, and single actions, on a pretend machine.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_standin_machine::{Machine, Running};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use xenlight::Library;

const PROGRAM: &str = env!("CARGO_BIN_EXE_osevent-bar");
/// Xen's number of "it was switched off".
const POWEROFF: u8 = 0;

/// Its name, and what it does.
type Case = (&'static str, fn() -> Result<(), Failed>);

fn main() {
    let cases: [Case; 4] = [
        ("each_change_is_a_line_for_waybar", lines),
        ("one_domain_has_lines_of_its_own", one_domain),
        ("it_ends_in_order_by_a_signal_and_when_nobody_reads", ends),
        ("an_action_is_done_or_says_why_not", acts),
    ];
    let trials = cases.map(|(name, case)| {
        Trial::ignorable_test(name, move || match Library::load() {
            Err(missing) => Ok(Completion::ignored_with(missing.to_string())),
            Ok(_) => case().map(|()| Completion::Completed),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

/// Domain 0 is there from the beginning.
fn lines() -> Result<(), Failed> {
    const DOMAIN_0: &str = "Domain-0: running, 2048 MiB, 8 vCPU";
    let line = |text, domain: &str, class, percentage| {
        format!(
            r#"{{"text":"{text}","alt":"running","tooltip":"{DOMAIN_0}{domain}","class":[{class}],"percentage":{percentage}}}"#
        )
    };
    let machine = Machine::new()?;
    let mut bar = Running::start(machine.command(PROGRAM).arg("waybar"))?;
    bar.says(&line("1/1", "", r#""running""#, 100))?;
    machine.add_domain(5)?;
    bar.says(&line("2/2", r"\npretend-5: running, 4 MiB, 1 vCPU", r#""running""#, 100))?;
    machine.shut_down(5, POWEROFF)?;
    bar.says(&line("1/2", r"\npretend-5: shutdown, 4 MiB, 1 vCPU", r#""running","shutdown""#, 50))?;
    machine.destroy(5)?;
    bar.says(&line("1/1", "", r#""running""#, 100))?;
    Ok(())
}

fn one_domain() -> Result<(), Failed> {
    const NOT_THERE: &str =
        r#"{"text":"pretend-5","alt":"none","tooltip":"pretend-5 is not there","class":["none"],"percentage":0}"#;
    let machine = Machine::new()?;
    let mut bar = Running::start(machine.command(PROGRAM).args(["waybar", "--domain", "pretend-5"]))?;
    bar.says(NOT_THERE)?;
    machine.add_domain(5)?;
    bar.says(
        r#"{"text":"pretend-5","alt":"running","tooltip":"pretend-5: running, 4 MiB, 1 vCPU","class":["running"],"percentage":100}"#,
    )?;
    machine.destroy(5)?;
    bar.says(NOT_THERE)?;
    Ok(())
}

fn ends() -> Result<(), Failed> {
    let machine = Machine::new()?;
    for signal in ["INT", "TERM"] {
        let mut bar = Running::start(machine.command(PROGRAM).args(["waybar", "--domain", "none"]))?;
        bar.says(r#"{"text":"none","alt":"none","tooltip":"none is not there","class":["none"],"percentage":0}"#)?;
        Command::new("kill").args(["-s", signal, &bar.id().to_string()]).status()?;
        bar.ends_with(0)?;
    }
    let mut bar = machine.command(PROGRAM).arg("waybar").stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(bar.stdout.take().ok_or("its output is piped")?);
    output.read_line(&mut String::new())?;
    drop(output);
    // The next line finds nobody.
    machine.add_domain(5)?;
    let status = bar.wait()?;
    if !status.success() {
        return Err(format!("{status}").into());
    }
    Ok(())
}

fn acts() -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let act = |words: [&str; 2]| machine.command(PROGRAM).arg("do").args(words).output();
    let done = act(["pause", "pretend-5"])?;
    if !done.status.success() || !done.stderr.is_empty() {
        return Err(format!("{done:?}").into());
    }
    for (domain, why) in [("nobody", "there is no domain \"nobody\""), ("0", "domain 0")] {
        let done = act(["destroy", domain])?;
        let said = String::from_utf8(done.stderr)?;
        if done.status.code() != Some(1) || !said.contains(why) {
            return Err(format!("{domain}: {} {said}", done.status).into());
        }
    }
    Ok(())
}
