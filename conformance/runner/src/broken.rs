//! `--broken`: whether the cases find each fault, and let the host without one pass.

use crate::report::terminal;
use anyhow::{Context, ensure};
use comfy_table::{Table, presets};
use osevent_conformance::Violation;
use osevent_conformance::broken::{BROKEN, Broken, Naive};
use osevent_conformance::cases::{ALL as CASES, RANDOM};
use osevent_conformance::directed::{BoundaryCase, Setting};
use osevent_conformance::files;
use osevent_conformance::isolated::{self, Ended};
use osevent_conformance::monitor::{Limits, Monitor};
use osevent_conformance::outcome::Skip;
use osevent_conformance::record::Record;
use osevent_conformance::standin::Preparation;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the host without a fault is called.
const CONTROL: &str = "control";

/// How long a case waits for what a conforming host does at once: the shorter the sooner a fault is found, and the control
/// has to pass all the same.
const PATIENCE: Duration = Duration::from_secs(4);
const CONTROL_PATIENCE: Duration = Duration::from_secs(60);

/// A case's process is killed after this time.
const LIMIT: Duration = Duration::from_secs(20);
const CONTROL_LIMIT: Duration = Duration::from_secs(180);

/// Most of a run is waiting, so more run at a time than there are processors.
const AT_A_TIME: usize = 6;

/// How a case ended on a broken host.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Finding {
    /// It passed.
    Nothing,
    /// It cannot be played here.
    Skipped(String),
    /// The clauses that the case, or the monitor beside it, found broken, and what was seen.
    Violations(Vec<(String, String)>),
    /// It could not be played, died, or hung: found, but not named.
    Unnamed(String),
}

/// What is known of one broken host, or of the control.
struct Verdict {
    name: &'static str,
    expected: &'static [&'static str],
    /// The case that found it each time, with the clause and the text.
    caught: Option<(&'static str, String, String)>,
    /// In how many runs of that case.
    times: u32,
    /// What else was tried, and what came of it.
    others: Vec<String>,
}

/// True if each of the named faults, or of all, is found in each of `repeat` runs, and the control passes all cases.
pub(crate) fn run(names: &[String], repeat: u32) -> anyhow::Result<bool> {
    for name in names {
        ensure!(
            name == CONTROL || BROKEN.iter().any(|broken| broken.name == name),
            "there is no broken loop {name:?}; --broken --list shows all"
        );
    }
    let named = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let chosen: Vec<_> = BROKEN.iter().filter(|broken| named(broken.name)).collect();
    let begun = Instant::now();
    let controlled = named(CONTROL).then(|| all(&every_case(), |case| control(case, repeat))).transpose()?;
    let verdicts = all(&chosen, |broken| hunt(broken, repeat))?;
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["broken loop", "breaks", "caught", "by the case", "runs"]);
    for verdict in &verdicts {
        let (case, clause) = verdict.caught.as_ref().map_or(("-", "NOT CAUGHT"), |(case, clause, _)| (case, clause));
        let runs = format!("{} of {repeat}", verdict.times);
        table.add_row([verdict.name, &verdict.expected.join(" "), clause, case, &runs]);
    }
    println!("{table}");
    let fully = |verdict: &&Verdict| verdict.caught.is_some() && verdict.times == repeat;
    for verdict in verdicts.iter().filter(|verdict| !fully(verdict)) {
        println!("{} was not caught each time:\n  {}", verdict.name, verdict.others.join("\n  "));
    }
    let failures: Vec<_> =
        controlled.iter().flatten().filter_map(|(case, failure)| Some((case, failure.as_ref()?))).collect();
    for (case, failure) in &failures {
        println!("{CONTROL}: {case}: {failure}");
    }
    if let Some(controlled) = &controlled {
        let passed = controlled.len() - failures.len();
        println!("the host without a fault passed {passed}/{} cases", controlled.len());
    }
    let caught = verdicts.iter().filter(fully).count();
    println!("{:.0} s", begun.elapsed().as_secs_f64());
    println!("caught {caught}/{}", verdicts.len());
    Ok(caught == verdicts.len() && failures.is_empty())
}

/// What the host without a fault has to pass: also the random cases, of which nobody knows what they find next.
fn every_case() -> Vec<&'static BoundaryCase> {
    CASES.iter().chain(RANDOM).copied().collect()
}

/// Prints the faults.
pub(crate) fn list() {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for broken in BROKEN {
        table.add_row([broken.name, &broken.clauses.join(" "), broken.wrong, broken.seen]);
    }
    terminal::written(&format!("{table}\n"));
}

/// Does it for all, several at a time; in their order.
fn all<T: Copy + Sync, R: Send>(items: &[T], act: impl Fn(T) -> anyhow::Result<R> + Sync) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    // Relaxed: each number is handed out once, that is all.
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&item) = items.get(at) else { return };
                    let result = act(item);
                    results.lock().expect("no holder panics").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no holder panics");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Looks for a case that finds it each time: those first that are about the clauses that it breaks.
