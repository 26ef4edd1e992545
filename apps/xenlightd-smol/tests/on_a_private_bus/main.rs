//! The service on a bus of its own, with the real libxl on a pretend machine, and with a polkit that answers by a table.

mod bed;
mod bus;
mod cases;
mod clients;
mod contract;
mod control;
mod devices;
mod events;
mod files;
mod life;
mod measures;
mod metrics;
mod migration;
mod polkit;
#[path = "../../src/runtime.rs"]
mod runtime;
mod save_helper;
mod saved;
mod words;

use cases::{Case, measures, trials};
use libtest_mimic::Arguments;

fn main() {
    if let Some(helped) = save_helper::run() {
        return helped.expect("libxl talks to it");
    }
    let missing = bed::missing();
    let all = [
        life::CASES,
        control::CASES,
        devices::CASES,
        files::CASES,
        saved::CASES,
        migration::CASES,
        clients::CASES,
        contract::CASES,
        events::CASES,
        metrics::CASES,
        words::CASES,
    ];
    let mut trials = trials(&all.concat(), missing.as_ref());
    trials.extend(cases::trials(words::OF_ANOTHER_USER, missing.clone().or_else(words::missing).as_ref()));
    trials.extend(measures(measures::CASES, missing.as_ref()));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
