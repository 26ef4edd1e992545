//! Runs seed after seed until one fails, and reports the failure.

use super::driver::{Outcome, run_script};
use super::{Release, Script, shrink};
use crate::boundary::Integration;
use crate::monitor::{Limits, Monitor, Monitored};
use crate::violation::Violation;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The seeds to run, and the patience.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The modelled release.
    pub release: Release,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How long to wait for each step of the host.
    pub patience: Duration,
}

/// A script for which a host fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed, unless the script was given.
    pub seed: Option<u64>,
    /// The first violation of the host.
    pub violation: Violation,
    /// The shortest script that was found to fail in the same way.
    pub script: Script,
    /// How often the script failed when it was repeated, and how often it was repeated. It may be a race.
    pub again: (u32, u32),
    /// Threads hang, so this host cannot be used any more. [`shorten_hanging`](Self::shorten_hanging) uses new hosts.
    pub stuck: bool,
}

/// How often a script is run again to learn how often it fails.
const REPETITIONS: u32 = 20;

/// The time limit for shortening a script.
pub const SHRINKING: Duration = Duration::from_secs(60);

/// The patience with a host that is known to fail. What it does later counts as missing.
pub const IMPATIENCE: Duration = Duration::from_secs(1);

/// Runs the seeds until one fails, each with its own monitor, and calls `done` after each that does not fail.
///
/// # Errors
/// The runs were not possible.
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

/// Runs a script with a monitor. If it fails, it is shortened.
///
/// # Errors
/// The runs were not possible.
pub fn replay(script: &Script, integration: &dyn Integration, patience: Duration) -> anyhow::Result<Option<Failure>> {
    let outcome = run_monitored(script, integration, patience)?;
    let Some(violation) = outcome.violations.into_iter().next() else { return Ok(None) };
    let mut failure = Failure { seed: None, violation, script: script.clone(), again: (0, 0), stuck: outcome.stuck };
    if !failure.stuck {
        failure.shorten(integration);
    }
    Ok(Some(failure))
}

/// The same as [`run_script`] with a monitor, whose findings are violations as well.
///
/// # Errors
/// The run was not possible.
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
    /// Shortens a script with which threads hang, within a time limit. Each try has a new host. A host in which threads hang is
    /// leaked, with everything that they hold.
    ///
    /// # Errors
    /// Not all tries were possible. The script has been shortened as far as possible until then.
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
