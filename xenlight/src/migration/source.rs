//! The source's side of a migration.
//!
//! # Why the domain runs once
//! It is resumed here in two cases only. Either the whole of [`GO`] was not written, so that the target does not start its copy; or the
//! target has said [`GO`] in turn, which it does once it has destroyed its copy. In between, and if that is where the
//! target is heard of no more, the domain stays suspended. It is destroyed here once the target has said that its copy runs.

use crate::contain::say;
use crate::domain;
use crate::error::Error;
use crate::event::ShutdownReason;
use crate::hosted::Hosted;
use crate::inventory;
use crate::migration::course::{Awaited, Course};
use crate::migration::peer::{GO, Peer, READY, RECEIVED, REPORT};
use crate::migration::relay;
use crate::migration_state::{MigrationState, MigrationStep, PeerFault};
use crate::operation::Operation;
use crate::question::ask;
use crate::save_file::Mode;
use crate::task::Task;
use crate::upkeep;
use osevent_core::Registry;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use xenlight_types::{DomainConfig, DomainId};

/// What the name of the domain ends with at the source while the target may start its copy.
const AWAY: &str = "--migratedaway";

/// The domain, as long as it is at the source.
pub(crate) struct Source {
    pub(crate) domid: DomainId,
    pub(crate) name: String,
    pub(crate) mode: Mode,
}

impl Source {
    pub(crate) fn migrate(
        self,
        registry: &Arc<Registry<Hosted>>,
        course: &Course,
        config: Operation<DomainConfig>,
        (to, from): (OwnedFd, OwnedFd),
    ) -> Result<(), Error> {
        let at = |step, state| move |reason| failed(step, state, reason);
        let this = &self;
        let back = |step| move |reason| failed(step, this.bring_back(registry, step, false), reason);
        let mut peer = Peer::new(course, to, from).map_err(at(MigrationStep::Greeting, MigrationState::AtSource))?;
        self.greet(registry, config, &mut peer).map_err(at(MigrationStep::Greeting, MigrationState::AtSource))?;
        let task = Task::stopping("migrate a domain", self.domid);
        relay::save(registry, course, (task, self.domid, self.mode), &mut peer).map_err(|unsent| {
            let step = MigrationStep::Transfer;
            failed(step, self.bring_back(registry, step, unsent.has_asked_to_suspend), unsent.reason)
        })?;
        peer.expect(RECEIVED, "the confirmation of the transfer").map_err(back(MigrationStep::Received))?;
        let away = format!("{}{AWAY}", self.name);
        self.part_with(registry, &away).map_err(back(MigrationStep::Permission))?;
        peer.say(GO, "the permission to start the domain").map_err(back(MigrationStep::Permission))?;
        peer.be_patient();
        let unknown = |step| at(step, MigrationState::Unknown { name: away.clone() });
        const THE_REPORT: &str = "the report that the domain runs";
        peer.expect(REPORT, THE_REPORT).map_err(unknown(MigrationStep::Report))?;
        match peer.expect_byte(THE_REPORT).map_err(unknown(MigrationStep::Report))? {
            0 => {
                let task = Task::destroying("destroy what is left of a migrated domain", self.domid).part();
                match Awaited::begin(|| domain::destroy(registry, task, self.domid)).and_then(Awaited::result) {
                    Err(error) if !error.is_no_such_domain() => {
                        Err(failed(MigrationStep::End, MigrationState::AtTarget { name: away }, error))
                    }
                    _ => Ok(()),
                }
            }
            result => {
                peer.expect(GO, "the domain's return").map_err(unknown(MigrationStep::End))?;
                let fault = PeerFault::Failed(result);
                Err(back(MigrationStep::Start)(Error::Peer { waited_for: THE_REPORT, fault }))
            }
        }
    }

    fn greet(
        &self,
        registry: &Arc<Registry<Hosted>>,
        config: Operation<DomainConfig>,
        peer: &mut Peer<'_>,
    ) -> Result<(), Error> {
        peer.expect(READY, "the target's greeting")?;
        let config = Awaited::begin(|| Ok(config))?.result()?;
        peer.send_header(&config, registry.client().whole_library().release())
    }

    /// The domain is suspended, and only this migration has it.
    fn part_with(&self, registry: &Arc<Registry<Hosted>>, away: &str) -> Result<(), Error> {
        self.rename(registry, &self.name, away)?;
        if is_suspended(registry, self.domid, Duration::ZERO)? {
            return Ok(());
        }
        // Somebody has had it go on meanwhile.
        let reason = io::Error::other("it is not suspended any more");
        Err(Error::Io { doing: "give the domain away", reason })
    }

