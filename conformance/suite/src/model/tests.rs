//! The model finds what is wrong, and nothing where nothing is.

mod releases;
mod wrong;

use super::*;
use crate::boundary::Integration;
use crate::broken::Naive;
use crate::cases::RANDOM;
use crate::directed::Setting;
use crate::hosts::EpollHost;
use crate::integration::CoreIntegration;
use crate::monitor::{Limits, Monitor, Monitored};
use crate::record::{Record, Step, What};
use crate::violation::Violation;
use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;
use std::time::Duration;
use wrong::{Wrong, WrongIntegration};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn osevent_core_hosts_each_release_without_a_fault() {
    let integration = CoreIntegration::new(Box::new(EpollHost::start().expect("a loop")));
    for release in Release::ALL {
        for seed in 0..100 {
            let script = Script::generate(seed, *release);
            let outcome = run_monitored(&script, &integration, PATIENCE).expect("there are fds");
            assert!(outcome.violations.is_empty(), "{release}, seed {seed}: {:?}", outcome.violations);
        }
    }
}

/// A host that has nothing of osevent-core's.
#[test]
fn the_naive_host_without_a_fault_passes() {
    let integration = Naive::start(None).expect("a host");
    for release in Release::ALL {
        let plan = Plan { release: *release, seeds: 0..100, patience: PATIENCE };
        let failure = run_seeds(&plan, &integration, |_| ()).expect("there are fds");
        assert!(failure.is_none(), "{}", failure.expect("there is one"));
    }
}

/// How long a wrong host is given. What it does not do in this time it never does; a right one that is late would pass for a wrong
/// one, which does no harm here.
const SHORT: Duration = Duration::from_millis(300);

/// The first seed that a wrong host fails, and why.
fn first_failure(wrong: Wrong, release: Release) -> Option<(u64, Violation)> {
    let integration = WrongIntegration::new(wrong);
    for seed in 0..300 {
        let outcome = run(seed, release, &integration, SHORT).expect("there are fds");
        if outcome.stuck {
            // Its loop hangs, and would be waited for.
            std::mem::forget(integration);
            return outcome.violations.first().map(|violation| (seed, violation.clone()));
        }
        if let Some(violation) = outcome.violations.first() {
            return Some((seed, violation.clone()));
        }
    }
    None
}

#[test]
fn each_wrong_host_is_found_and_its_clause_named() {
    for (wrong, release, clauses) in [
        (Wrong::TimeoutTwice, Release::V4_13, ["O5"].as_slice()),
        (Wrong::TimeoutTwice, Release::V4_2_0, &["O5"]),
        (Wrong::LateFd, Release::V4_2_0, &["O3"]),
        (Wrong::LostCancel, Release::V4_6, &["O5"]),
        // The next timeout of the same struct is taken for this one.
        (Wrong::LostCancel, Release::V4_2_1, &["O5", "R12"]),
        (Wrong::EarlyTimeout, Release::V4_4, &["R12"]),
        (Wrong::DuplicatedFd, Release::V4_5, &["O11"]),
        (Wrong::OccurrenceInHook, Release::V4_2_2, &["O1"]),
        (Wrong::OccurrenceAfterFree, Release::V4_13, &["X4"]),
        (Wrong::RegularFileRefused, Release::V4_13, &["R7"]),
        (Wrong::EmptyInterestWatched, Release::V4_4, &["R5"]),
        (Wrong::EdgeTriggered, Release::V4_13, &["O10"]),
        (Wrong::LockAcrossOccurrence, Release::V4_13, &["R15"]),
        (Wrong::BareHangUp, Release::V4_2_1, &["O4"]),
    ] {
        let found = first_failure(wrong, release);
        let named = found.as_ref().is_some_and(|(_, violation)| clauses.contains(&violation.clause.as_str()));
        assert!(named, "{wrong:?} under {release}: {found:?} instead of {clauses:?}");
    }
}

