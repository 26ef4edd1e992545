//! One fd that is ready again and again, among others that are not: P1 to P3.

use super::Options;
use super::row::Bound::{AtLeast, AtMost};
use super::row::Row;
use crate::eventfd::new_eventfd;
use crate::figures::paired;
use crate::kind::Kind;
use crate::peers::Peer;
use crate::rival::Rival;
use crate::way::Way;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What is watched beside the hot one, of `all`.
fn idle(all: u32) -> anyhow::Result<Vec<Arc<OwnedFd>>> {
    (1..all).map(|_| new_eventfd(0)).collect()
}

/// P1: among many, against among ten.
pub(super) fn among_idle(options: &Options) -> anyhow::Result<Vec<Row>> {
    let many = idle(options.many)?;
    let mut rows = vec![];
    for rival in Rival::all().into_iter().filter(|rival| *rival != Rival::Peer(Peer::Libvirt)) {
        let hosts = rival.start_pair()?;
        let few = Way::osevent(hosts.first(), 1, &many[..9])?;
        let many = Way::osevent(hosts.second(), 1, &many)?;
        let pair = paired(options.rounds, || few.ring.round(options.events), || many.ring.round(options.events));
        let what = format!("{}: n = {}, against n = 10", rival.name(), options.many);
        rows.push(Row::of_pair(what, Some(AtMost(1.10)), &pair));
    }
    Ok(rows)
}

/// P2: alone, against a source of the loop's own.
pub(super) fn alone(options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![];
    for rival in Rival::all() {
        let bound = match rival {
            Rival::Adapted(Kind::Glib(_)) => Some(AtMost(1.0)),
            Rival::Adapted(Kind::Calloop) => Some(AtMost(1.2)),
            Rival::Adapted(Kind::Smol) => Some(AtMost(1.1)),
            Rival::Peer(_) => None,
        };
        let hosts = rival.start_pair()?;
        let own = Way::own(hosts.first(), 1, &[])?;
        let osevent = Way::osevent(hosts.second(), 1, &[])?;
        let pair = paired(options.rounds, || own.ring.round(options.events), || osevent.ring.round(options.events));
        rows.push(Row::of_pair(format!("{}: n = 1, against its own source", rival.name()), bound, &pair));
    }
    Ok(rows)
}

/// P3: among many, against the loop's own sources: how often osevent's time fits into theirs.
pub(super) fn against_own(options: &Options) -> anyhow::Result<Vec<Row>> {
    let many = idle(options.many)?;
    let mut rows = vec![];
    for rival in Rival::all() {
        // One turn of those that look at all fds takes milliseconds.
        let (bound, rounds, events) = match rival {
            Rival::Adapted(Kind::Glib(_)) | Rival::Peer(Peer::Libvirt) => {
                (Some(AtLeast(500.0)), options.rounds.min(5), 10)
            }
            Rival::Adapted(_) => continue,
            Rival::Peer(_) => (None, options.rounds, options.events),
        };
        let hosts = rival.start_pair()?;
        let own = Way::own(hosts.first(), 1, &many)?;
        let osevent = Way::osevent(hosts.second(), 1, &many)?;
        let pair = paired(rounds, || osevent.ring.round(options.events), || own.ring.round(events));
        let what = format!("{}: n = {}, its own sources, against osevent", rival.name(), options.many);
        rows.push(Row::of_pair(what, bound, &pair));
    }
    Ok(rows)
}
