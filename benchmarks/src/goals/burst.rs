//! P4: many that are ready at once.

use super::Options;
use super::row::Bound::AtMost;
use super::row::Row;
use crate::client::Client;
use crate::eventfd::{lower, new_eventfd, raise};
use crate::figures::{paired, used};
use crate::kind::Kind;
use crate::processors::stay_on_first;
use crate::rival::Rival;
use osevent_core::{ClientValue, Interest};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FDS: usize = 1_000;
const READY: usize = 64;
/// Bursts in a round, at least: of a few, an interrupt could leave nothing but the reads.
const BURSTS: u32 = 16;

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![];
    for rival in Rival::all() {
        let bound = match rival {
            Rival::Adapted(Kind::Glib(_)) => Some(AtMost(0.12)),
            Rival::Adapted(Kind::Calloop) => Some(AtMost(1.0)),
            Rival::Adapted(Kind::Smol) => Some(AtMost(0.55)),
            Rival::Peer(_) => None,
        };
        let hosts = rival.start_pair()?;
        let (own, osevent) = (Burst::new()?, Burst::new()?);
        for (at, fd) in own.fds.fds.iter().enumerate() {
            let fds = own.fds.clone();
            hosts.first().watch(fd.clone(), Box::new(move || fds.occurred(at)))?;
        }
        let attached = hosts.second().attach()?;
        let fds = osevent.fds.clone();
        let registry = Client::on(attached.event_loop.clone(), move |value| fds.occurred(value as usize));
        for (value, fd) in (0..).zip(&osevent.fds.fds) {
            registry.register_fd(fd.as_raw_fd(), Interest::IN, ClientValue(value))?;
        }
        let bursts = (options.events / READY as u32).max(BURSTS);
        let pair = paired(options.rounds, || own.round(bursts), || osevent.round(bursts));
        rows.push(Row::of_pair(
            format!("{}: {READY} ready of {FDS}, against its own sources", rival.name()),
            bound,
            &pair,
        ));
    }
    Ok(rows)
}

struct Burst {
    fds: Arc<Fds>,
    took: Receiver<Duration>,
}

struct Fds {
    fds: Vec<Arc<OwnedFd>>,
    apart: Vec<Arc<OwnedFd>>,
    state: Mutex<State>,
    took: Sender<Duration>,
}

struct State {
    /// Bursts, and events of the current one.
    left: (u32, usize),
    began: Duration,
    /// Of all bursts, with their reads.
    took: Duration,
    /// What the reads took.
    reads: Duration,
}

impl State {
    fn of(bursts: u32, events: usize) -> Self {
        Self { left: (bursts, events), began: Duration::ZERO, took: Duration::ZERO, reads: Duration::ZERO }
    }
}

impl Burst {
    fn new() -> anyhow::Result<Self> {
        let (sender, took) = channel();
        let several = |count| (0..count).map(|_| new_eventfd(0)).collect::<Result<Vec<_>, _>>();
        let (fds, apart) = (several(FDS)?, several(READY)?);
        let state = Mutex::new(State::of(0, 0));
        Ok(Self { fds: Arc::new(Fds { fds, apart, state, took: sender }), took })
    }

    /// Nanoseconds for an event, without its write and its read.
    fn round(&self, bursts: u32) -> f64 {
        *self.fds.state() = State::of(bursts + 1, 1);
        raise(&self.fds.fds[0]);
        let took = self.took.recv().expect("the burst is there");
        took.as_nanos() as f64 / f64::from(bursts) / READY as f64
    }
}

impl Fds {
    fn occurred(&self, at: usize) {
        if !lower(&self.fds[at]) {
            return;
        }
        let mut state = self.state();
        state.left.1 -= 1;
        if state.left.1 > 0 {
            return;
        }
        let all = used() - state.began;
        // What the reads took, with fds that nobody watches.
        self.apart.iter().for_each(|fd| raise(fd));
        let began = used();
        assert!(self.apart.iter().all(|fd| lower(fd)));
        // Only the burst that begins a round has the first fd, and it is on another thread.
        if at == 0 {
            stay_on_first();
        } else {
            state.took += all;
            state.reads += used() - began;
        }
        state.left.0 -= 1;
        if state.left.0 == 0 {
            // Not burst by burst: an interrupt among the reads can make them longer than all of one.
            self.took.send(state.took.saturating_sub(state.reads)).expect("somebody waits for it");
            return;
        }
        self.ready().for_each(|fd| raise(fd));
        state.left.1 = READY;
        state.began = used();
    }

    /// Those that are ready in a burst: spread over all, without the first.
    fn ready(&self) -> impl Iterator<Item = &Arc<OwnedFd>> {
        self.fds.iter().skip(1).step_by(FDS / READY).take(READY)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
