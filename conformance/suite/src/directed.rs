//! Directed cases: each forces one interleaving at the boundary by handshakes, and says which clause a host broke.
//!
//! A case drives a [`Puppet`], and never waits for luck: it holds the loop inside an occurrence ([`Opened::hold_loop`]), sees
//! that it sleeps ([`Opened::wait_for_sleep`]), or has it go round so often that whatever had to show has shown
//! ([`Opened::go_round`]). Where it cannot bring that about, it fails without naming a clause.

mod in_loop;

use crate::boundary::{Hosting, Integration, Rule};
use crate::monitor::{Monitor, Monitored};
use crate::outcome::Skip;
use crate::patience::patience;
use crate::puppet::Puppet;
use crate::threads::{self, Activity};
use crate::violation::Violation;
pub use crate::violation::breaks;
use anyhow::{bail, ensure};
pub use in_loop::{Hold, InLoop};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// One check at the boundary.
pub struct BoundaryCase {
    /// Its name in reports and on the command line.
    pub name: &'static str,
    /// What is shown, as a claim.
    pub claim: &'static str,
    /// The clauses of docs/contract.md that it checks.
    pub clauses: &'static [&'static str],
    /// Under which rules it runs, one after the other.
    pub rules: &'static [Rule],
    /// For a known bug of the field: where it is told.
    pub sources: &'static [&'static str],
    /// Does it.
    pub run: fn(&Setting<'_>) -> anyhow::Result<()>,
}

/// Both rules: the clause holds in all releases.
pub const BOTH: &[Rule] = &[Rule::Concurrent, Rule::Serialized];
/// What concerns 4.2.2 and later, or needs calls that overlap.
pub const CONCURRENT: &[Rule] = &[Rule::Concurrent];
/// What concerns 4.2.0 and 4.2.1.
pub const SERIALIZED: &[Rule] = &[Rule::Serialized];

impl BoundaryCase {
    /// Runs it in this setting, under each of its rules. A host that fails can be left standing: do not drop it then.
    ///
    /// # Errors
    /// A [`Violation`], if the host broke a clause; anything else, if the case could not be played. What the setting's
    /// monitor found is not among it.
    pub fn perform(&self, mut setting: Setting<'_>) -> anyhow::Result<()> {
        for &rule in self.rules {
            setting.rule = rule;
            (self.run)(&setting).map_err(|error| match error.downcast::<Violation>() {
                Ok(violation) => violation.under(rule).into(),
                Err(error) => error,
            })?;
        }
        Ok(())
    }
}

/// Unless `holds`, the clause is broken.
///
/// # Errors
/// The violation.
pub fn demand(clause: &'static str, holds: bool, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    if holds { Ok(()) } else { Err(breaks(clause, text())) }
}

/// What a case has: a host, and a monitor between that and each client.
pub struct Setting<'a> {
    integration: &'a dyn Integration,
    monitor: Arc<Monitor>,
    rule: Rule,
    patience: Duration,
}

impl<'a> Setting<'a> {
    /// With the patience of this process: two minutes, if nothing says otherwise.
    pub fn new(integration: &'a dyn Integration, monitor: Arc<Monitor>) -> Self {
        Self { integration, monitor, rule: Rule::Concurrent, patience: patience() }
    }

    /// Waits so long for what a conforming host does at once.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The host, without the monitor.
    pub fn integration(&self) -> &'a dyn Integration {
        self.integration
    }

    /// The host, with the monitor.
    pub fn monitored(&self) -> Monitored<&'a dyn Integration> {
        Monitored { integration: self.integration, monitor: self.monitor.clone() }
    }

    /// The rule that the clients of this run want.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// How long to wait for what a conforming host does at once.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// A puppet in the care of the host.
    ///
    /// # Errors
    /// The host does not take it.
    pub fn open(&self) -> anyhow::Result<Opened> {
        let puppet = Puppet::new(self.rule, self.patience);
        let hosting = self.monitor.host(self.integration, puppet.clone(), self.rule)?;
        puppet.set_hosting(&hosting);
        Ok(Opened { puppet, hosting, monitor: self.monitor.clone(), patience: self.patience })
    }

    /// Does something on a thread of its own, which the case need not wait for.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn elsewhere<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<Elsewhere<T>> {
        let (tell, told) = channel();
        std::thread::Builder::new().name("elsewhere".into()).spawn(move || {
            // The case may have failed meanwhile.
            let _ = tell.send(act());
        })?;
        Ok(Elsewhere { told, patience: self.patience })
    }
}

