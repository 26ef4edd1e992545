//! One fd that is ready again and again, among others that are not: P1 to P3.

use super::Bound::{AtLeast, AtMost};
use super::{Options, Row};
use crate::eventfd::new_eventfd;
use crate::figures::paired;
use crate::kind::Kind;
use crate::way::Way;
use glib::Priority;
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
    for kind in Kind::ALL {
        let hosts = kind.start_pair()?;
        let few = Way::osevent(hosts.first(), 1, &many[..9])?;
        let many = Way::osevent(hosts.second(), 1, &many)?;
        let pair = paired(options.rounds, || few.ring.round(options.events), || many.ring.round(options.events));
        rows.push(Row::of_pair(format!("{}: n = {}, against n = 10", kind.name(), options.many), AtMost(1.10), &pair));
    }
    Ok(rows)
}

/// P2: alone, against a source of the loop's own.
pub(super) fn alone(options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![];
    for kind in Kind::ALL {
        let most = match kind {
            Kind::Glib(_) => 1.0,
            Kind::Calloop => 1.2,
            Kind::Smol => 1.1,
        };
        let hosts = kind.start_pair()?;
        let own = Way::own(hosts.first(), 1, &[])?;
        let osevent = Way::osevent(hosts.second(), 1, &[])?;
        let pair = paired(options.rounds, || own.ring.round(options.events), || osevent.ring.round(options.events));
        rows.push(Row::of_pair(format!("{}: n = 1, against its own source", kind.name()), AtMost(most), &pair));
    }
    Ok(rows)
}

/// P3: among many, against sources of GLib's own: how often osevent's time fits into theirs.
pub(super) fn against_own(options: &Options) -> anyhow::Result<Vec<Row>> {
    let many = idle(options.many)?;
    let hosts = Kind::Glib(Priority::DEFAULT).start_pair()?;
    let own = Way::own(hosts.first(), 1, &many)?;
    let osevent = Way::osevent(hosts.second(), 1, &many)?;
    // One turn of theirs takes milliseconds.
    let pair = paired(options.rounds.min(5), || osevent.ring.round(options.events), || own.ring.round(10));
    Ok(vec![Row::of_pair(
        format!("GLib: n = {}, its own sources, against osevent", options.many),
        AtLeast(500.0),
        &pair,
    )])
}
