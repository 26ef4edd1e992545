//! The service on a bus of its own, with the real libxl on a pretend machine, and with a polkit that answers by a table.

mod bed;
mod bus;
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

use bed::Outcome;
use libtest_mimic::{Arguments, Completion, Trial};

fn main() {
    if let Some(helped) = save_helper::run() {
        return helped.expect("libxl talks to it");
    }
    let missing = bed::missing();
    let cases = [
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
    let cases = cases.concat();
    let trial_without = |(name, case): Case, missing: Option<String>| {
        Trial::ignorable_test(name, move || match missing {
            Some(missing) => Ok(Completion::ignored_with(missing)),
            None => Ok(case().map(|()| Completion::Completed)?),
        })
    };
    let trial = |case| trial_without(case, missing.clone());
    let of_another_user = words::OF_ANOTHER_USER.iter();
    let of_another_user = of_another_user.map(|case| trial_without(*case, missing.clone().or_else(words::missing)));
    let measures = measures::CASES.iter().map(|measure| trial(*measure).with_ignored_flag(true));
    let trials = cases.into_iter().map(trial).chain(of_another_user).chain(measures).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

type Case = (&'static str, fn() -> Outcome);
