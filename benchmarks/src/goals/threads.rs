//! P8: threads that register and deregister while the loop dispatches.

use super::Options;
use super::row::Bound::{AtLeast, AtMost};
use super::row::Row;
use crate::client::Client;
use crate::eventfd::new_eventfd;
use crate::figures::paired;
use osevent_conformance::hosts::{Attached, Host};
use osevent_conformance_loops::Adapter;
use osevent_core::{ClientValue, Interest, Registry};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: u32 = 8;

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let churning = Churning::start(THREADS)?;
    let times = 10 * options.events;
    let pair = paired(options.rounds, || churning.round(1, times), || churning.round(THREADS, times / THREADS));
    let what = format!("{THREADS} threads, against 1: registrations");
    let rate = Row { unit: "1/s".into(), ..Row::of_pair(what, Some(AtLeast(1.0)), &pair) };
    let worst = churning.worst_hook().as_secs_f64() * 1e3;
    Ok(vec![rate, Row::alone(format!("{THREADS} threads: 99.9th percentile of a hook"), "ms", AtMost(1.0), worst)])
}

/// A loop that dispatches all the time, while threads register and deregister.
pub(crate) struct Churning {
    registry: Arc<Registry<Client>>,
    /// One for each thread.
    fds: Vec<Arc<OwnedFd>>,
    /// What the hooks took when there were as many threads as there can be.
    hooks: Mutex<Vec<Duration>>,
    _busy: Arc<OwnedFd>,
    _attached: Attached,
    _host: Box<dyn Host>,
}

impl Churning {
    pub(crate) fn start(most_threads: u32) -> anyhow::Result<Self> {
        let host = Adapter::Epoll.start()?;
        let attached = host.attach()?;
        let registry = Client::on(attached.event_loop.clone(), |_| {});
        // Keeps the loop dispatching.
        let busy = new_eventfd(1)?;
        registry.register_fd(busy.as_raw_fd(), Interest::IN, ClientValue(0))?;
        let fds = (0..most_threads).map(|_| new_eventfd(0)).collect::<Result<_, _>>()?;
        Ok(Self { registry, fds, hooks: Mutex::default(), _busy: busy, _attached: attached, _host: host })
    }

    /// How many were registered and deregistered in a second, by so many threads, so many times by each.
    pub(crate) fn round(&self, threads: u32, times: u32) -> f64 {
        let fds = &self.fds[..threads as usize];
        let others = Mutex::default();
        churn(&self.registry, fds, times, if fds.len() == self.fds.len() { &self.hooks } else { &others })
    }

    /// The 99.9th percentile of a hook with all threads.
    fn worst_hook(&self) -> Duration {
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.sort();
        hooks[(hooks.len() - 1) * 999 / 1000]
    }
}

/// One thread for each fd: how many were registered and deregistered in a second. Adds what the hooks took to `hooks`.
fn churn(registry: &Registry<Client>, fds: &[Arc<OwnedFd>], times: u32, hooks: &Mutex<Vec<Duration>>) -> f64 {
    let began = Instant::now();
    thread::scope(|scope| {
        for fd in fds {
            scope.spawn(move || {
                let fd = fd.as_raw_fd();
                let mut took = Vec::with_capacity(2 * times as usize);
                for _ in 0..times {
                    let began = Instant::now();
                    let token = registry.register_fd(fd, Interest::IN, ClientValue(1)).expect("there is room");
                    let between = Instant::now();
                    registry.deregister_fd(token.to_handle(), fd).expect("it is registered");
                    took.extend([between - began, between.elapsed()]);
                }
                hooks.lock().unwrap_or_else(PoisonError::into_inner).extend(took);
            });
        }
    });
    f64::from(times) * fds.len() as f64 / began.elapsed().as_secs_f64()
}
