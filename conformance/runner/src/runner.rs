//! Which cases run, where and how often; each in a process of its own.

use crate::arguments::Arguments;
use crate::case::Listed;
use crate::cases;
use crate::hosts::{Adapter, Mode, Place};
use crate::perform::{Target, perform};
use crate::report::progress::Progress;
use crate::report::{self, Report, Row, Run, Verdict, terminal};
use crate::tiers::libxl::probe_apart;
use crate::tiers::peer::{Peer, Request};
use crate::tiers::xen::{self, Type, Types};
use crate::tiers::{self, Tier};
use anyhow::{Context, ensure};
use osevent_conformance::files;
use osevent_conformance::isolated::{describe, wait};
use osevent_conformance::log_lines;
use osevent_conformance::outcome::Outcome;
use osevent_conformance::patience::{self, Patience};
use osevent_conformance::perform::{RECORD, write};
use osevent_conformance::record::Record;
use osevent_conformance::standin::Preparation;
use osevent_epoll::Reactor;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use xenlight::Ctx;

/// A case's process is killed after this time. An emulated Xen on a busy machine is slow.
const fn limit(tier: Tier) -> Duration {
    match tier {
        Tier::Libxl | Tier::Model => Duration::from_secs(300),
        Tier::Xen | Tier::Pair => Duration::from_secs(900),
    }
}

/// True if at least one case passed and none failed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let selected = select(arguments)?;
    if arguments.list {
        terminal::list(&selected);
        return Ok(true);
    }
    let libxl = |below: &str| {
        let library = tiers::library(arguments.libxl.as_deref())?;
        let name = format!("libxl {} from {}, {below}", library.release(), library.path().display());
        anyhow::Ok((library, name))
    };
    let (libxl_name, release, preparation) = match arguments.tier {
        Tier::Libxl => {
            let (library, name) = libxl("without a hypervisor")?;
            let preparation = Preparation::new()?;
            probe_apart(&preparation, arguments.libxl.as_deref(), arguments.patience())?;
            (name, Some(library.release()), Some(preparation))
        }
        Tier::Xen | Tier::Pair => {
            xen::check()?;
            let (library, name) = libxl("on this machine's Xen")?;
            // Whether Xen can be reached at all, before a case or xl waits for it.
            let ctx = Ctx::open(&library, Reactor::new()?)?;
            let free = ctx.free_memory_kib()?;
            ctx.close_blocking()?;
            xen::announce(free, arguments.linux.as_deref())?;
            if arguments.tier == Tier::Pair {
                peer(arguments)?.wait()?;
            }
            (name, Some(library.release()), None)
        }
        // Where there is no stand-in, the one case that wants it is skipped.
        Tier::Model => ("no libxl: a model of it".into(), None, Preparation::new().ok()),
    };
    let kind = arguments.tier.name();
    let below = release.map_or_else(|| kind.to_owned(), |release| format!("{kind} {release}"));
    eprintln!("{libxl_name}");
    let adapters = if arguments.adapters.is_empty() { Adapter::ALL } else { &arguments.adapters };
    let modes = if arguments.modes.is_empty() { Mode::ALL } else { &arguments.modes };
    let places: Vec<_> =
        adapters.iter().flat_map(|&adapter| modes.iter().map(move |&mode| Place { adapter, mode })).collect();
    let planned: Vec<_> =
        selected.iter().flat_map(|case| places.iter().flat_map(|place| plan(case, *place, arguments.types))).collect();
    ensure!(
        !planned.is_empty(),
        "no case is both named by --case and meant for the adapter, the mode, the type and the tier; see --list"
    );

    let files = arguments.reports.create()?;
    let run = Run::begin(libxl_name);
    // One machine, one set of domains: on Xen the cases would meet each other.
    let jobs = if arguments.tier.has_xen() { 1 } else { arguments.jobs };
    let progress = Progress::new(planned.len(), arguments.repeat);
    let usual = arguments.patience();
    let patience: Vec<_> = places.iter().map(|place| (*place, Patience::new(usual))).collect();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    // Relaxed: each number is handed out once, that is all.
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&planned) = planned.get(at) else { return };
                    let (_, patience) =
                        patience.iter().find(|(of, _)| *of == planned.place).expect("each place has one");
                    let setting = Setup { below: &below, arguments, preparation: preparation.as_ref(), patience };
                    let row = run_repeatedly(planned, &setting, &progress);
                    rows.lock().expect("no holder panics").push((at, row));
                }
            });
        }
    });
    progress.clear();
    let mut rows = rows.into_inner().expect("no holder panics");
    rows.sort_by_key(|(at, _)| *at);
    let report = Report { run, cases: rows.into_iter().map(|(_, row)| row).collect() };
    publish(&report, arguments, files)
}

