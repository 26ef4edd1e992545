//! What needs no libxl: fds, timeouts, threads.

use super::{Options, Series, Subject, decades};
use crate::eventfd::new_eventfd;
use crate::figures::{Sample, paired};
use crate::goals::{Churning, PeersPending, Pending};
use crate::kind::Kind;
use crate::peers::Peer;
use crate::rival::Rival;
use crate::way::Way;

const THREADS: [u32; 5] = [1, 2, 4, 8, 16];
/// Of the loops that look at all of their fds or timers in each turn: a turn takes milliseconds.
const SLOW: u32 = 10;

/// One event, among idle fds: through osevent, and by the loop's own sources.
pub(super) fn fds(options: &Options) -> anyhow::Result<Vec<Subject>> {
    let mut series = vec![];
    for rival in Rival::all() {
        let looks_at_all = matches!(rival, Rival::Adapted(Kind::Glib(_)) | Rival::Peer(Peer::Libvirt));
        let (mut own, mut osevent) = (vec![], vec![]);
        for count in decades(options.many) {
            let idle = (1..count).map(|_| new_eventfd(0)).collect::<Result<Vec<_>, _>>()?;
            let hosts = rival.start_pair()?;
            let its = Way::own(hosts.first(), 1, &idle)?;
            let ours = Way::osevent(hosts.second(), 1, &idle)?;
            let events = if looks_at_all { SLOW } else { options.events };
            let pair = paired(options.rounds, || its.ring.round(events), || ours.ring.round(options.events));
            own.push((f64::from(count), pair.base.median()));
            osevent.push((f64::from(count), pair.measured.median()));
        }
        series.push(Series { name: format!("{}'s own", rival.loop_name()), points: own });
        // libvirt's is measured on GLib.
        if rival != Rival::Peer(Peer::Libvirt) {
            series.push(Series { name: format!("osevent on {}", rival.name()), points: osevent });
        }
    }
    Ok(vec![Subject { name: "fds".into(), of: "fds that are watched".into(), cost: "ns for an event".into(), series }])
}

/// A timeout that is registered, cancelled and occurs, among pending ones.
pub(super) fn timeouts(options: &Options) -> anyhow::Result<Vec<Subject>> {
    let median = |rounds: u32, round: &dyn Fn() -> f64| {
        _ = round();
        Sample::of((0..rounds).map(|_| round()).collect()).expect("there is a round").median()
    };
    let mut osevent = vec![];
    for count in decades(options.many.saturating_mul(10)) {
        let pending = Pending::new(count)?;
        osevent.push((f64::from(count), median(options.rounds, &|| pending.round(options.events))));
    }
    let mut series = vec![Series { name: "osevent".into(), points: osevent }];
    for peer in Peer::installed().0 {
        let mut points = vec![];
        for count in decades(options.many) {
            let pending = PeersPending::new(peer, count)?;
            let events = if peer == Peer::Libvirt { SLOW } else { options.events };
            points.push((f64::from(count), median(options.rounds, &|| pending.round(events))));
        }
        series.push(Series { name: format!("{}'s own", peer.name()), points });
    }
    Ok(vec![Subject {
        name: "timeouts".into(),
        of: "timeouts that are pending".into(),
        cost: "ns for another one".into(),
        series,
    }])
}

/// Registrations by several threads while the loop dispatches.
pub(super) fn threads(options: &Options) -> anyhow::Result<Vec<Subject>> {
    let churning = Churning::start(*THREADS.last().expect("they are five"))?;
    let mut points = vec![];
    for threads in THREADS {
        let round = || 1e9 / churning.round(threads, 10 * options.events / threads);
        _ = round();
        let sample = Sample::of((0..options.rounds).map(|_| round()).collect()).expect("there is a round");
        points.push((f64::from(threads), sample.median()));
    }
    let series = vec![Series { name: "osevent".into(), points }];
    Ok(vec![Subject {
        name: "threads".into(),
        of: "threads that register and deregister".into(),
        cost: "ns between two".into(),
        series,
    }])
}
