//! Seed after seed, until one fails; and what is told about it then.

use super::driver::{Outcome, run_script};
use super::{Release, Script, shrink};
use crate::boundary::Integration;
use crate::monitor::{Limits, Monitor, Monitored};
use crate::violation::Violation;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is run, and how patiently.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The libxl that is modelled.
    pub release: Release,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How long the host is waited for in each step that it has to take.
    pub patience: Duration,
}

/// A script that a host fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it stands for, unless it was given as a script.
    pub seed: Option<u64>,
    /// What the host did wrong first.
    pub violation: Violation,
    /// The shortest script that was found to fail in the same way.
    pub script: Script,
    /// How often that failed when it was repeated, and how often it was: it may be a race.
    pub again: (u32, u32),
    /// Threads hang: the host is good for nothing more. [`shorten_hanging`](Self::shorten_hanging) takes others.
    pub stuck: bool,
}

/// How often a script is run again to learn how often it fails.
const REPETITIONS: u32 = 20;

/// How long making a script shorter may take.
pub const SHRINKING: Duration = Duration::from_secs(60);

/// How long a host is waited for that is known to fail: what it does later passes for never.
pub const IMPATIENCE: Duration = Duration::from_secs(1);

/// Runs the seeds until one fails, each under a monitor of its own, and calls `done` after each that does not.
///
/// # Errors
/// The runs could not be made.
pub fn run_seeds(
    plan: &Plan,
    integration: &dyn Integration,
    mut done: impl FnMut(u64),
) -> anyhow::Result<Option<Failure>> {
    for seed in plan.seeds.clone() {
        let script = Script::generate(seed, plan.release);
        if let Some(failure) = replay(&script, integration, plan.patience)? {
            return Ok(Some(Failure { seed: Some(seed), ..failure }));
        }
        done(seed);
    }
    Ok(None)
}

/// Runs a script under a monitor. What fails is made shorter.
///
/// # Errors
/// The runs could not be made.
pub fn replay(script: &Script, integration: &dyn Integration, patience: Duration) -> anyhow::Result<Option<Failure>> {
    let outcome = run_monitored(script, integration, patience)?;
    let Some(violation) = outcome.violations.into_iter().next() else { return Ok(None) };
    let mut failure = Failure { seed: None, violation, script: script.clone(), again: (0, 0), stuck: outcome.stuck };
    if !failure.stuck {
        failure.shorten(integration);
    }
    Ok(Some(failure))
}

/// [`run_script`] with a monitor in between, whose findings are violations as well.
///
/// # Errors
/// The run could not be made.
pub fn run_monitored(script: &Script, integration: &dyn Integration, patience: Duration) -> anyhow::Result<Outcome> {
    let monitor = Monitor::new(Limits { stuck: patience, ..Limits::default() });
    let mut outcome = run_script(script, &Monitored { integration, monitor: monitor.clone() }, patience)?;
    if !outcome.stuck {
        let violations = monitor.finish().violations;
        outcome.violations.extend(violations);
    }
    Ok(outcome)
}

impl Failure {
    /// Makes a script shorter with which threads hang, for at most so long. Each try has a host of its own, which is left as it is where
    /// threads hang: what they hold is lost to the process.
    ///
    /// # Errors
    /// Not all tries could be made; it is as short as it has become until then.
    pub fn shorten_hanging(
        &mut self,
        within: Duration,
        mut host: impl FnMut() -> anyhow::Result<Box<dyn Integration>>,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + within;
        let mut failure = None;
        let mut hangs = |script: &Script| {
            if Instant::now() >= end {
                return false;
            }
            let outcome = host().and_then(|host| {
                let outcome = run_monitored(script, &*host, IMPATIENCE)?;
                if outcome.stuck {
                    std::mem::forget(host);
                }
                Ok(outcome)
            });
            match outcome {
                Ok(outcome) => outcome.stuck,
                Err(error) => {
                    failure = Some(error);
                    false
                }
            }
        };
        let shorter = shrink(&self.script, usize::MAX, |script| (0..3).any(|_| hangs(script)));
        self.script = shorter.script;
        failure.map_or(Ok(()), Err)
    }

    /// A race fails sometimes, so each script is tried as often as the first one needed to fail almost surely.
    fn shorten(&mut self, integration: &dyn Integration) {
        let clause = self.violation.clause.clone();
        let mut stuck = false;
        let mut fails = |script: &Script| {
            if stuck {
                return false;
            }
            let outcome = run_monitored(script, integration, IMPATIENCE).unwrap_or_default();
            stuck |= outcome.stuck;
            outcome.violations.iter().any(|violation| violation.clause == clause)
        };
        self.again = ((0..REPETITIONS).filter(|_| fails(&self.script)).count() as u32, REPETITIONS);
        if self.again.0 > 0 {
            let tries = (3 * REPETITIONS).div_ceil(self.again.0);
            let end = Instant::now() + SHRINKING;
            let shorter =
                shrink(&self.script, usize::MAX, |script| Instant::now() < end && (0..tries).any(|_| fails(script)));
            let again = (0..REPETITIONS).filter(|_| fails(&shorter.script)).count() as u32;
            (self.script, self.again) = (shorter.script, (again, REPETITIONS));
        }
        self.stuck = stuck;
    }
}

/// For people: clause, seed, and the script.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nrelease {}", self.violation, self.script.release)?;
        if let Some(seed) = self.seed {
            write!(f, ", seed {seed}")?;
        }
        match self.again {
            (_, 0) => writeln!(f, ", threads hang")?,
            (0, of) => writeln!(f, ", did not fail again in {of} repetitions")?,
            (failed, of) => writeln!(f, ", shortened; this fails {failed} times in {of}:")?,
        }
        write!(f, "{}", self.script)
    }
}
