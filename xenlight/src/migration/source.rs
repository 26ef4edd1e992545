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
use crate::save_file::{self, Mode};
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
        let back = |step| move |reason| failed(step, this.bring_back(registry, step), reason);
        let mut peer = Peer::new(course, to, from).map_err(at(MigrationStep::Greeting, MigrationState::AtSource))?;
        self.greet(registry, config, &mut peer).map_err(at(MigrationStep::Greeting, MigrationState::AtSource))?;
        self.send(registry, course, &mut peer).map_err(back(MigrationStep::Transfer))?;
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
        let release = registry.client().whole_library().release();
        save_file::write_header(peer, &config.to_json(), release).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => Error::Io { doing: "send the configuration", reason: error },
            _ => peer.error("the configuration", error),
        })
    }

    fn send(&self, registry: &Arc<Registry<Hosted>>, course: &Course, peer: &mut Peer<'_>) -> Result<(), Error> {
        let (libxls, ours) = relay::pipe(true)?;
        let task = Task::stopping("migrate a domain", self.domid).part();
        let save = Awaited::begin(|| save_file::save(registry, task, self.domid, libxls, self.mode))?;
        relay::send(course, save, ours, peer)
    }

    /// The domain is suspended, and only this migration has it.
    fn part_with(&self, registry: &Arc<Registry<Hosted>>, away: &str) -> Result<(), Error> {
        self.rename(registry, &self.name, away)?;
        if self.is_suspended(registry, MigrationStep::Permission)? {
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
    fn bring_back(&self, registry: &Arc<Registry<Hosted>>, step: MigrationStep) -> MigrationState {
        if step >= MigrationStep::Permission
            && let Err(error) = self.rename(registry, &format!("{}{AWAY}", self.name), &self.name)
        {
            say!(Warn, "domain {} does not get back its name, {:?}: {error}", self.domid, self.name);
        }
        match self.is_suspended(registry, step) {
            Ok(false) => return MigrationState::AtSource,
            Err(error) if error.is_no_such_domain() => return MigrationState::Gone,
            // It is resumed if it can be.
            Ok(true) | Err(_) => {}
        }
        let task = Task::stopping("resume a domain that migrates", self.domid).part();
        match Awaited::begin(|| domain::resume(registry, task, self.domid)).and_then(Awaited::result) {
            Ok(()) => MigrationState::AtSource,
            Err(error) if error.is_no_such_domain() => MigrationState::Gone,
            Err(error) => {
                say!(Error, "domain {} stays suspended: {error}", self.domid);
                MigrationState::SuspendedAtSource { name: self.name.clone() }
            }
        }
    }

    /// Whether it is suspended. If its transfer failed, it may have been asked to and not have done it yet, and libxl takes that back
    /// in one case only: then a moment is waited for it.
    fn is_suspended(&self, registry: &Arc<Registry<Hosted>>, step: MigrationStep) -> Result<bool, Error> {
        const LATE: Duration = Duration::from_secs(2);
        const BETWEEN: Duration = Duration::from_millis(50);
        let task = Task::on("ask whether a domain that migrates is suspended", self.domid).part();
        let end = Instant::now() + if step == MigrationStep::Transfer { LATE } else { Duration::ZERO };
        loop {
            let info = ask(registry, task, |question| {
                // SAFETY: the ctx lives while the question does.
                unsafe { inventory::info(question.hosted, question.ctx, self.domid) }?.map_err(|rc| question.error(rc))
            })?;
            match info.shutdown {
                Some(reason) => return Ok(reason == ShutdownReason::Suspend),
                None if Instant::now() >= end => return Ok(false),
                None => std::thread::sleep(BETWEEN),
            }
        }
    }
}

pub(crate) fn failed(step: MigrationStep, state: MigrationState, reason: Error) -> Error {
    Error::Migration { step, state, reason: Box::new(reason) }
}