/// What another thread does.
pub struct Elsewhere<T> {
    told: Receiver<T>,
    patience: Duration,
}

impl<T> Elsewhere<T> {
    /// Waits for its end.
    ///
    /// # Errors
    /// `clause` is broken because it does not come.
    pub fn returns(self, clause: &'static str, what: &str) -> anyhow::Result<T> {
        self.told.recv_timeout(self.patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => breaks(clause, format!("did not return within {:?}: {what}", self.patience)),
            RecvTimeoutError::Disconnected => anyhow::anyhow!("panicked: {what}"),
        })
    }
}

/// A puppet with its host.
pub struct Opened {
    puppet: Arc<Puppet>,
    hosting: Arc<dyn Hosting>,
    monitor: Arc<Monitor>,
    patience: Duration,
}

impl Deref for Opened {
    type Target = Arc<Puppet>;

    fn deref(&self) -> &Arc<Puppet> {
        &self.puppet
    }
}

impl Opened {
    /// The host's end of it.
    pub fn hosting(&self) -> &Arc<dyn Hosting> {
        &self.hosting
    }

    /// Closes it while no call is in progress, and sees that it was freed and that all was well.
    ///
    /// # Errors
    /// It was not.
    pub fn close(self) -> anyhow::Result<()> {
        self.check()?;
        self.hosting.close();
        self.wait_for_free("X2", "a client that is closed while nobody is inside is freed")?;
        self.check()
    }

    /// Waits until the loop's thread sleeps: nothing is left to do, and it has gone to wait.
    ///
    /// # Errors
    /// It does not: then it spins, which breaks `clause`.
    pub fn wait_for_sleep(&self, clause: &'static str) -> anyhow::Result<()> {
        let thread = self.in_loop(|_| Ok(threads::current()))?;
        demand(clause, threads::wait_for_sleep(thread, self.patience), || {
            format!("the loop does not go to sleep within {:?} although nothing is due", self.patience)
        })
    }

    /// Waits until that thread waits for a lock, or until the puppet has failed.
    ///
    /// # Errors
    /// The puppet has, or the thread does not come to wait; a skip where the kernel does not say what a thread waits for.
    pub fn wait_for_lock(&self, thread: threads::Tid) -> anyhow::Result<()> {
        if !threads::are_seen_waiting() {
            bail!(Skip("the kernel does not say in which system call a thread is".into()));
        }
        let waits = threads::wait_for_lock(thread, self.patience, || self.check().is_err());
        // A thread that should wait, and does not, has done what the puppet does not survive.
        self.check()?;
        ensure!(waits, "the thread has not come to wait for the outer lock");
        Ok(())
    }

    /// The process comes to rest: no thread but the calling one has anything to do.
    ///
    /// # Errors
    /// One spins, which breaks `clause`.
    pub fn expect_rest(&self, clause: &'static str, why: &str) -> anyhow::Result<()> {
        demand(clause, threads::rest(), || format!("the loop spins: {why}"))
    }

    /// What the process does while nothing is ready.
    ///
    /// # Errors
    /// The loop does not come round.
    pub fn usual_activity(&self) -> anyhow::Result<Activity> {
        self.go_round(2)?;
        Ok(Activity::now())
    }

    /// As [`expect_rest`](Self::expect_rest), and no thread wakes more often than usual.
    ///
    /// # Errors
    /// One does, which breaks `clause`.
    pub fn expect_rest_as(&self, clause: &'static str, usual: Activity, why: &str) -> anyhow::Result<()> {
        demand(clause, threads::rest_as(usual), || format!("the loop wakes for nothing, again and again: {why}"))
    }
}
