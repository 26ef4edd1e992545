//! The watches of a ctx, and who is told of what they report.

use crate::contain::wake;
use crate::event::{Event, EventKind, Events};
use crate::lock;
use crate::queue::{Item, Queue};
use crate::streams::Streams;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use xenlight_sys::event::{EvgenDiskEject, EvgenDomainDeath};
use xenlight_types::DomainId;

pub(crate) type Callback = Arc<dyn Fn(Event) + Send + Sync>;

/// One ctx's watches, and who is told.
pub(crate) struct Subscribers {
    callback: Option<Callback>,
    pub(crate) watches: Mutex<Watches>,
    streams: Mutex<Streams<Event>>,
}

#[derive(Default)]
pub(crate) struct Watches {
    pub(crate) last: u64,
    pub(crate) standing: HashMap<u64, Watched>,
    /// Of watches that were dropped inside a hook: to be disabled.
    pub(crate) dropped: Vec<Evgen>,
}

pub(crate) struct Watched {
    pub(crate) domid: DomainId,
    pub(crate) told: Told,
    /// Of a watch for ejects: libxl leaves it out of the event.
    pub(crate) vdev: Option<String>,
    pub(crate) evgen: Evgen,
}

/// What a watch has reported of its domain.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) shutdown: bool,
    death: bool,
}

impl Told {
    /// Whether it is news.
    fn is_news(&mut self, kind: &EventKind) -> bool {
        let told = match kind {
            EventKind::Shutdown(_) => &mut self.shutdown,
            EventKind::Death => &mut self.death,
            _ => return true,
        };
        !std::mem::replace(told, true)
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Evgen {
    /// Being enabled, or about to be; whoever does that disables it again if it is not standing any more.
    Starting,
    Death(*mut EvgenDomainDeath),
    Eject(*mut EvgenDiskEject),
}

// SAFETY: libxl takes an evgen on any thread; it is freed once, by whoever removed it from the table.
unsafe impl Send for Evgen {}

impl Subscribers {
    pub(crate) fn new(callback: Option<Callback>) -> Self {
        Self { callback, watches: Mutex::default(), streams: Mutex::default() }
    }

    pub(crate) fn stream(&self) -> Events {
        Events(lock(&self.streams).listen())
    }

    /// On the loop's thread, with no lock held.
    pub(crate) fn deliver(&self, event: Event) {
        if let Some(watch) = event.watch
            && !lock(&self.watches).standing.contains_key(&watch.0)
        {
            return;
        }
        let wakers = lock(&self.streams).add(std::slice::from_ref(&event));
        wakers.into_iter().for_each(wake);
        if let Some(callback) = &self.callback {
            callback(event);
        }
    }

    /// Leaves an event for the loop's thread, unless its watch has reported that already: libxl and `watch::look` may both have found it.
    pub(crate) fn push(&self, queue: &Queue, event: Event) {
        let mut watches = lock(&self.watches);
        let watched = event.watch.and_then(|watch| watches.standing.get_mut(&watch.0));
        if watched.is_none_or(|watched| watched.told.is_news(&event.kind)) {
            // Under the lock, so that a shutdown that one thread finds stays before the death that another does.
            queue.push(Item::Event(event));
        }
    }

    pub(crate) fn end(&self) {
        let wakers = lock(&self.streams).end();
        wakers.into_iter().for_each(wake);
    }
}