#[test]
fn an_edge_triggered_host_is_found_also_if_the_edge_is_seen_late_o10() {
    let script =
        r#"{"release":"4.6","files":["event"],"threads":[[{"fd_register":{"slot":0,"file":0,"events":"out"}}]]}"#;
    let script = Script::parse(script).expect("a script");
    let integration = WrongIntegration::new(Wrong::LateEdge);
    let outcome = run_script(&script, &integration, SHORT).expect("there are fds");
    assert!(!outcome.stuck && outcome.violations.iter().any(|found| found.clause == "O10"), "{outcome:?}");
}

#[test]
fn a_late_fd_is_legal_where_there_are_nexuses_o3() {
    let integration = WrongIntegration::new(Wrong::LateFd);
    for release in Release::ALL.iter().filter(|release| release.has_nexuses()) {
        for seed in 0..30 {
            let outcome = run(seed, *release, &integration, PATIENCE).expect("there are fds");
            assert!(outcome.violations.is_empty(), "{release}, seed {seed}: {:?}", outcome.violations);
        }
    }
}

#[test]
fn a_failing_seed_becomes_a_short_script_that_replays_from_its_text() {
    for (wrong, release, longest) in [
        (Wrong::TimeoutTwice, Release::V4_13, 1),
        (Wrong::LateFd, Release::V4_2_0, 2),
        (Wrong::EdgeTriggered, Release::V4_6, 3),
    ] {
        let (seed, violation) = first_failure(wrong, release).expect("a failure");
        let integration = WrongIntegration::new(wrong);
        let fails = |script: &Script| {
            let outcome = run_script(script, &integration, SHORT).expect("there are fds");
            outcome.violations.first().is_some_and(|found| found.clause == violation.clause)
        };
        let script = Script::generate(seed, release);
        let shrunk = shrink(&script, 500, |script| (0..3).any(|_| fails(script))).script;
        assert!(shrunk.len() <= longest, "{wrong:?}, seed {seed}: {script}\nonly became {shrunk}");
        let replayed = Script::parse(&shrunk.to_string()).expect("its text is a script");
        assert_eq!(replayed, shrunk);
        // A race can need a few tries.
        assert!((0..100).any(|_| fails(&replayed)), "{replayed}");
    }
}

#[test]
fn a_case_of_random_scripts_tells_the_seed_and_records_the_short_script() {
    let integration = WrongIntegration::new(Wrong::TimeoutTwice);
    let monitor = Monitor::new(Limits::default());
    let case = RANDOM.iter().find(|case| case.name == "model-random-4.13").expect("it is listed");
    let error = case.perform(Setting::new(&integration, monitor.clone())).expect_err("the host is wrong").to_string();
    let (told, script) = error.split_once('{').expect("the script follows");
    assert!(told.contains("O5") && told.contains("seed ") && told.contains("shortened"), "{error}");
    let script = Script::parse(&format!("{{{script}")).expect("it can be replayed");
    assert!(script.len() <= 3, "{error}");
    let occurrences = |record: &Record| {
        record.steps.iter().filter(|step| matches!(step.what, What::TimeoutOccurrence { .. })).count()
    };
    assert!(monitor.look(occurrences) >= 1, "the record shows what went wrong");
}

#[test]
fn a_script_with_which_threads_hang_becomes_shorter_on_hosts_of_its_own() {
    let script = Script::parse(
        r#"{"release":"4.13","files":["event"],"threads":[
            [{"write":{"file":0,"bytes":8}}, {"fork":{}}, "exit",
             {"fd_register":{"slot":0,"file":0,"events":"in","reads":0,"at":1,"then":[{"fd_register":{"slot":1,"file":0,"events":"out"}}]}}]]}"#,
    )
    .expect("a script");
    let host = || Ok(Box::new(WrongIntegration::new(Wrong::LockAcrossOccurrence)) as Box<dyn Integration>);
    let first = host().expect("a host");
    let mut failure = replay(&script, &*first, SHORT).expect("there are fds").expect("it hangs");
    assert!(failure.stuck && failure.violation.clause == "R15", "{failure}");
    std::mem::forget(first);
    failure.shorten_hanging(Duration::from_secs(15), host).expect("there are fds");
    assert!(failure.script.len() < script.len(), "{failure}");
}

