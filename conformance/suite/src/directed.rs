//! Directed cases. Each forces an interleaving at the boundary by handshakes, and names the clause that a host breaks.
//!
//! A case controls a [`Puppet`] and does not depend on luck. It holds the loop inside an occurrence ([`Opened::hold_loop`]), waits
//! until the loop sleeps ([`Opened::wait_for_sleep`]), or lets it iterate until everything that is ready must have been reported
//! ([`Opened::go_round`]). If a case cannot force its interleaving, it fails without naming a clause.

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

/// A case at the boundary.
pub struct BoundaryCase {
    /// Its name in reports and on the command line.
    pub name: &'static str,
    /// What it tests, as a claim.
    pub claim: &'static str,
    /// The clauses of docs/contract.md that it checks.
    pub clauses: &'static [&'static str],
    /// The rules under which it runs, one after the other.
    pub rules: &'static [Rule],
    /// The sources of a known bug for which it tests.
    pub sources: &'static [&'static str],
    /// Runs it.
    pub run: fn(&Setting<'_>) -> anyhow::Result<()>,
}

/// Both rules: the clause holds in all releases.
pub const BOTH: &[Rule] = &[Rule::Concurrent, Rule::Serialized];
/// For cases about 4.2.2 and later, or with overlapping calls.
pub const CONCURRENT: &[Rule] = &[Rule::Concurrent];
/// For cases about 4.2.0 and 4.2.1.
pub const SERIALIZED: &[Rule] = &[Rule::Serialized];

impl BoundaryCase {
    /// Runs the case in this setting, under each of its rules. A host that failed may hang when it is dropped, so do not drop it.
    ///
    /// # Errors
    /// A [`Violation`] if the host broke a clause, any other error if the case could not run. The findings of the monitor are not
    /// included.
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

/// Fails with a violation of `clause` unless `holds` is true.
///
/// # Errors
/// The violation.
pub fn demand(clause: &'static str, holds: bool, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    if holds { Ok(()) } else { Err(breaks(clause, text())) }
}

/// The setting of a case: a host, and a monitor between the host and each client.
pub struct Setting<'a> {
    integration: &'a dyn Integration,
    monitor: Arc<Monitor>,
    rule: Rule,
    patience: Duration,
}

impl<'a> Setting<'a> {
    /// Creates a setting with the patience of this process, by default two minutes.
    pub fn new(integration: &'a dyn Integration, monitor: Arc<Monitor>) -> Self {
        Self { integration, monitor, rule: Rule::Concurrent, patience: patience() }
    }

    /// Sets how long to wait for something that a conforming host does at once.
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

    /// The rule of the clients in this run.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// How long to wait for something that a conforming host does at once.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Creates a puppet and lets the host host it.
    ///
    /// # Errors
    /// The host refuses.
    pub fn open(&self) -> anyhow::Result<Opened> {
        let puppet = Puppet::new(self.rule, self.patience);
        let hosting = self.monitor.host(self.integration, puppet.clone(), self.rule)?;
        puppet.set_hosting(&hosting);
        Ok(Opened { puppet, hosting, monitor: self.monitor.clone(), patience: self.patience })
    }

    /// Runs a closure on a new thread. The case need not wait for it.
    ///
    /// # Errors
    /// The thread could not be created.
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

/// A closure that runs on another thread.
pub struct Elsewhere<T> {
    told: Receiver<T>,
    patience: Duration,
}

impl<T> Elsewhere<T> {
    /// Waits until the closure has returned.
    ///
    /// # Errors
    /// It does not return, which breaks `clause`.
    pub fn returns(self, clause: &'static str, what: &str) -> anyhow::Result<T> {
        self.told.recv_timeout(self.patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => breaks(clause, format!("did not return within {:?}: {what}", self.patience)),
            RecvTimeoutError::Disconnected => anyhow::anyhow!("panicked: {what}"),
        })
    }
}

/// A puppet that is hosted.
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
    /// The interface of the host.
    pub fn hosting(&self) -> &Arc<dyn Hosting> {
        &self.hosting
    }

    /// Closes the puppet while no call is in progress, and checks that it was freed without a violation.
    ///
    /// # Errors
    /// It was not freed, or there was a violation.
    pub fn close(self) -> anyhow::Result<()> {
        self.check()?;
        self.hosting.close();
        self.wait_for_free("X2", "a client that is closed while nobody is inside is freed")?;
        self.check()
    }

    /// Waits until the thread of the loop sleeps, because nothing is left to do.
    ///
    /// # Errors
    /// It does not sleep but spins, which breaks `clause`.
    pub fn wait_for_sleep(&self, clause: &'static str) -> anyhow::Result<()> {
        let thread = self.in_loop(|_| Ok(threads::current()))?;
        demand(clause, threads::wait_for_sleep(thread, self.patience), || {
            format!("the loop does not go to sleep within {:?} although nothing is due", self.patience)
        })
    }

    /// Waits until `thread` waits for a lock.
    ///
    /// # Errors
    /// The puppet has failed, or the thread does not wait for a lock. A [`Skip`] if the kernel does not tell what a thread waits for.
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

    /// Waits until no other thread of the process has anything to do.
    ///
    /// # Errors
    /// A thread spins, which breaks `clause`.
    pub fn expect_rest(&self, clause: &'static str, why: &str) -> anyhow::Result<()> {
        demand(clause, threads::rest(), || format!("the loop spins: {why}"))
    }

    /// Measures the activity of the process while nothing is ready.
    ///
    /// # Errors
    /// The loop does not iterate.
    pub fn usual_activity(&self) -> anyhow::Result<Activity> {
        self.go_round(2)?;
        Ok(Activity::now())
    }

    /// The same as [`expect_rest`](Self::expect_rest); in addition, no thread may wake more often than usual.
    ///
    /// # Errors
    /// A thread spins or wakes more often, which breaks `clause`.
    pub fn expect_rest_as(&self, clause: &'static str, usual: Activity, why: &str) -> anyhow::Result<()> {
        demand(clause, threads::rest_as(usual), || format!("the loop wakes for nothing, again and again: {why}"))
    }
}
