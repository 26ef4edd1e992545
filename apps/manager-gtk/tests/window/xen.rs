//! The real program in a real window on a real Xen, in the lab's dom0.
//!
//! All cases share one window, as its user has it, with the same domains.

mod desktop;
mod looking;
#[expect(dead_code, reason = "the tests on a pretend machine use more of it")]
mod manager;
mod on_xen;
#[expect(dead_code, reason = "the tests on a pretend machine use more of it")]
mod reader;
mod tree;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use manager::Manager;
use on_xen::{hardware, life, machine, moves};
use osevent_standin_machine::Failure;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

type Case = fn(&Manager) -> Result<(), Failure>;

fn main() {
    let cases: [(&str, Case); 7] = [
        ("a_domain_of_the_assistant_runs_pauses_prints_and_shuts_down", life::created),
        ("a_domain_that_does_not_answer_is_destroyed_while_it_is_asked", life::frozen),
        ("a_saved_domain_is_restored_from_its_file", moves::saved),
        ("a_domain_migrates_and_runs_on", moves::migrated),
        ("memory_processors_and_devices_of_a_running_linux_are_changed", hardware::changed),
        ("a_machine_with_a_screen_a_drive_and_a_power_button_is_used", machine::used),
        ("that_a_domain_has_not_answered_is_told", life::unanswered),
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let manager = Arc::new(Mutex::new(None));
    let trials = cases.map(|(name, case)| {
        let manager = manager.clone();
        Trial::ignorable_test(name, move || in_lab(&manager, case))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    drop(manager);
    conclusion.exit()
}

/// Nobody's own Xen is tested with.
fn in_lab(manager: &Mutex<Option<Manager>>, case: Case) -> Result<Completion, Failed> {
    if !Path::new(on_xen::LAB).join("answering").exists() {
        return Ok(Completion::ignored_with("this is not the lab's dom0"));
    }
    let mut manager = manager.lock().unwrap_or_else(PoisonError::into_inner);
    if manager.is_none() {
        *manager = Some(on_xen::start()?);
    }
    let result = case(manager.as_ref().ok_or("it was started")?);
    if result.is_err() {
        // Where it was left, the next case cannot go on.
        manager.take();
    }
    result?;
    Ok(Completion::Completed)
}
