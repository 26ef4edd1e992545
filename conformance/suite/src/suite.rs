//! The suite for loops of other people, as a test program of theirs.

use crate::boundary::Integration;
use crate::cases;
use crate::directed::BoundaryCase;
use crate::files;
use crate::harness::{self, Arguments, Trial};
use crate::hosts::{Host, Watch, WatchHost};
use crate::integration::CoreIntegration;
use crate::isolated::{self, Ended};
use crate::log_lines;
use crate::outcome::{Outcome, Verdict};
use crate::patience::{self, Patience};
use crate::perform::perform_at_boundary;
use crate::standin::Preparation;
use anyhow::Context;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In a case's process: which case, and the file for its outcome.
const CASE: &str = "OSEVENT_CONFORMANCE_CASE";
const OUTCOME: &str = "OSEVENT_CONFORMANCE_OUTCOME";

/// A case's process is killed after this time.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs all cases on a loop, as the `main` of a test program without harness:
/// ```toml
/// [[test]]
/// name = "conformance"
/// harness = false
/// ```
/// Each case runs in a new process of this program, so `main` must do nothing before [`Suite::main`]. The program takes the
/// arguments of any Rust test, such as a part of a case's name or `--list`.
///
/// The cases named `boundary` use a client that does the worst that libxl can do. [`Suite::with`] adds other cases.
///
/// docs/testing-your-loop.md is the guide.
pub struct Suite {
    name: String,
    start: Start,
    more: Vec<Box<dyn MoreCases>>,
}

enum Start {
    Host(Box<dyn Fn() -> anyhow::Result<Box<dyn Host>> + Send + Sync>),
    Integration(Box<dyn Fn() -> anyhow::Result<Box<dyn Integration>> + Send + Sync>),
}

/// The name of a case in a [`Suite`].
#[derive(Clone, Debug)]
pub struct Named {
    /// The name, after the kind: `libxl::close-idle`.
    pub name: String,
    /// The clauses that it checks.
    pub clauses: String,
}

/// Cases of another crate that need more than a loop. osevent-conformance-runner has cases on libxl.
pub trait MoreCases: Send + Sync {
    /// All cases, in order.
    fn named(&self) -> Vec<Named>;

    /// Checks whether the cases can run here. Called once, before the first case.
    ///
    /// # Errors
    /// The reason why they cannot run. They are then ignored.
    fn prepare(&self, patience: Duration) -> anyhow::Result<()>;

    /// Called with the first argument of the program. If `prepare` has started this process, it does its work and returns the exit
    /// code.
    fn started_as(&self, first: &OsStr) -> Option<ExitCode>;

    /// Runs the case with this name. The process runs no other case. The outcome will be written to `outcome`.
    ///
    /// # Errors
    /// The failure, or a [`Skip`](crate::outcome::Skip).
    fn play(&self, name: &str, host: Box<dyn Host>, outcome: &Path) -> anyhow::Result<()>;
}

impl Suite {
    /// Creates a suite for a loop that implements [`EventLoop`](osevent_core::EventLoop). `start` starts a program on the loop. It is
    /// called once in the process of each case.
    pub fn new<H: Host>(
        name: impl Into<String>,
        start: impl Fn() -> anyhow::Result<H> + Send + Sync + 'static,
    ) -> Self {
        Self::of(name.into(), Start::Host(Box::new(move || Ok(Box::new(start()?)))))
    }

