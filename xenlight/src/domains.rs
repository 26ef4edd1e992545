//! A host's domains as they are followed, and what changes of them.

use crate::domain_info::DomainInfo;
use crate::error::Error;
use crate::event::ShutdownReason;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use xenlight_types::DomainId;

/// A domain of the host, as [`Ctx::follow_domains`](crate::Ctx::follow_domains) found it last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// Its name. `None` if it has none, which happens while it is being created or destroyed.
    pub name: Option<String>,
    /// Where it is in its life.
    pub state: DomainState,
    /// The memory that it was asked to have, in KiB, if that is known. It gets there in its own time, which nothing tells of:
    /// [`DomainInfo::current_memory_kib`] is as of the last change.
    pub memory_target_kib: Option<u64>,
    /// Number, uuid, memory, virtual CPUs and more, as of the last change. No change is told for [`DomainInfo::cpu_time`],
    /// [`running`](DomainInfo::running) or [`blocked`](DomainInfo::blocked) alone: they change all the time.
    pub info: DomainInfo,
}

impl Domain {
    /// Its number. Xen gives the number of a domain that is gone to another one, some time later.
    pub fn domid(&self) -> DomainId {
        self.info.domid
    }

    /// Its uuid. A domain that is being destroyed can have the same one as that which takes its place, after a reboot for instance.
    pub fn uuid(&self) -> Uuid {
        self.info.uuid
    }

    /// Not [dying](DomainState::Dying).
    pub fn is_living(&self) -> bool {
        self.state != DomainState::Dying
    }
}

/// Where a domain is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DomainState {
    /// It is being created: it has never run, and libxl has not completed it. If the creation fails, the domain goes from here.
    Making,
    /// It runs, or its virtual CPUs wait for something to do.
    Running,
    /// It is paused.
    Paused,
    /// It has shut down, or was suspended, and still exists.
    Shutdown(ShutdownReason),
    /// It is being destroyed. It stays so as long as another domain or a driver uses memory of it.
    Dying,
}

/// Its name, in lower case: `making`, `running`, `paused`, `dying`; of one that has shut down `suspended`, `crashed` (also by its watchdog),
/// or `shutdown`.
impl fmt::Display for DomainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Making => "making",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutdown(ShutdownReason::Suspend) => "suspended",
            Self::Shutdown(ShutdownReason::Crash | ShutdownReason::Watchdog) => "crashed",
            Self::Shutdown(_) => "shutdown",
            Self::Dying => "dying",
        })
    }
}

/// What has changed. The domain has been read anew, with its name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DomainChange {
    /// A domain that was not there.
    Appeared(Domain),
    /// A domain that is there has changed.
    Changed {
        /// As it was told last.
        before: Domain,
        /// As it is.
        now: Domain,
    },
    /// A domain is no longer there; this is how it was told last. If it was [`DomainState::Making`], its creation has failed.
    Gone(Domain),
    /// The domains cannot be followed at the moment: changes are missed until [`Fresh`](Self::Fresh). [`Error::XenstoredLost`] if
    /// xenstored has ended or was restarted. Nothing has to be done: it is tried again and again, at growing intervals of up to 5 s.
    Stale(Arc<Error>),
    /// The domains are followed again. What had changed meanwhile was told just before this.
    Fresh,
}

/// What was read of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) domain: Domain,
    /// Its creation was complete; it is not asked again.
    pub(crate) made: bool,
}

/// All that were read last.
pub(crate) type Table = BTreeMap<DomainId, Known>;

impl Known {
    /// `is_complete` tells whether the creation of a domain that has never run is complete; it is asked where that counts only.
    pub(crate) fn read(
        before: Option<&Self>,
        info: DomainInfo,
        name: Option<String>,
        memory_target_kib: Option<u64>,
        is_complete: impl FnOnce() -> bool,
    ) -> Self {
        // Xen makes a domain paused, and a domain that is destroyed without ever having run has never been unpaused.
        let may_be_unfinished = info.cpu_time == Duration::ZERO && (info.paused || info.dying);
        let made = before.is_some_and(|before| before.made) || !may_be_unfinished || !info.dying && is_complete();
        let state = match info.shutdown {
            _ if !made => DomainState::Making,
            _ if info.dying => DomainState::Dying,
            Some(reason) => DomainState::Shutdown(reason),
            None if info.paused => DomainState::Paused,
            None => DomainState::Running,
        };
        Self { domain: Domain { name, state, memory_target_kib, info }, made }
    }
}

