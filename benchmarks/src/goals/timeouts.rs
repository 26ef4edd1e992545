//! P7: a timeout that is registered, cancelled and occurs, while others are pending.

use super::Options;
use super::row::Bound::AtMost;
use super::row::Row;
use crate::client::Client;
use crate::figures::{each, paired};
use crate::peers::{EventLoop, Peer, Timer};
use osevent_core::{ClientValue, Deadline, Registry};
use osevent_epoll::Reactor;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const FEW: u32 = 100;
const HOUR: Duration = Duration::from_secs(3_600);

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let many = 10 * options.many;
    let (few, all) = (Pending::new(FEW)?, Pending::new(many)?);
    let pair = paired(options.rounds, || few.round(options.events), || all.round(options.events));
    let mut rows = vec![Row::of_pair(format!("{many} pending, against {FEW}"), Some(AtMost(1.5)), &pair)];
    let osevent = Pending::new(options.many)?;
    for peer in Peer::installed().0 {
        // libvirt's loop looks at all of them in each turn.
        let (rounds, events) =
            if peer == Peer::Libvirt { (options.rounds.min(5), 10) } else { (options.rounds, options.events) };
        let its = PeersPending::new(peer, options.many)?;
        let pair = paired(rounds, || osevent.round(options.events), || its.round(events));
        let what = format!("{} pending: {}'s own timers, against osevent", options.many, peer.name());
        rows.push(Row::of_pair(what, None, &pair));
    }
    Ok(rows)
}

pub(crate) struct Pending {
    reactor: Arc<Reactor>,
    registry: Arc<Registry<Client>>,
}

/// From an hour from now on, at different times.
fn later(by: u32) -> anyhow::Result<Deadline> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let at = now + HOUR + Duration::from_millis(by.into());
    Ok(Deadline::from_micros(at.as_micros() as i64))
}

impl Pending {
    pub(crate) fn new(count: u32) -> anyhow::Result<Self> {
        let reactor = Reactor::new()?;
        let registry = Client::on(reactor.clone(), |_| {});
        for by in 0..count {
            registry.register_timeout(later(by)?, ClientValue(1))?;
        }
        Ok(Self { reactor, registry })
    }

    /// Nanoseconds for one.
    pub(crate) fn round(&self, times: u32) -> f64 {
        let deadline = later(50).expect("it is after 1970");
        each(times, || {
            let token = self.registry.register_timeout(deadline, ClientValue(2)).expect("there is memory");
            self.registry.modify_timeout(token.to_handle(), Deadline::ASAP).expect("it is registered");
            assert_eq!(self.reactor.dispatch(), Ok(1));
        })
    }
}

/// The same with timers of another library's loop.
pub(crate) struct PeersPending {
    /// Dropped before the loop.
    _timers: Vec<Box<dyn Timer>>,
    event_loop: Box<dyn EventLoop>,
}

impl PeersPending {
    pub(crate) fn new(peer: Peer, count: u32) -> anyhow::Result<Self> {
        let event_loop = peer.open()?;
        let timer = |by| event_loop.timer(HOUR + Duration::from_millis(by), Box::new(|| unreachable!("it is not due")));
        let timers = (0..count.into()).map(timer).collect();
        Ok(Self { _timers: timers, event_loop })
    }

    pub(crate) fn round(&self, times: u32) -> f64 {
        let expired = Rc::new(Cell::new(false));
        each(times, || {
            let expires = expired.clone();
            let timer = self.event_loop.timer(HOUR, Box::new(move || expires.set(true)));
            timer.expire();
            // libvirt's loop may have something of its own to do first.
            while !expired.take() {
                self.event_loop.turn_for_timers();
            }
        })
    }
}