/// Prints the cases of several runs side by side. True if at least one case passed and none failed.
pub(crate) fn merge(arguments: &Arguments) -> anyhow::Result<bool> {
    let files = arguments.reports.create()?;
    let mut merged: Option<Report> = None;
    for path in &arguments.merge {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let report: Report =
            serde_json::from_slice(&text).with_context(|| format!("{} is no report of --json", path.display()))?;
        match &mut merged {
            None => merged = Some(report),
            Some(merged) => {
                merged.run.tier = format!("{}; {}", merged.run.tier, report.run.tier);
                merged.cases.extend(report.cases);
            }
        }
    }
    publish(&merged.context("no reports")?, arguments, files)
}

fn publish(report: &Report, arguments: &Arguments, files: Vec<report::Open>) -> anyhow::Result<bool> {
    terminal::print(report, arguments.times);
    for file in files {
        file.write(report)?;
    }
    let any = |verdict| report.cases.iter().any(|row| row.result == verdict);
    Ok(any(Verdict::Passed) && !any(Verdict::Failed))
}

fn select(arguments: &Arguments) -> anyhow::Result<Vec<&'static Listed>> {
    for name in arguments.cases.iter().chain(&arguments.without) {
        ensure!(
            cases::ALL.iter().any(|case| case.name.starts_with(name.as_str())),
            "there is no case {name:?}; --list shows all"
        );
    }
    let is_of = |case: &Listed, names: &[String]| names.iter().any(|name| case.name.starts_with(name.as_str()));
    let is_wanted = |case: &Listed| {
        (arguments.cases.is_empty() || is_of(case, &arguments.cases)) && !is_of(case, &arguments.without)
    };
    Ok(cases::ALL.iter().filter(|case| is_wanted(case) && case.tiers.contains(&arguments.tier)).collect())
}

/// What a case is run with.
struct Setup<'a> {
    below: &'a str,
    arguments: &'a Arguments,
    preparation: Option<&'a Preparation>,
    /// With its loop.
    patience: &'a Patience,
}

/// What runs in a process of its own.
#[derive(Clone, Copy)]
struct Planned {
    case: &'static Listed,
    place: Place,
    /// The type of its domains, if it creates real ones.
    domains: Option<Type>,
}

impl Planned {
    /// How the results call it.
    fn name(self) -> String {
        self.domains.map_or_else(|| self.case.name.into(), |domains| format!("{} {}", self.case.name, domains.name()))
    }

    /// What has the program run it again.
    fn words(self, tier: Tier) -> Vec<&'static str> {
        let Place { adapter, mode } = self.place;
        let mut words = vec!["--tier", tier.name(), "--adapter", adapter.name(), "--mode", mode.name()];
        words.extend(self.domains.into_iter().flat_map(|domains| ["--type", domains.name()]));
        words.extend(["--case", self.case.name]);
        words
    }
}

/// What is to run of `case` in this place: nothing if it is not for that, else on each type that is wanted, or on this place's
/// share of them.
fn plan(case: &'static Listed, place: Place, wanted: Option<Types>) -> Vec<Planned> {
    let Listed { types, .. } = *case;
    if !case.adapters.contains(&place.adapter) || !case.modes.contains(&place.mode) {
        return Vec::new();
    }
    let of = |domains| Planned { case, place, domains };
    match wanted {
        _ if types.is_empty() => vec![of(None)],
        Some(wanted) => types.iter().filter(|kind| wanted.has(**kind)).map(|kind| of(Some(*kind))).collect(),
        // Loops that stand beside each other differ in it, and so do the modes of each.
        None => vec![of(Some(types[(place.adapter as usize + place.mode as usize) % types.len()]))],
    }
}