/// What leads from one to the other, in the order of the domains' numbers.
pub(crate) fn differences(before: &Table, now: &Table) -> Vec<DomainChange> {
    let mut changes = Vec::new();
    let domids = before.keys().chain(now.keys().filter(|domid| !before.contains_key(domid)));
    let mut domids: Vec<_> = domids.collect();
    domids.sort();
    for domid in domids {
        let both = (before.get(domid).map(|known| &known.domain), now.get(domid).map(|known| &known.domain));
        match both {
            (Some(before), Some(now)) if before.uuid() == now.uuid() => {
                if differ(before, now) {
                    changes.push(DomainChange::Changed { before: before.clone(), now: now.clone() });
                }
            }
            (before, now) => {
                changes.extend(before.cloned().map(DomainChange::Gone));
                changes.extend(now.cloned().map(DomainChange::Appeared));
            }
        }
    }
    changes
}

/// In anything but what changes all the time.
fn differ(before: &Domain, now: &Domain) -> bool {
    let DomainInfo { cpu_time, running, blocked, .. } = before.info;
    let info = DomainInfo { cpu_time, running, blocked, ..now.info.clone() };
    *before != Domain { info, ..now.clone() }
}

/// What a stream has told, by the domains' numbers.
#[derive(Default)]
pub(crate) struct Told(BTreeMap<DomainId, Domain>);

impl Told {
    pub(crate) fn snapshot(table: &Table) -> Self {
        Self(table.iter().map(|(domid, known)| (*domid, known.domain.clone())).collect())
    }

