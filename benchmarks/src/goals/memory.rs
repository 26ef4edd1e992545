//! P9: what is allocated.

use super::Options;
use super::row::Bound::AtMost;
use super::row::Row;
use crate::client::Client;
use crate::counting::{allocations, bytes};
use crate::eventfd::new_eventfd;
use osevent_core::{ClientValue, Interest};
use osevent_epoll::Reactor;
use std::os::fd::AsRawFd;

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let fds: Vec<_> = (0..options.many).map(|_| new_eventfd(0)).collect::<Result<_, _>>()?;
    let reactor = Reactor::new()?;
    let registry = Client::on(reactor.clone(), |_| {});
    let ready = new_eventfd(1)?;
    registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(0))?;
    reactor.dispatch()?;

    let before = allocations();
    for _ in 0..options.events {
        reactor.dispatch()?;
    }
    let each = (allocations() - before) as f64 / f64::from(options.events);

    let before = bytes();
    for fd in &fds {
        registry.register_fd(fd.as_raw_fd(), Interest::IN, ClientValue(0))?;
    }
    let size = (bytes() - before) as f64 / f64::from(options.many);
    Ok(vec![
        Row::alone("allocations for an event", "", AtMost(0.0), each),
        Row::alone(format!("for a registration of {} fds", options.many), "bytes", AtMost(192.0), size),
    ])
}
