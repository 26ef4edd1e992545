//! The domains by uuid, and what changes of them.
//!
//! The object of a domain stands for its uuid. Two domains have the same one for a short time, when a domain was rebooted and the
//! old one is still dying. Then the living one counts, and what is told is that the domain has another number.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::Domain;

#[derive(Default)]
pub(crate) struct Table(BTreeMap<Uuid, Domain>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Appeared(Domain),
    Changed { before: Domain, now: Domain },
    Gone(Domain),
}

impl Table {
    pub(crate) fn get(&self, uuid: Uuid) -> Option<&Domain> {
        self.0.get(&uuid)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Domain> {
        self.0.values()
    }

    /// The domain with this uuid is now this one.
    pub(crate) fn set(&mut self, uuid: Uuid, now: Option<Domain>) -> Option<Change> {
        let before = match &now {
            Some(now) => self.0.insert(uuid, now.clone()),
            None => self.0.remove(&uuid),
        };
        match (before, now) {
            (None, now) => now.map(Change::Appeared),
            (Some(before), None) => Some(Change::Gone(before)),
            (Some(before), Some(now)) => (before != now).then_some(Change::Changed { before, now }),
        }
    }

    /// These are all.
    pub(crate) fn replace(&mut self, all: impl IntoIterator<Item = Domain>) -> Vec<Change> {
        let mut by_uuid = BTreeMap::<Uuid, Domain>::new();
        for domain in all {
            let known = by_uuid.entry(domain.uuid).or_insert_with(|| domain.clone());
            if !known.is_living() {
                *known = domain;
            }
        }
        let gone: Vec<_> = self.0.keys().filter(|uuid| !by_uuid.contains_key(uuid)).copied().collect();
        let gone = gone.into_iter().map(|uuid| (uuid, None));
        let now = by_uuid.into_iter().map(|(uuid, domain)| (uuid, Some(domain)));
        gone.chain(now).collect::<Vec<_>>().into_iter().filter_map(|(uuid, domain)| self.set(uuid, domain)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::State;

    fn domain(uuid: u128, id: u32, state: State) -> Domain {
        Domain {
            uuid: Uuid::from_u128(uuid),
            id,
            name: format!("domain-{id}"),
            state,
            shutdown_reason: String::new(),
            kind: "pvh".to_owned(),
            memory_kib: 4096,
            memory_target_kib: 4096,
            max_memory_kib: 4096,
            vcpus_online: 1,
            vcpus: 1,
            cpupool: 0,
        }
    }

    #[test]
    fn a_domain_that_takes_the_place_of_a_dying_one_is_the_same_with_another_number() {
        let mut table = Table::default();
        let old = domain(1, 5, State::Running);
        assert_eq!(table.replace([old.clone()]), [Change::Appeared(old.clone())]);
        let (dying, new) = (domain(1, 5, State::Dying), domain(1, 6, State::Running));
        for both in [[dying.clone(), new.clone()], [new.clone(), dying]] {
            let mut table = Table::default();
            table.replace([old.clone()]);
            let changed = Change::Changed { before: old.clone(), now: new.clone() };
            assert_eq!(table.replace(both), [changed]);
        }
    }

    #[test]
    fn what_is_not_listed_again_is_gone_and_what_is_the_same_is_not_told() {
        let mut table = Table::default();
        let (first, second) = (domain(1, 5, State::Running), domain(2, 6, State::Running));
        table.replace([first.clone(), second.clone()]);
        assert_eq!(table.replace([second.clone()]), [Change::Gone(first)]);
        assert_eq!(table.set(second.uuid, Some(second.clone())), None);
        assert_eq!(table.set(second.uuid, None), Some(Change::Gone(second.clone())));
        assert_eq!(table.set(second.uuid, None), None);
    }

    #[test]
    fn only_properties_that_differ_are_told() {
        let (before, now) = (domain(1, 5, State::Running), domain(1, 5, State::Paused));
        let changes = now.changes(&before);
        assert_eq!(changes.keys().collect::<Vec<_>>(), [&"State"]);
        assert_eq!(changes["State"], zbus::Variant::from("paused"));
    }
}
