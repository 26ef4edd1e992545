//! The suite for loops of other people: all of it, as a test program of theirs.

use crate::boundary::Integration;
use crate::case::{Outcome, Play};
use crate::cases;
use crate::files;
use crate::hosts::{Adapter, Host, Mode, Watch, WatchHost};
use crate::isolated::{self, Ended};
use crate::patience::{self, Patience};
use crate::report::{Verdict, terminal};
use crate::runner::{Target, perform, perform_at_boundary};
use crate::tiers::Tier;
use crate::tiers::libxl::{self, PROBE, Preparation};
use anyhow::Context;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In a case's process: which case, and the file for its outcome.
const CASE: &str = "OSEVENT_CONFORMANCE_CASE";
const OUTCOME: &str = "OSEVENT_CONFORMANCE_OUTCOME";

/// A case's process is killed after this time.
const LIMIT: Duration = Duration::from_secs(300);

/// The guide's programs are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing-your-loop.md")]
struct Guide;

/// All cases on one loop, as the `main` of a test program without harness:
/// ```toml
/// [[test]]
/// name = "conformance"
/// harness = false
/// ```
/// Each case runs in a process of its own, which is this program once more; so `main` does nothing before
/// [`Suite::main`]. The program takes the arguments of any other Rust test: a part of a case's name, `--list`, and so on.
///
/// Cases named `boundary` drive the loop with a client that does the worst that libxl can do. Cases named `libxl` drive it
/// with the libxl that is installed, without a hypervisor, and those named `libxl-thread` with that libxl on a thread of its
/// own; where none is installed they are ignored, with the reason.
///
/// docs/testing-your-loop.md is the guide.
pub struct Suite {
    name: String,
    start: Start,
}

enum Start {
    Host(Box<dyn Fn() -> anyhow::Result<Box<dyn Host>> + Send + Sync>),
    Integration(Box<dyn Fn() -> anyhow::Result<Box<dyn Integration>> + Send + Sync>),
}

impl Suite {
    /// For a loop with an [`EventLoop`](osevent_core::EventLoop) of its own. `start` starts a program on it, once in each
    /// case's process.
    pub fn new<H: Host>(
        name: impl Into<String>,
        start: impl Fn() -> anyhow::Result<H> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), start: Start::Host(Box::new(move || Ok(Box::new(start()?)))) }
    }

    /// For a loop that can watch an fd, which is all that osevent's reactor needs.
    pub fn watching<W: Watch>(
        name: impl Into<String>,
        start: impl Fn() -> anyhow::Result<W> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, move || WatchHost::start(start()?))
    }

    /// For a program that gives libxl hooks of its own, without osevent-core. Only the cases named `boundary` are there.
    pub fn hooks<I: Integration + 'static>(
        name: impl Into<String>,
        start: impl Fn() -> anyhow::Result<I> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), start: Start::Integration(Box::new(move || Ok(Box::new(start()?)))) }
    }

    /// Runs what the command line asks for, and prints the results.
    pub fn main(self) -> ExitCode {
        // Before the arguments are read, of which this is none.
        if std::env::args_os().nth(1).is_some_and(|first| first == PROBE) {
            return match libxl::probe(None) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error:#}");
                    ExitCode::FAILURE
                }
            };
        }
        self.run(patience::patience(), &Arguments::from_args())
    }

    /// The same with other arguments, and with that patience.
    pub(crate) fn run(self, patience: Duration, arguments: &Arguments) -> ExitCode {
        if let (Some(case), Some(outcome)) = (std::env::var_os(CASE), std::env::var_os(OUTCOME)) {
            return self.run_inside(&case.to_string_lossy(), Path::new(&outcome));
        }
        let preparation = prepare(patience).map(Arc::new).map_err(|error| format!("{error:#}"));
        // Where there is no stand-in, the one case that wants it is skipped.
        let standin = Preparation::new().ok().map(|standin| Ok(Arc::new(standin)));
        let patience = Arc::new(Patience::new(patience));
        let mut trials = Vec::new();
        for case in named_cases() {
            let prepared = match (case.play, &self.start) {
                (Play::Boundary(_), _) => standin.clone(),
                (Play::Stage(_), Start::Host(_)) => Some(preparation.clone()),
                (Play::Stage(_), Start::Integration(_)) => continue,
            };
            trials.push(trial(case, prepared, patience.clone()));
        }
        println!("{}", self.name);
        libtest_mimic::run(arguments, trials).exit_code()
    }

    /// The other end: plays the one case here.
    fn run_inside(self, name: &str, outcome: &Path) -> ExitCode {
        files::remember_inherited();
        terminal::log_to_stderr(log::LevelFilter::Info);
        let result = self.play(name, outcome);
        let text = serde_json::to_vec(&Outcome::of(result)).expect("an outcome is plain data");
        let code = match std::fs::write(outcome, text) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("cannot write {}: {error}", outcome.display());
                2
            }
        };
        // Not by returning: threads that a failed case has left waiting are not waited for.
        std::process::exit(code)
    }

    fn play(&self, name: &str, outcome: &Path) -> anyhow::Result<()> {
        let all = named_cases();
        let chosen = all.iter().find(|case| case.name == name);
        let NamedCase { play, mode, .. } = chosen.with_context(|| format!("{CASE} names no case: {name}"))?;
        match (&self.start, *play) {
            (Start::Host(start), play) => {
                let target = Target { tier: Tier::Libxl, linux: None, libxl: None, domains: None };
                perform(play, target, start()?, *mode, outcome)
            }
            (Start::Integration(start), Play::Boundary(case)) => perform_at_boundary(case, start()?, outcome),
            (Start::Integration(_), Play::Stage(_)) => anyhow::bail!("{name} needs osevent"),
        }
    }
}

