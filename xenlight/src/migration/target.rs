//! The target's side of a migration.
//!
//! # Why the domain runs once
//! The copy is started once the whole of [`GO`] was read, which the source writes after it has suspended the domain for good. If it is not
//! started, it is destroyed, and after that, and not before, [`GO`] gives the domain back.

use crate::domain;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::migration::course::{Awaited, Course};
use crate::migration::peer::{GO, Peer, READY, RECEIVED, REPORT};
use crate::migration::relay;
use crate::migration::source::failed;
use crate::migration_state::{MigrationState, MigrationStep};
use crate::progress::Progress;
use crate::task::Task;
use crate::upkeep;
use osevent_core::Registry;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use xenlight_types::DomainId;

/// What the name of the copy ends with until it may be started.
const INCOMING: &str = "--incoming";

/// What a target reports that did not get the permission: xl's -1.
const NOT_PERMITTED: u8 = u8::MAX;

pub(crate) fn receive(
    registry: &Arc<Registry<Hosted>>,
    course: &Course,
    (from, to): (OwnedFd, OwnedFd),
    paused: bool,
) -> Result<DomainId, Error> {
    // Libxl has destroyed what it had of it, or there was nothing yet.
    let remains = |step| move |reason| failed(step, MigrationState::AtSource, reason);
    let mut peer = Peer::new(course, to, from).map_err(remains(MigrationStep::Greeting))?;
    let release = registry.client().whole_library().release();
    let greeted = peer.say(READY, "the source's configuration").and_then(|()| peer.read_header(release));
    let (mut config, head) = greeted.map_err(remains(MigrationStep::Greeting))?;
    if let Some(uuid) = config.create_info.uuid {
        course.report(registry, Progress::Receiving(uuid));
    }
    let name = config.name().to_owned();
    config.create_info.name = Some(format!("{name}{INCOMING}"));
    let task = Task::without("receive a domain");
    let domid = match relay::restore(registry, course, task, (&config, &head), &peer) {
        Ok(domid) => domid,
        Err(Error::Unfinished { domid, reason }) => {
            let state = destroy(registry, domid)
                .map_or_else(|_| MigrationState::CopyLeft { domid }, |()| MigrationState::AtSource);
            return Err(failed(MigrationStep::Transfer, state, *reason));
        }
        Err(error) => return Err(remains(MigrationStep::Transfer)(error)),
    };
    let permitted = peer.say(RECEIVED, "the confirmation of the transfer");
    let permitted = permitted.and_then(|()| peer.expect(GO, "the permission to start the domain"));
    peer.be_patient();
    if let Err(error) = permitted {
        return Err(give_back(registry, &mut peer, domid, MigrationStep::Permission, error));
    }
    if let Err(error) = begin(registry, domid, &name, paused) {
        return Err(give_back(registry, &mut peer, domid, MigrationStep::Start, error));
    }
    peer.say(&[REPORT, &[0]].concat(), "the report that the domain runs")
        .map_err(|error| failed(MigrationStep::Report, MigrationState::AtTarget { name }, error))?;
    Ok(domid)
}

fn begin(registry: &Arc<Registry<Hosted>>, domid: DomainId, name: &str, paused: bool) -> Result<(), Error> {
    upkeep::rename(registry, Task::on("give a received domain its name", domid).part(), domid, None, name)?;
    if !paused {
        let task = Task::on("start a received domain", domid).part();
        Awaited::begin(|| domain::unpause(registry, task, domid))?.result()?;
    }
    Ok(())
}

fn destroy(registry: &Arc<Registry<Hosted>>, domid: DomainId) -> Result<(), Error> {
    let task = Task::destroying("destroy the copy of a domain", domid).part();
    match Awaited::begin(|| domain::destroy(registry, task, domid)).and_then(Awaited::result) {
        Err(error) if !error.is_no_such_domain() => Err(error),
        _ => Ok(()),
    }
}

/// Destroys the copy, and lets the source have the domain again, if it hears of that.
fn give_back(
    registry: &Arc<Registry<Hosted>>,
    peer: &mut Peer<'_>,
    domid: DomainId,
    step: MigrationStep,
    reason: Error,
) -> Error {
    let result = reason.code().and_then(|code| u8::try_from(-i64::from(code.0)).ok()).filter(|result| *result != 0);
    let is_heard = peer.say(&[REPORT, &[result.unwrap_or(NOT_PERMITTED)]].concat(), "the report of a failure").is_ok();
    if destroy(registry, domid).is_err() {
        return failed(step, MigrationState::CopyLeft { domid }, reason);
    }
    if is_heard {
        // If it does not hear of this, it says so to its admin.
        let _ = peer.say(GO, "the domain's return");
    }
    failed(step, MigrationState::AtSource, reason)
}