fn run_repeatedly(planned: Planned, setup: &Setup<'_>, progress: &Progress) -> Row {
    let Setup { below, arguments, .. } = *setup;
    let Planned { case, place, .. } = planned;
    let name = planned.name();
    progress.begun(&name, place.name());
    let start = Instant::now();
    let mut failures = 0;
    // Of the first repetition that failed, or else of the last.
    let mut shown: Option<(Outcome, Option<Record>)> = None;
    for _ in 0..arguments.repeat {
        let (begun, patience) = (Instant::now(), setup.patience.now());
        let (outcome, record) = run_in_process(planned, setup, patience)
            .unwrap_or_else(|error| (Outcome::failed(format!("{error:#}")), None));
        let failed = outcome.result == Verdict::Failed;
        let less = setup.patience.learn(patience, begun.elapsed(), !failed);
        progress.repeated(&name, case.clauses, place.name(), failed.then_some(&outcome.reason));
        if let Some(words) = less {
            progress.note(&format!("{}: {words}", place.name()));
        }
        if failures == 0 {
            shown = Some((outcome, record));
        }
        failures += u32::from(failed);
    }
    let (outcome, record) = shown.expect("a case runs at least once");
    let row = Row {
        name,
        claim: case.claim.into(),
        clauses: case.clauses.iter().map(|&clause| clause.into()).collect(),
        adapter: place.name().into(),
        tier: below.into(),
        result: outcome.result,
        broken: report::broken(&outcome.reason, record.as_ref()),
        reason: outcome.reason,
        seconds: start.elapsed().as_secs_f64() / f64::from(arguments.repeat),
        runs: arguments.repeat,
        failures,
        arguments: planned.words(arguments.tier).into_iter().map(String::from).collect(),
        record,
    };
    progress.finished(&row);
    row
}