    pub(crate) fn tell(&mut self, change: &DomainChange) {
        match change {
            DomainChange::Appeared(domain) | DomainChange::Changed { now: domain, .. } => {
                self.0.insert(domain.domid(), domain.clone());
            }
            DomainChange::Gone(domain) => _ = self.0.remove(&domain.domid()),
            DomainChange::Stale(_) | DomainChange::Fresh => {}
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Domain> {
        self.0.values()
    }

    pub(crate) fn get(&self, domid: DomainId) -> Option<&Domain> {
        self.0.get(&domid)
    }

    /// The living one, if there is one.
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Option<&Domain> {
        let of_uuid = || self.all().filter(|domain| domain.uuid() == uuid);
        of_uuid().find(|domain| domain.is_living()).or_else(|| of_uuid().next())
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Domain> {
        self.all().find(|domain| domain.is_living() && domain.name.as_deref() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain_info::domain_info;
    use xenlight_sys::Release;

    const ONE: &str = "11111111-0000-0000-0000-000000000001";
    const TWO: &str = "22222222-0000-0000-0000-000000000002";

    fn info(domid: u32, uuid: &str, more: &str) -> DomainInfo {
        let json = format!(r#"{{"domid": {domid}, "uuid": "{uuid}"{more}}}"#);
        domain_info(&crate::json::object("a test", Some(json)).expect("an object"), Release::V4_13)
    }

    fn known(before: Option<&Known>, more: &str, is_complete: bool) -> Known {
        Known::read(before, info(5, ONE, more), Some("five".to_owned()), None, || is_complete)
    }

    fn table(known: impl IntoIterator<Item = Known>) -> Table {
        known.into_iter().map(|known| (known.domain.domid(), known)).collect()
    }

    fn named(domid: u32, uuid: &str, name: &str, more: &str) -> Known {
        Known::read(None, info(domid, uuid, more), Some(name.to_owned()), None, || true)
    }

    #[test]
    fn a_domain_is_in_the_making_until_it_is_complete_or_has_run_and_never_again() {
        let new = known(None, r#", "paused": true"#, false);
        assert_eq!(new.domain.state, DomainState::Making);
        let unasked = || -> bool { panic!("a domain that has run need not be asked about") };
        let running = Known::read(Some(&new), info(5, ONE, r#", "running": true"#), None, None, unasked);
        assert_eq!(running.domain.state, DomainState::Running);
        let paused = known(Some(&new), r#", "paused": true"#, true);
        assert_eq!(paused.domain.state, DomainState::Paused);
        // Libxl deletes its file while it destroys a domain.
        assert_eq!(known(Some(&paused), r#", "dying": true"#, false).domain.state, DomainState::Dying);
        assert_eq!(known(Some(&paused), r#", "paused": true"#, false).domain.state, DomainState::Paused);
        let ran = r#", "paused": true, "cpu_time": 1"#;
        assert_eq!(known(Some(&new), ran, false).domain.state, DomainState::Paused);
    }

    #[test]
    fn a_state_has_a_name_that_can_be_aligned() {
        let named = |reason| DomainState::Shutdown(reason).to_string();
        assert_eq!(
            [named(ShutdownReason::Poweroff), named(ShutdownReason::Suspend), named(ShutdownReason::Watchdog)],
            ["shutdown", "suspended", "crashed"]
        );
        assert_eq!(format!("{:<8}|", DomainState::Paused), "paused  |");
    }

    #[test]
    fn a_creation_that_fails_is_no_death() {
        let new = known(None, r#", "paused": true"#, false);
        assert_eq!(known(Some(&new), r#", "paused": true, "dying": true"#, true).domain.state, DomainState::Making);
        assert_eq!(known(None, r#", "dying": true"#, true).domain.state, DomainState::Making);
        assert_eq!(known(None, r#", "dying": true, "cpu_time": 1"#, true).domain.state, DomainState::Dying);
    }

    #[test]
    fn a_domid_with_another_uuid_is_another_domain() {
        let (one, two) = (named(5, ONE, "one", ""), named(5, TWO, "two", ""));
        let changes = differences(&table([one.clone()]), &table([two.clone()]));
        let [DomainChange::Gone(gone), DomainChange::Appeared(new)] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((gone, new), (&one.domain, &two.domain));
        // And has not run because that has.
        let unfinished = Known::read(None, info(5, TWO, r#", "paused": true"#), None, None, || false);
        assert_eq!(unfinished.domain.state, DomainState::Making);
    }

    #[test]
    fn what_changes_all_the_time_is_no_change() {
        let before = table([named(5, ONE, "five", r#", "running": true, "cpu_time": 1"#)]);
        let ran = table([named(5, ONE, "five", r#", "blocked": true, "cpu_time": 2"#)]);
        assert!(differences(&before, &ran).is_empty());
        let grown = table([named(5, ONE, "five", r#", "running": true, "cpu_time": 1, "max_memkb": 7"#)]);
        assert!(
            matches!(&differences(&before, &grown)[..], [DomainChange::Changed { now, .. }] if now.info.max_memory_kib == 7)
        );
    }

    #[test]
    fn what_was_told_leads_from_the_snapshot_to_what_was_read_last() {
        let before = table([named(1, ONE, "one", ""), named(2, TWO, "two", "")]);
        let now = table([named(2, TWO, "renamed", ""), named(3, ONE, "one", "")]);
        let mut told = Told::snapshot(&before);
        differences(&before, &now).iter().for_each(|change| told.tell(change));
        assert!(told.all().eq(now.values().map(|known| &known.domain)));
    }

    #[test]
    fn the_living_one_is_found_though_a_dying_one_has_its_name_and_uuid() {
        let dying = r#", "dying": true, "cpu_time": 1"#;
        for (first, second) in [(dying, ""), ("", dying)] {
            let told = Told::snapshot(&table([named(5, ONE, "web", first), named(9, ONE, "web", second)]));
            let living = DomainId::new(if first.is_empty() { 5 } else { 9 });
            let uuid = ONE.parse().expect("a uuid");
            assert_eq!(told.by_name("web").map(Domain::domid), Some(living));
            assert_eq!(told.by_uuid(uuid).map(Domain::domid), Some(living));
        }
        let told = Told::snapshot(&table([named(5, ONE, "web", dying)]));
        assert_eq!(told.by_name("web"), None);
        assert!(told.by_uuid(ONE.parse().expect("a uuid")).is_some());
    }
}
