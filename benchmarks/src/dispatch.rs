//! What one event costs: a write to an eventfd, a turn of the loop, and the read in the callback.
//!
//! The fds form a ring: each callback reads its own and makes the next one readable, so each event takes a turn of the
//! loop, and nobody else takes part. A round goes around in a source of the loop's own for each fd, the next one
//! through osevent, and so on by turns: what else the machine does meets both.

use crate::client::Client;
use crate::eventfd::{lower, new_eventfd, raise};
use crate::figures::{Sample, table};
use crate::kind::Kind;
use osevent_conformance::hosts::Attached;
use osevent_conformance_loops::Application;
use osevent_core::{ClientValue, Interest, Registry};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each is measured, by turns
    #[arg(long, default_value_t = 101, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events in a round
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    events: u32,
    /// How many fds are watched, of which one at a time is ready; repeat for more
    #[arg(long, value_name = "N", default_values_t = [1, 100, 1000], value_parser = clap::value_parser!(u32).range(1..))]
    fds: Vec<u32>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    allow_many_fds()?;
    let mut shown = table(["loop", "fds", "its own, ns", "osevent, ns", "ratio", "10th to 90th percentile"]);
    for kind in Kind::ALL {
        for &fds in &options.fds {
            let pair = Pair::new(kind, fds as usize)?;
            // Not counted: memory is touched for the first time, async-io finds out who waits.
            pair.round(options.events);
            let (mut own, mut osevent, mut ratios) = (vec![], vec![], vec![]);
            for _ in 0..options.rounds {
                let (of_own, of_osevent) = pair.round(options.events);
                own.push(of_own);
                osevent.push(of_osevent);
                ratios.push(of_osevent / of_own);
            }
            let [Some(own), Some(osevent), Some(ratios)] = [own, osevent, ratios].map(Sample::of) else { continue };
            shown.add_row([
                kind.name().to_owned(),
                fds.to_string(),
                format!("{:.0}", own.median()),
                format!("{:.0}", osevent.median()),
                format!("{:.2}", ratios.median()),
                format!("{:.2} to {:.2}", ratios.quantile(10), ratios.quantile(90)),
            ]);
        }
    }
    println!("{shown}");
    Ok(())
}

/// As many as this process may have.
fn allow_many_fds() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}

/// Both ways of one loop.
struct Pair {
    own: Ring,
    osevent: Ring,
    _registry: Arc<Registry<Client>>,
    _attached: Attached,
    _hosts: Vec<Box<dyn Application>>,
}

impl Pair {
    fn new(kind: Kind, fds: usize) -> anyhow::Result<Self> {
        let (own, osevent) = (Ring::new(fds)?, Ring::new(fds)?);
        let host = kind.start()?;
        let attached = host.attach()?;
        let mut hosts = vec![host];
        // Async-io is one for the process: with two threads, one would get the other's events first.
        if kind != Kind::Smol {
            hosts.push(kind.start()?);
        }
        own.watched_by(&**hosts.last().expect("there is one"))?;
        let links = osevent.links.clone();
        let registry = Client::on(attached.event_loop.clone(), move |value| links.pass(value as usize));
        for (value, fd) in (0..).zip(&osevent.links.fds) {
            registry.register_fd(fd.as_raw_fd(), Interest::IN, ClientValue(value))?;
        }
        Ok(Self { own, osevent, _registry: registry, _attached: attached, _hosts: hosts })
    }

    /// Nanoseconds for an event, of the loop's own and through osevent.
    fn round(&self, events: u32) -> (f64, f64) {
        (self.own.round(events), self.osevent.round(events))
    }
}

struct Ring {
    links: Arc<Links>,
    took: Receiver<Duration>,
}

struct Links {
    fds: Vec<Arc<OwnedFd>>,
    round: Mutex<Round>,
    took: Sender<Duration>,
}

#[derive(Default)]
struct Round {
    left: u32,
    /// When its first event came: the thread that waits for the round has no part in it.
    began: Option<Instant>,
}

impl Ring {
    fn new(fds: usize) -> anyhow::Result<Self> {
        let (sender, took) = channel();
        let fds = (0..fds).map(|_| new_eventfd(0)).collect::<Result<_, _>>()?;
        Ok(Self { links: Arc::new(Links { fds, round: Mutex::default(), took: sender }), took })
    }

    fn watched_by(&self, application: &dyn Application) -> anyhow::Result<()> {
        for (at, fd) in self.links.fds.iter().enumerate() {
            let links = self.links.clone();
            application.watch(fd.clone(), Box::new(move || links.pass(at)))?;
        }
        Ok(())
    }

    fn round(&self, events: u32) -> f64 {
        *self.links.round() = Round { left: events, began: None };
        raise(&self.links.fds[0]);
        let took = self.took.recv().expect("the ring is there");
        took.as_nanos() as f64 / f64::from(events)
    }
}

impl Links {
    /// This one is readable: reads it and passes that on.
    fn pass(&self, at: usize) {
        lower(&self.fds[at]);
        {
            let mut round = self.round();
            match round.began {
                None => round.began = Some(Instant::now()),
                Some(began) => {
                    round.left -= 1;
                    if round.left == 0 {
                        self.took.send(began.elapsed()).expect("somebody waits for it");
                        return;
                    }
                }
            }
        }
        raise(&self.fds[(at + 1) % self.fds.len()]);
    }

    fn round(&self) -> std::sync::MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