#[test]
fn a_script_that_names_what_is_not_there_is_refused() {
    for text in [
        r#"{"release":"4.13","files":[],"threads":[[{"write":{"file":0,"bytes":1}}]]}"#,
        r#"{"release":"4.13","files":[],"threads":[[{"time_register":{"slot":5,"due":"asap"}}]]}"#,
        r#"{"release":"4.13","files":["event"],"threads":[[{"fd_register":{"slot":0,"file":0,"events":"up"}}]]}"#,
        r#"{"release":"3.4","files":[],"threads":[]}"#,
    ] {
        assert!(Script::parse(text).is_err(), "{text}");
    }
}

/// What the steps of many runs have in them.
#[derive(Debug, Default)]
struct Met {
    registered: [usize; 2],
    hooks_in_occurrences: usize,
    values_reused: usize,
    fds_shared: usize,
    empty_interests: usize,
    cancelled: usize,
    cancelled_twice: usize,
    deregistered_in_own_occurrence: usize,
}

fn met(record: &Record) -> Met {
    let mut met = Met::default();
    // By client: values with their fds, and all that ever were; handles of cancelled timeouts, and values by handle.
    let (mut standing, mut past, mut cancelled) = (HashMap::new(), HashSet::new(), HashSet::new());
    let (mut registering, mut values) = (HashMap::new(), HashMap::new());
    let mut inside: HashMap<u32, (u32, RawFd)> = HashMap::new();
    for Step { client, thread, what, .. } in &record.steps {
        let in_occurrence = inside.get(thread).copied();
        match *what {
            What::FdOccurrence { fd, .. } => drop(inside.insert(*thread, (*client, fd))),
            What::TimeoutOccurrence { .. } => drop(inside.insert(*thread, (*client, -1))),
            What::OccurrenceReturned => drop(inside.remove(thread)),
            What::FdRegister { fd, events, value } => {
                met.registered[0] += 1;
                met.empty_interests += usize::from(events == 0);
                met.fds_shared += usize::from(standing.iter().any(|((of, _), other)| *of == client && *other == fd));
                met.values_reused += usize::from(!past.insert((client, value)));
                standing.insert((client, value), fd);
                registering.insert(thread, value);
            }
            What::HookReturned { handle, .. } => {
                let value = registering.remove(thread);
                values.extend(value.map(|value| ((client, handle), value)));
            }
            What::FdDeregister { fd, handle } => {
                met.deregistered_in_own_occurrence += usize::from(in_occurrence == Some((*client, fd)));
                let value = values.get(&(client, handle)).expect("it was registered");
                standing.remove(&(client, *value));
            }
            What::TimeoutRegister { .. } => met.registered[1] += 1,
            What::TimeoutModify { handle, .. } => {
                met.cancelled += 1;
                met.cancelled_twice += usize::from(!cancelled.insert((client, handle)));
            }
            _ => {}
        }
        let is_hook = matches!(what, What::FdRegister { .. } | What::FdModify { .. } | What::TimeoutRegister { .. });
        met.hooks_in_occurrences += usize::from(is_hook && in_occurrence.is_some());
    }
    met
}

#[test]
fn random_scripts_meet_what_they_are_for() {
    let integration = CoreIntegration::new(Box::new(EpollHost::start().expect("a loop")));
    let monitor = Monitor::new(Limits::default());
    let integration: &dyn Integration = &integration;
    let integration = Monitored { integration, monitor: monitor.clone() };
    for seed in 0..200 {
        run(seed, Release::V4_13, &integration, PATIENCE).expect("there are fds");
    }
    let met = met(&monitor.finish());
    let Met { registered: [fds, timeouts], .. } = met;
    assert!(fds > 500 && timeouts > 500, "{met:?}");
    for (often, what) in [
        (met.hooks_in_occurrences, "R1: hooks on the loop's thread"),
        (met.values_reused, "R10: values that repeat"),
        (met.fds_shared, "R4: several registrations of an fd"),
        (met.empty_interests, "R5: empty interests"),
        (met.cancelled, "R13: cancelled timeouts"),
        (met.cancelled_twice, "R14: timeouts that are cancelled twice"),
        (met.deregistered_in_own_occurrence, "R16: fds that are deregistered in their own occurrence"),
    ] {
        assert!(often >= 10, "{what}: {often} in {met:?}");
    }
}
