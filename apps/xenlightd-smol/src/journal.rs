//! What has happened since the service started, numbered: a client that was away asks for what it has missed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;
use zbus::Variant;

use crate::domain::Domain;
use crate::host::Availability;

/// Events that are kept: 1 MiB or so.
const KEPT: usize = 4096;

/// Events in an answer, so that none is too large for the bus.
const PAGE: usize = 256;

/// An event: its number, its time in microseconds since 1970, what it is, and of what: uuid, number, name and state of the domain, and the
/// properties that have changed.
pub(crate) type Event =
    (u64, u64, &'static str, String, u32, String, &'static str, HashMap<&'static str, Variant<'static>>);

pub(crate) struct Journal {
    /// Another one for each start of the service: the numbers begin anew then.
    pub(crate) instance: String,
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    latest: u64,
    kept: VecDeque<Event>,
}

/// Part of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    /// How many are no longer kept that would come first.
    pub(crate) lost: u64,
    pub(crate) latest: u64,
    pub(crate) events: Vec<Event>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { instance: Uuid::new_v4().simple().to_string(), events: Mutex::default() }
    }

    /// What has happened, of which domain, and what has changed with that.
    pub(crate) fn add(
        &self,
        event: &'static str,
        domain: Option<&Domain>,
        changed: HashMap<&'static str, Variant<'static>>,
    ) {
        let mut events = self.events();
        events.latest += 1;
        let (uuid, id, name, state) = domain.map_or_else(Default::default, |domain| {
            (domain.uuid.to_string(), domain.id, domain.name.clone(), domain.state.as_str())
        });
        let number = events.latest;
        if events.kept.len() == KEPT {
            events.kept.pop_front();
        }
        events.kept.push_back((number, now_us(), event, uuid, id, name, state, changed));
    }

    pub(crate) fn add_availability(&self, availability: &Availability) {
        let trouble = availability.trouble.clone();
        let event = if trouble.is_empty() { "available" } else { "unavailable" };
        self.add(event, None, HashMap::from([("Trouble", trouble.into())]));
    }

    /// Those after this number of this instance, oldest first; of another instance, all from the first one on.
    pub(crate) fn read(&self, instance: &str, after: u64) -> Page {
        let events = self.events();
        let after = if instance == self.instance { after.min(events.latest) } else { 0 };
        let before_kept = events.latest - events.kept.len() as u64;
        let lost = before_kept.saturating_sub(after);
        let skipped = after.saturating_sub(before_kept) as usize;
        let page = events.kept.iter().skip(skipped).take(PAGE);
        Page { lost, latest: events.latest, events: page.cloned().collect() }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_micros().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(page: &Page) -> Vec<u64> {
        page.events.iter().map(|event| event.0).collect()
    }

    #[test]
    fn what_was_missed_is_read_and_what_is_no_longer_kept_is_counted() {
        let journal = Journal::new();
        let add = |count: usize| (0..count).for_each(|_| journal.add_availability(&Availability::default()));
        assert_eq!(journal.read(&journal.instance, 0), Page { lost: 0, latest: 0, events: Vec::new() });
        add(3);
        let page = journal.read(&journal.instance, 1);
        assert_eq!((page.lost, page.latest, numbers(&page)), (0, 3, vec![2, 3]));
        let page = journal.read("another", 3);
        assert_eq!((page.lost, numbers(&page)), (0, vec![1, 2, 3]), "those of another instance are not these");
        assert_eq!(numbers(&journal.read(&journal.instance, 4)), [] as [u64; 0]);

        add(KEPT);
        let page = journal.read(&journal.instance, 1);
        assert_eq!((page.lost, page.latest), (2, KEPT as u64 + 3));
        assert_eq!(numbers(&page), (4..4 + PAGE as u64).collect::<Vec<_>>());
        let page = journal.read(&journal.instance, page.latest - 1);
        assert_eq!((page.lost, numbers(&page)), (0, vec![KEPT as u64 + 3]));
    }
}