/// A case as it is named here.
struct NamedCase {
    name: String,
    /// Which it checks.
    clauses: String,
    play: Play,
    mode: Mode,
}

/// The cases that any loop can run.
fn named_cases() -> Vec<NamedCase> {
    let any = cases::ALL.iter().filter(|case| case.adapters == Adapter::ALL);
    let mut all = Vec::new();
    for case in any {
        for &mode in case.modes {
            let kind = match (case.play, mode) {
                (Play::Boundary(_), _) => "boundary",
                (Play::Stage(_), _) if !case.tiers.contains(&Tier::Libxl) => continue,
                (Play::Stage(_), Mode::Loop) => "libxl",
                (Play::Stage(_), Mode::Thread) => "libxl-thread",
            };
            let name = format!("{kind}::{}", case.name);
            all.push(NamedCase { name, clauses: case.clauses.join(" "), play: case.play, mode });
        }
    }
    all
}

fn prepare(patience: Duration) -> anyhow::Result<Preparation> {
    let preparation = Preparation::new()?;
    preparation.probe(None, patience)?;
    Ok(preparation)
}

type Prepared = Result<Arc<Preparation>, String>;

/// One case in a process of its own, with what was prepared for it.
fn trial(NamedCase { name, clauses, .. }: NamedCase, prepared: Option<Prepared>, patience: Arc<Patience>) -> Trial {
    let case = name.clone();
    Trial::ignorable_test(name, move || {
        let preparation = match prepared {
            Some(Err(why)) => return Ok(Completion::ignored_with(why)),
            Some(Ok(preparation)) => Some(preparation),
            None => None,
        };
        let (begun, given) = (Instant::now(), patience.now());
        let outcome = play_in_process(&case, preparation.as_deref(), given)?;
        if let Some(words) = patience.learn(given, begun.elapsed(), outcome.result != Verdict::Failed) {
            eprintln!("{words}");
        }
        match outcome.result {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped => Ok(Completion::ignored_with(outcome.reason)),
            Verdict::Failed => Err(Failed::from(format!("{}\nThe case checks {clauses}.", outcome.reason))),
        }
    })
}

fn play_in_process(case: &str, preparation: Option<&Preparation>, patience: Duration) -> anyhow::Result<Outcome> {
    let limit = Patience::limit(LIMIT, patience);
    let ended = isolated::run(limit, |command, outcome| {
        // The same words, since they may say which loop it is.
        command.args(std::env::args_os().skip(1)).env(CASE, case).env(OUTCOME, outcome);
        command.env(patience::VARIABLE, patience.as_secs_f64().to_string());
        if let Some(preparation) = preparation {
            let folder = outcome.parent().context("the outcome has a folder")?;
            command.envs(preparation.environment(folder));
        }
        Ok(())
    })?;
    Ok(match ended {
        Ended::Told(outcome) => outcome,
        Ended::Died(why) => Outcome::failed(why),
        Ended::Overdue => Outcome::failed(format!("it took longer than {limit:?} and was killed")),
    })
}

/// `--loop FILE`: the suite on the loop of a shared object, which the caller vouches for by naming it.
pub(crate) fn of_shared_object(path: PathBuf) -> Suite {
    Suite::watching(path.display().to_string(), move || {
        // SAFETY: whoever runs the program with this file says that it is a loop as osevent_loop.h has it.
        unsafe { crate::hosts::SharedObject::load(&path) }
    })
}
