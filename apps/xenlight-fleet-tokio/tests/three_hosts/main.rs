//! A fleet: a NATS server, and hosts that each have a bus, a simulated machine, xenlightd with the real libxl, and the bridge.

mod bed;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/bus.rs"]
mod bus;
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

use bed::Outcome;
use libtest_mimic::{Arguments, Completion, Trial};

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
    let cases =
        [events::CASES, hosts::CASES, commands::CASES, migration::CASES, requests::CASES, rights::CASES].concat();
    let trial = |(name, case): Case| {
        let missing = missing.clone();
        Trial::ignorable_test(name, move || match missing {
            Some(missing) => Ok(Completion::ignored_with(missing)),
            None => Ok(case().map(|()| Completion::Completed)?),
        })
    };
    let measures = measures::CASES.iter().map(|measure| trial(*measure).with_ignored_flag(true));
    let trials = cases.into_iter().map(trial).chain(measures).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Case = (&'static str, fn() -> Outcome);