fn hunt(broken: &'static Broken, repeat: u32) -> anyhow::Result<Verdict> {
    let mut verdict =
        Verdict { name: broken.name, expected: broken.clauses, caught: None, times: 0, others: Vec::new() };
    let rank = |case: &BoundaryCase| {
        let about = broken.clauses.iter().position(|clause| case.clauses.contains(clause));
        about.unwrap_or(broken.clauses.len())
    };
    let mut cases: Vec<_> = CASES.to_vec();
    cases.sort_by_key(|case| rank(case));
    for case in cases {
        let mut times = 0;
        let mut first = None;
        for run in 0..repeat {
            match play_in_process(broken.name, case, LIMIT)? {
                Finding::Violations(violations) => {
                    let expected = violations.iter().find(|(clause, _)| broken.clauses.contains(&clause.as_str()));
                    match expected {
                        Some((clause, text)) => {
                            times += 1;
                            first.get_or_insert((case.name, clause.clone(), text.clone()));
                        }
                        None => verdict.others.push(format!("{}: {violations:?}", case.name)),
                    }
                }
                Finding::Unnamed(why) | Finding::Skipped(why) => verdict.others.push(format!("{}: {why}", case.name)),
                Finding::Nothing if run > 0 => verdict.others.push(format!("{}: found in {times} of {run}", case.name)),
                Finding::Nothing => {}
            }
            // Not found: another case may be surer of it.
            if times <= run {
                break;
            }
        }
        if times > verdict.times {
            verdict.times = times;
            verdict.caught = first;
        }
        if times == repeat {
            break;
        }
    }
    let (case, clause) = verdict.caught.as_ref().map_or(("no case", "-"), |(case, clause, _)| (case, clause));
    eprintln!("{}: {clause} by {case}, {} of {repeat}", verdict.name, verdict.times);
    Ok(verdict)
}

/// Why the case did not pass on the host without a fault.
fn control(case: &'static BoundaryCase, repeat: u32) -> anyhow::Result<(&'static str, Option<String>)> {
    for _ in 0..repeat {
        match play_in_process(CONTROL, case, CONTROL_LIMIT)? {
            Finding::Nothing => {}
            other => return Ok((case.name, Some(format!("{other:?}")))),
        }
    }
    Ok((case.name, None))
}

fn play_in_process(name: &str, case: &BoundaryCase, limit: Duration) -> anyhow::Result<Finding> {
    let ended = isolated::run(limit, |command, outcome| {
        command.arg("--inside").arg(outcome).args(["--case", case.name, "--broken", name]);
        let folder = outcome.parent().context("the outcome has a folder")?;
        // Without it the fault of the wall clock is not found, and the list says so.
        if let Ok(standin) = Preparation::new() {
            command.envs(standin.environment(folder));
        }
        Ok(())
    })?;
    Ok(match ended {
        Ended::Told(finding) => finding,
        Ended::Died(why) => Finding::Unnamed(why),
        Ended::Overdue => Finding::Unnamed(format!("hung for {limit:?}")),
    })
}

/// The other end: plays the one case here.
pub(crate) fn run_inside(name: &str, case: &str, outcome: &Path) -> ExitCode {
    files::remember_inherited();
    let finding = play(name, case, outcome).unwrap_or_else(|error| Finding::Unnamed(format!("{error:#}")));
    // Not by returning: threads that a broken host has left waiting are not waited for.
    std::process::exit(tell(outcome, &finding))
}

fn play(name: &str, case: &str, outcome: &Path) -> anyhow::Result<Finding> {
    let case = every_case().into_iter().find(|listed| listed.name == case).context("--inside takes one case")?;
    let broken = BROKEN.iter().find(|broken| broken.name == name);
    let (patience, limits) = match broken {
        Some(_) => (PATIENCE, Limits { overdue: PATIENCE, stuck: 2 * PATIENCE, ..Limits::default() }),
        None => (CONTROL_PATIENCE, Limits::default()),
    };
    let naive = Naive::start(broken.map(|broken| broken.fault))?;
    let monitor = Monitor::new(limits);
    let outcome = outcome.to_owned();
    monitor.watch(move |record| {
        let code = tell(&outcome, &Finding::Violations(seen(record)));
        // SAFETY: no preconditions. Nothing is cleaned up: whoever is stuck may hold what that needs.
        unsafe { libc::_exit(code) }
    });
    let played = case.perform(Setting::new(&naive, monitor.clone()).with_patience(patience));
    let mut violations = Vec::new();
    let mut why = None;
    match played.map_err(|error| error.downcast::<Violation>()) {
        Ok(()) => {}
        Err(Ok(violation)) => violations.push((violation.clause, violation.text)),
        Err(Err(error)) => match error.downcast::<Skip>() {
            Ok(Skip(reason)) => return Ok(Finding::Skipped(reason)),
            Err(error) => why = Some(format!("{error:#}")),
        },
    }
    violations.extend(seen(monitor.finish()));
    if broken.is_none() {
        // Its end is part of what it has to do well.
        drop(naive);
    } else {
        std::mem::forget(naive);
    }
    Ok(match (violations.is_empty(), why) {
        (false, _) => Finding::Violations(violations),
        (true, Some(why)) => Finding::Unnamed(why),
        (true, None) => Finding::Nothing,
    })
}

fn seen(record: Record) -> Vec<(String, String)> {
    record.violations.into_iter().map(|seen| (seen.clause, format!("{} (monitor)", seen.text))).collect()
}

/// Writes the finding down; what to exit with.
fn tell(outcome: &Path, finding: &Finding) -> i32 {
    let text = serde_json::to_vec(finding).expect("a finding is plain data");
    match std::fs::write(outcome, text) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cannot write {}: {error}", outcome.display());
            2
        }
    }
}