    /// Fails if the domain has another name than `before`: then another migration of it has come first.
    fn rename(&self, registry: &Arc<Registry<Hosted>>, before: &str, name: &str) -> Result<(), Error> {
        let task = Task::on("rename a domain that migrates", self.domid).part();
        let before = Some(before).filter(|before| !before.is_empty());
        upkeep::rename(registry, task, self.domid, before, name)
    }

    /// Has the domain run here again, if it was to be suspended; the target does not start it.
    fn bring_back(
        &self,
        registry: &Arc<Registry<Hosted>>,
        step: MigrationStep,
        has_asked_to_suspend: bool,
    ) -> MigrationState {
        let name = self.take_back_the_name(registry, step);
        // Of a transfer that failed the domain may have been asked to suspend and not have done it yet. Libxl takes that back only if it was
        // not acknowledged in its time.
        let wait = match step {
            MigrationStep::Transfer if has_asked_to_suspend => LIBXLS_PATIENCE,
            // Asked for unheard: an HVM domain without drivers, or by a later libxl.
            MigrationStep::Transfer => A_MOMENT,
            _ => Duration::ZERO,
        };
        let here = |name| {
            if name == self.name { MigrationState::AtSource } else { MigrationState::Renamed { name } }
        };
        match is_suspended(registry, self.domid, wait) {
            Ok(false) if has_asked_to_suspend => return MigrationState::MaySuspend { name },
            Ok(false) => return here(name),
            Err(error) if error.is_no_such_domain() => return MigrationState::Gone,
            // It is resumed if it can be.
            Ok(true) | Err(_) => {}
        }
        let task = Task::stopping("resume a domain that migrates", self.domid).part();
        match Awaited::begin(|| domain::resume(registry, task, self.domid)).and_then(Awaited::result) {
            Ok(()) => here(name),
            Err(error) if error.is_no_such_domain() => MigrationState::Gone,
            Err(error) => {
                say!(Error, "domain {} stays suspended: {error}", self.domid);
                MigrationState::SuspendedAtSource { name }
            }
        }
    }

    /// Returns the name that it has then.
    fn take_back_the_name(&self, registry: &Arc<Registry<Hosted>>, step: MigrationStep) -> String {
        if step < MigrationStep::Permission {
            return self.name.clone();
        }
        let renamed = self.rename(registry, &format!("{}{AWAY}", self.name), &self.name);
        let Err(error) = renamed else { return self.name.clone() };
        // It may not have lost it, or somebody else has given it another one.
        let task = Task::on("ask for the name of a domain that migrates", self.domid).part();
        let name = domain::name(registry, task, self.domid).ok().flatten().unwrap_or_default();
        if name != self.name {
            say!(Warn, "domain {} does not get back its name, {:?}: {error}", self.domid, self.name);
        }
        name
    }
}

/// Waits until the domain, which libxl has asked to suspend, does so, or as long as libxl would.
pub(crate) fn await_suspension(registry: &Arc<Registry<Hosted>>, domid: DomainId) {
    if let Err(error) = is_suspended(registry, domid, LIBXLS_PATIENCE) {
        say!(Debug, "whether domain {domid} is suspended is not known: {error}");
    }
}

/// Whether it is suspended, or will be within this time.
fn is_suspended(registry: &Arc<Registry<Hosted>>, domid: DomainId, wait: Duration) -> Result<bool, Error> {
    const BETWEEN: Duration = Duration::from_millis(50);
    let task = Task::on("ask whether a domain is suspended", domid).part();
    let end = Instant::now() + wait;
    loop {
        let info = ask(registry, task, |question| {
            // SAFETY: the ctx lives while the question does.
            unsafe { inventory::info(question.hosted, question.ctx, domid) }?.map_err(|rc| question.error(rc))
        })?;
        match info.shutdown {
            Some(reason) => return Ok(reason == ShutdownReason::Suspend),
            None if Instant::now() >= end => return Ok(false),
            None => std::thread::sleep(BETWEEN),
        }
    }
}

/// How long libxl itself waits for a domain that it has asked to suspend.
const LIBXLS_PATIENCE: Duration = Duration::from_secs(60);
/// What a domain takes that suspends at once.
const A_MOMENT: Duration = Duration::from_secs(2);

pub(crate) fn failed(step: MigrationStep, state: MigrationState, reason: Error) -> Error {
    Error::Migration { step, state, reason: Box::new(reason) }
}