fn run_in_process(
    planned: Planned,
    setup: &Setup<'_>,
    patience: Duration,
) -> anyhow::Result<(Outcome, Option<Record>)> {
    let Setup { arguments, preparation, .. } = *setup;
    let folder = tempfile::tempdir().context("no folder for a case's files")?;
    let (outcome, log) = (folder.path().join("outcome"), folder.path().join("log"));
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--inside").arg(&outcome);
    command.args(planned.words(arguments.tier));
    command.env(patience::VARIABLE, patience.as_secs_f64().to_string());
    if arguments.log {
        command.arg("--log");
    }
    if let Some(linux) = &arguments.linux {
        command.arg("--linux").arg(linux);
    }
    if let Some(peer) = arguments.peer {
        command.arg("--peer").arg(peer.to_string());
    }
    if let Some(libxl) = &arguments.libxl {
        command.arg("--libxl").arg(libxl);
    }
    if let Some(preparation) = preparation {
        command.envs(preparation.environment(folder.path()));
    }
    let output = File::create(&log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("cannot start the case's process")?;
    let limit = Patience::limit(limit(arguments.tier), patience);
    let process = child.id();
    let status = wait(&mut child, limit)?;
    let written = std::fs::read(&outcome).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut outcome = match (status, written) {
        (None, _) => Outcome::failed(format!("it took longer than {limit:?} and was killed")),
        // A process that wrote its outcome must still end well.
        (Some(status), Some(outcome)) if status.success() => outcome,
        (Some(status), _) => Outcome::failed(format!("its process {}", describe(status))),
    };
    if arguments.tier.has_xen() && outcome.result == Verdict::Failed {
        xen::clean_up(process).context("cannot destroy what a failed case left behind")?;
    }
    if arguments.tier == Tier::Pair && outcome.result == Verdict::Failed {
        let told = peer(arguments)?.tell(Request::CleanUp { process });
        told.context("cannot destroy what a failed case left behind at the other host")?;
    }
    if outcome.result == Verdict::Failed {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = if arguments.log { &lines[..] } else { &lines[lines.len().saturating_sub(8)..] };
        if !tail.is_empty() {
            outcome.reason = format!("{}\n{}", outcome.reason, tail.join("\n"));
        }
    }
    let record = match std::fs::read(folder.path().join(RECORD)) {
        Ok(text) if status.is_some_and(|status| status.success()) => {
            Some(serde_json::from_slice(&text).context("the case's record cannot be read")?)
        }
        // A process that aborted has left one all the same; one that ended otherwise has left none, or a part.
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(_) => None,
    };
    Ok((outcome, record))
}

/// The other host, for what is no case's.
fn peer(arguments: &Arguments) -> anyhow::Result<Peer> {
    Ok(Peer::new(arguments.peer.context("--tier pair takes --peer, where the other host serves")?, Type::Pvh))
}

/// The other end: runs the one case here.
pub(crate) fn run_inside(arguments: &Arguments, outcome: &Path) -> ExitCode {
    files::remember_inherited();
    log_lines::log_to_stderr(if arguments.log { log::LevelFilter::Trace } else { log::LevelFilter::Info });
    let result = match (
        cases::ALL.iter().find(|case| arguments.cases.iter().any(|name| name == case.name)),
        &*arguments.adapters,
        &*arguments.modes,
    ) {
        (Some(case), &[adapter], &[mode]) => {
            let Arguments { tier, ref linux, ref libxl, types, peer, .. } = *arguments;
            let domains =
                case.types.iter().copied().find(|kind| types.is_some_and(|types| types == Types::from(*kind)));
            let target = Target { tier, linux: linux.as_deref(), libxl: libxl.as_deref(), domains, peer };
            adapter.start().and_then(|host| perform(case.play, target, host, mode, outcome))
        }
        _ => Err(anyhow::anyhow!("--inside takes one case, one adapter and one mode")),
    };
    match write(outcome, &Outcome::of(result)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(case: &str, adapters: &[Adapter], modes: &[Mode], wanted: Option<Types>) -> Vec<String> {
        let case = cases::ALL.iter().find(|listed| listed.name == case).unwrap();
        let places = adapters.iter().flat_map(|&adapter| modes.iter().map(move |&mode| Place { adapter, mode }));
        let planned = places.flat_map(|place| plan(case, place, wanted));
        planned.map(|planned| format!("{} on {}", planned.name(), planned.place.name())).collect()
    }

    #[test]
    fn loops_and_modes_share_the_types_out() {
        let shared = planned("xen-life", Adapter::ALL, Mode::ALL, None);
        let expected = [
            "xen-life pv on epoll",
            "xen-life pvh on epoll+thread",
            "xen-life pvh on glib",
            "xen-life pv on glib+thread",
            "xen-life pv on calloop",
            "xen-life pvh on calloop+thread",
            "xen-life pvh on smol",
            "xen-life pv on smol+thread",
        ];
        assert_eq!(shared, expected);
        assert_eq!(planned("close-idle", &[Adapter::Glib], &[Mode::Loop], None), ["close-idle on glib"]);
    }

    #[test]
    fn each_case_runs_on_each_of_its_types() {
        for case in cases::ALL.iter() {
            let all = planned(case.name, Adapter::ALL, Mode::ALL, None);
            for kind in case.types {
                let wanted = format!("{} {} on", case.name, kind.name());
                assert!(all.iter().any(|one| one.starts_with(&wanted)), "{wanted}: {all:?}");
            }
        }
    }

    #[test]
    fn type_that_is_named_is_the_only_one_and_runs_again() {
        let glib = [Adapter::Glib];
        let of = |wanted| planned("xen-life", &glib, &[Mode::Loop], Some(wanted));
        assert_eq!(of(Types::Pv), ["xen-life pv on glib"]);
        assert_eq!(of(Types::All), ["xen-life pv on glib", "xen-life pvh on glib"]);
        let case = cases::ALL.iter().find(|listed| listed.name == "xen-life").unwrap();
        let place = Place { adapter: Adapter::Glib, mode: Mode::Loop };
        let words = plan(case, place, Some(Types::Pvh))[0].words(Tier::Xen).join(" ");
        assert_eq!(words, "--tier xen --adapter glib --mode loop --type pvh --case xen-life");
    }
}