    /// Creates a suite for a loop that can watch an fd, which is enough for osevent's reactor.
    pub fn watching<W: Watch>(
        name: impl Into<String>,
        start: impl Fn() -> anyhow::Result<W> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, move || WatchHost::start(start()?))
    }

    /// Creates a suite for a program that implements libxl's hooks without osevent-core. It only has the cases named `boundary`.
    pub fn hooks<I: Integration + 'static>(
        name: impl Into<String>,
        start: impl Fn() -> anyhow::Result<I> + Send + Sync + 'static,
    ) -> Self {
        Self::of(name.into(), Start::Integration(Box::new(move || Ok(Box::new(start()?)))))
    }

    fn of(name: String, start: Start) -> Self {
        Self { name, start, more: Vec::new() }
    }

    /// Adds these cases.
    #[must_use]
    pub fn with(mut self, cases: impl MoreCases + 'static) -> Self {
        self.more.push(Box::new(cases));
        self
    }

    /// Runs the cases that the command line selects, and prints the results.
    pub fn main(self) -> ExitCode {
        // Before the arguments are read, of which this is none.
        let first = std::env::args_os().nth(1).unwrap_or_default();
        if let Some(code) = self.more.iter().find_map(|more| more.started_as(&first)) {
            return code;
        }
        match Arguments::parse(std::env::args().skip(1)) {
            Ok(arguments) => self.run(patience::patience(), &arguments),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        }
    }

    /// Runs the cases with the given arguments and patience, and prints the results.
    pub fn run(self, patience: Duration, arguments: &Arguments) -> ExitCode {
        if let (Some(case), Some(outcome)) = (std::env::var_os(CASE), std::env::var_os(OUTCOME)) {
            return self.run_inside(&case.to_string_lossy(), Path::new(&outcome));
        }
        // Where there is no stand-in, the one case at the boundary that wants it is skipped.
        let standin = Preparation::new().ok().map(Arc::new);
        let learned = Arc::new(Patience::new(patience));
        let mut trials = Vec::new();
        for more in &self.more {
            if matches!(self.start, Start::Integration(_)) {
                break;
            }
            let ready = more.prepare(patience).map_err(|error| format!("{error:#}"));
            trials.extend(
                more.named().into_iter().map(|case| trial(case, ready.clone(), standin.clone(), learned.clone())),
            );
        }
        trials.extend(at_boundary().map(|(case, _)| trial(case, Ok(()), standin.clone(), learned.clone())));
        if !arguments.list {
            println!("{}", self.name);
        }
        harness::run(arguments, trials)
    }

    /// The other end: plays the one case here.
    fn run_inside(self, name: &str, outcome: &Path) -> ExitCode {
        files::remember_inherited();
        log_lines::log_to_stderr(log::LevelFilter::Info);
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
        if let Some((_, case)) = at_boundary().find(|(named, _)| named.name == name) {
            let integration = match &self.start {
                Start::Host(start) => Box::new(CoreIntegration::new(start()?)),
                Start::Integration(start) => start()?,
            };
            return perform_at_boundary(case, integration, outcome);
        }
        let more = self.more.iter().find(|more| more.named().iter().any(|named| named.name == name));
        let more = more.with_context(|| format!("{CASE} names no case: {name}"))?;
        match &self.start {
            Start::Host(start) => more.play(name, start()?, outcome),
            Start::Integration(_) => anyhow::bail!("{name} needs osevent"),
        }
    }
}

fn at_boundary() -> impl Iterator<Item = (Named, &'static BoundaryCase)> {
    let named =
        |case: &BoundaryCase| Named { name: format!("boundary::{}", case.name), clauses: case.clauses.join(" ") };
    cases::ALL.iter().chain(cases::RANDOM).map(move |case| (named(case), *case))
}

/// One case in a process of its own; `ready` says why not.
fn trial(
    Named { name, clauses }: Named,
    ready: Result<(), String>,
    standin: Option<Arc<Preparation>>,
    patience: Arc<Patience>,
) -> Trial {
    let case = name.clone();
    let run = move || {
        if let Err(why) = &ready {
            return harness::Ended::Ignored(why.clone());
        }
        let (begun, given) = (Instant::now(), patience.now());
        let outcome = match play_in_process(&case, standin.as_deref(), given) {
            Ok(outcome) => outcome,
            Err(error) => return harness::Ended::Failed(format!("{error:#}")),
        };
        if let Some(words) = patience.learn(given, begun.elapsed(), outcome.result != Verdict::Failed) {
            eprintln!("{words}");
        }
        match outcome.result {
            Verdict::Passed => harness::Ended::Passed,
            Verdict::Skipped => harness::Ended::Ignored(outcome.reason),
            Verdict::Failed => harness::Ended::Failed(format!("{}\nThe case checks {clauses}.", outcome.reason)),
        }
    };
    Trial { name, run: Box::new(run) }
}

fn play_in_process(case: &str, standin: Option<&Preparation>, patience: Duration) -> anyhow::Result<Outcome> {
    let limit = Patience::limit(LIMIT, patience);
    let ended = isolated::run(limit, |command, outcome| {
        // The same words, since they may say which loop it is.
        command.args(std::env::args_os().skip(1)).env(CASE, case).env(OUTCOME, outcome);
        command.env(patience::VARIABLE, patience.as_secs_f64().to_string());
        if let Some(standin) = standin {
            let folder = outcome.parent().context("the outcome has a folder")?;
            command.envs(standin.environment(folder));
        }
        Ok(())
    })?;
    Ok(match ended {
        Ended::Told(outcome) => outcome,
        Ended::Died(why) => Outcome::failed(why),
        Ended::Overdue => Outcome::failed(format!("it took longer than {limit:?} and was killed")),
    })
}
