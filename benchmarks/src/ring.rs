//! Fds that form a ring: each callback reads its own and makes the next one readable, so each event takes a turn of the loop,
//! and nobody else takes part.

use crate::eventfd::{lower, new_eventfd, raise};
use crate::figures::used;
use crate::processors::stay_on_first;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) struct Ring {
    pub(crate) links: Arc<Links>,
    took: Receiver<Duration>,
}

pub(crate) struct Links {
    pub(crate) fds: Vec<Arc<OwnedFd>>,
    round: Mutex<Round>,
    took: Sender<Duration>,
}

#[derive(Default)]
struct Round {
    left: u32,
    /// What the loop's thread had used when its first event came: the thread that waits for the round has no part in it.
    began: Option<Duration>,
}

impl Ring {
    pub(crate) fn new(fds: usize) -> anyhow::Result<Self> {
        let (sender, took) = channel();
        let fds = (0..fds).map(|_| new_eventfd(0)).collect::<Result<_, _>>()?;
        Ok(Self { links: Arc::new(Links { fds, round: Mutex::default(), took: sender }), took })
    }

    /// Nanoseconds for an event.
    pub(crate) fn round(&self, events: u32) -> f64 {
        *self.links.round() = Round { left: events, began: None };
        raise(&self.links.fds[0]);
        let took = self.took.recv().expect("the ring is there");
        took.as_nanos() as f64 / f64::from(events)
    }
}

impl Links {
    /// This one is readable: reads it and passes that on.
    pub(crate) fn pass(&self, at: usize) {
        if !lower(&self.fds[at]) {
            return;
        }
        {
            let mut round = self.round();
            match round.began {
                None => {
                    stay_on_first();
                    round.began = Some(used());
                }
                Some(began) => {
                    round.left -= 1;
                    if round.left == 0 {
                        self.took.send(used() - began).expect("somebody waits for it");
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
