//! P7: a timeout that is registered, cancelled and occurs, while others are pending.

use super::Bound::AtMost;
use super::{Options, Row};
use crate::client::Client;
use crate::figures::{each, paired};
use osevent_core::{ClientValue, Deadline, Registry};
use osevent_epoll::Reactor;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const FEW: u32 = 100;

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let many = 10 * options.many;
    let (few, all) = (Pending::new(FEW)?, Pending::new(many)?);
    let pair = paired(options.rounds, || few.round(options.events), || all.round(options.events));
    Ok(vec![Row::of_pair(format!("{many} pending, against {FEW}"), AtMost(1.5), &pair)])
}

struct Pending {
    reactor: Arc<Reactor>,
    registry: Arc<Registry<Client>>,
}

/// From an hour from now on, at different times.
fn later(by: u32) -> anyhow::Result<Deadline> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let at = now + Duration::from_secs(3_600) + Duration::from_millis(by.into());
    Ok(Deadline::from_micros(at.as_micros() as i64))
}

impl Pending {
    fn new(count: u32) -> anyhow::Result<Self> {
        let reactor = Reactor::new()?;
        let registry = Client::on(reactor.clone(), |_| {});
        for by in 0..count {
            registry.register_timeout(later(by)?, ClientValue(1))?;
        }
        Ok(Self { reactor, registry })
    }

    /// Nanoseconds for one.
    fn round(&self, times: u32) -> f64 {
        let deadline = later(50).expect("it is after 1970");
        each(times, || {
            let token = self.registry.register_timeout(deadline, ClientValue(2)).expect("there is memory");
            self.registry.modify_timeout(token.to_handle(), Deadline::ASAP).expect("it is registered");
            assert_eq!(self.reactor.dispatch(), Ok(1));
        })
    }
}
