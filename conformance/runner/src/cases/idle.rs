//! A ctx that waits costs nothing.
//!
//! # Why no wake-up means no system call
//! A thread makes a system call only while it runs. One that sleeps was switched away from when it went to sleep, which
//! the kernel counts as a voluntary switch, and it runs next when something wakes it. So a thread that sleeps at two moments,
//! with the same count at both, has not run in between: to sleep again it would have been switched away from again. A
//! thread that began and ended in between was begun by one that ran.
//!
//! The thread that looks is left out: it runs in order to look.

use crate::case::Case;
use crate::cases::kept;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{Context, ensure};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use osevent_conformance::record::What;
use procfs::process::Process;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use xenlight::{DomainChange, DomainId};

pub(crate) static COSTS_NOTHING: Case = Case {
    name: "idle-costs-nothing",
    claim: "An open ctx that watches for a death, has delivered another, and is left alone for 5 s wakes no thread of the process",
    clauses: &["R9", "R12"],
    tiers: &[Tier::Libxl, Tier::Xen],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: costs_nothing,
};

pub(crate) static FOLLOWING_COSTS_NOTHING: Case = Case {
    name: "idle-while-followed",
    claim: "While the domains are followed, and after their configurations were asked for, a ctx that is left alone for 5 s wakes no thread of the process",
    run: following_costs_nothing,
    ..COSTS_NOTHING
};

/// Left alone as long as this.
const IDLE: Duration = Duration::from_secs(5);

/// At rest is who has not woken for as long as this.
const REST: Duration = Duration::from_millis(500);

/// What was begun before may take as long as this to come to rest. Async-io's thread, for one, tries a few times before
/// it leaves the waiting to the executor's.
const SETTLING: Duration = Duration::from_secs(30);

fn costs_nothing(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let occurrences = || opened.hooks.count(|step| matches!(step, What::FdOccurrence { .. }));
    if let Ok(pretend) = stage.machine.pretend() {
        // What was delivered before is not delivered again.
        let seven = opened.ctx.watch_death(SEVEN)?;
        pretend.destroy(SEVEN)?;
        opened.events.next()?;
        drop(seven);
    }
    let watch = opened.ctx.watch_death(DomainId::DOM0)?;
    // Xenstored reports each new watch once.
    eventually("the loop runs", || occurrences() > 0)?;

    let after = left_alone()?;
    // It was asleep, not dead, and the count counts.
    let occurred = occurrences();
    drop(watch);
    let watch = opened.ctx.watch_death(DomainId::DOM0)?;
    eventually("the loop wakes", || occurrences() > occurred)?;
    ensure!(Sleeps::of_others()? != after, "the kernel does not count");
    drop(watch);
    opened.close()
}

fn following_costs_nothing(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let asked = match stage.machine.pretend() {
        Ok(pretend) => {
            kept::keep_configuration(pretend, &opened.ctx.info(FIVE)?)?;
            FIVE
        }
        Err(_) => DomainId::DOM0,
    };
    let mut domains = opened.ctx.follow_domains()?;
    // The first one is libxl's, with what comes of that.
    for _ in 0..2 {
        block_on(opened.ctx.followed_config(asked))?;
    }
    let after = left_alone()?;

    // It was asleep, not dead, and the count counts.
    if let Ok(pretend) = stage.machine.pretend() {
        pretend.store.write(&format!("/local/domain/{FIVE}/name"), b"five")?;
        let change = block_on(domains.next());
        ensure!(matches!(&change, Some(DomainChange::Changed { now, .. }) if now.domid() == FIVE), "{change:?}");
    }
    domains.refresh()?;
    eventually("the loop wakes", || Sleeps::of_others().is_ok_and(|sleeps| sleeps != after))?;
    drop(domains);
    opened.close()
}

/// Waits until all threads have come to rest, and then that none wakes.
fn left_alone() -> anyhow::Result<Sleeps> {
    let settling = Instant::now();
    let mut before = Sleeps::of_others()?;
    loop {
        std::thread::sleep(REST);
        let now = Sleeps::of_others()?;
        if now == before {
            break;
        }
        ensure!(settling.elapsed() < SETTLING, "it does not come to rest: {}", now.since(&before));
        before = now;
    }
    std::thread::sleep(IDLE);
    let after = Sleeps::of_others()?;
    ensure!(after == before, "while the ctx was idle: {}", after.since(&before));
    Ok(after)
}

/// How often each thread but this one has been switched away from, by its number, with its name.
#[derive(PartialEq, Eq)]
struct Sleeps(BTreeMap<i32, (String, u64)>);

impl Sleeps {
    /// Waits until all of them sleep.
    fn of_others() -> anyhow::Result<Self> {
        let mut sleeps = Ok(None);
        // An error where a thread has just ended: the next look does without it.
        eventually("all threads sleep", || {
            sleeps = asleep();
            matches!(sleeps, Ok(Some(_)))
        })
        .with_context(|| format!("{sleeps:?}"))?;
        sleeps?.map(Self).context("all threads sleep")
    }

    /// Who has run since.
    fn since(&self, before: &Self) -> String {
        let ended = before.0.iter().filter(|(thread, _)| !self.0.contains_key(thread));
        let ended = ended.map(|(_, (name, _))| format!("{name} has ended"));
        let woken = self.0.iter().filter_map(|(thread, (name, now))| {
            let then = before.0.get(thread).map_or(0, |(_, then)| *then);
            (*now != then).then(|| format!("{name} ran {} times", now - then))
        });
        ended.chain(woken).collect::<Vec<_>>().join(", ")
    }
}

/// `None` while one of them runs.
fn asleep() -> procfs::ProcResult<Option<BTreeMap<i32, (String, u64)>>> {
    // SAFETY: takes and returns numbers.
    let me = unsafe { libc::gettid() };
    let mut sleeps = BTreeMap::new();
    for task in Process::myself()?.tasks()? {
        let status = task?.status()?;
        // The suite's own: this one, and the monitor's, which looks from time to time.
        if status.pid == me || status.name == "monitor" {
            continue;
        }
        let (true, Some(voluntary)) = (status.state.starts_with('S'), status.voluntary_ctxt_switches) else {
            return Ok(None);
        };
        // The involuntary ones, when the kernel takes the processor from it, prove nothing more and say how much it ran.
        sleeps.insert(status.pid, (status.name, voluntary + status.nonvoluntary_ctxt_switches.unwrap_or(0)));
    }
    Ok(Some(sleeps))
}
