//! A fleet: a NATS server, and hosts that each have a bus, a simulated machine, xenlightd with the real libxl, and the bridge.

mod bed;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/bus.rs"]
mod bus;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/cases.rs"]
mod cases;
mod commands;
mod events;
mod hosts;
mod measures;
mod migration;
mod nats;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/polkit.rs"]
mod polkit;
mod requests;
mod rights;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/save_helper.rs"]
mod save_helper;

use std::process::ExitCode;

use cases::{Case, measures, trials};
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    // libxl starts it in xenlightd's environment.
    if let Some(helped) = save_helper::run() {
        helped.expect("libxl talks to it");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(bed::AS_XENLIGHTD).is_some() {
        return xenlightd::main();
    }
    let missing = bed::missing();
    let all = [events::CASES, hosts::CASES, commands::CASES, migration::CASES, requests::CASES, rights::CASES];
    let mut trials = trials(&all.concat(), missing.as_ref());
    trials.extend(measures(measures::CASES, missing.as_ref()));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
