//! The domains as the service tells them: all that there are, and then each change.

use super::bus::{Bus, DOMAIN, HOST, MANAGER, OBJECT_MANAGER, PROPERTIES, Properties};
use crate::engine::{Change, Failure, PVH_OR_HVM, Record, State};
use futures_lite::StreamExt;
use gtk::gio;
use gtk::glib::variant::{FromVariant, ObjectPath};
use std::collections::{BTreeMap, HashMap};

/// The domains by the paths of their objects.
#[derive(Debug, Default)]
pub(super) struct Domains(BTreeMap<String, Domain>);

/// The properties of a domain's object.
#[derive(Clone, Debug, Default)]
struct Domain {
    id: u32,
    uuid: String,
    name: String,
    state: String,
    shutdown_reason: String,
    kind: String,
    memory_kib: u64,
    memory_target_kib: u64,
    max_memory_kib: u64,
    vcpus: u32,
    vcpus_online: u32,
}

/// What a signal of the service says about its objects.
#[derive(Debug)]
pub(super) enum Signal {
    Added(String, Properties),
    Changed(String, Properties),
    Removed(String),
    /// Why there is no connection to Xen; empty if there is one again.
    Trouble(String),
}

type Interfaces = HashMap<String, Properties>;

impl Domains {
    /// All that there are.
    pub(super) async fn read(bus: &Bus) -> Result<Self, Failure> {
        let (mut objects,): (HashMap<ObjectPath, Interfaces>,) =
            bus.read(HOST, OBJECT_MANAGER, "GetManagedObjects", None).await?;
        let domains = objects.drain().filter_map(|(path, mut interfaces)| {
            Some((path.as_str().to_owned(), Domain::new(&interfaces.remove(DOMAIN)?)?))
        });
        Ok(Self(domains.collect()))
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.0.values().map(Domain::record).collect()
    }

    /// The path of the object of a domain.
    pub(super) fn path(&self, domid: u32) -> Option<String> {
        self.0.iter().find(|(_, domain)| domain.id == domid).map(|(path, _)| path.clone())
    }

    /// The most memory that a domain can have, in KiB.
    pub(super) fn memory_limit(&self, domid: u32) -> Option<u64> {
        self.0.values().find(|domain| domain.id == domid).map(|domain| domain.max_memory_kib).filter(|kib| *kib > 0)
    }

    /// Takes in a signal. One that was sent before the domains were read may tell what is known: the last one that tells of a property tells
    /// how it is.
    pub(super) fn take(&mut self, signal: Signal) -> Vec<Change> {
        match signal {
            Signal::Added(path, properties) if !self.0.contains_key(&path) => {
                let Some(domain) = Domain::new(&properties) else { return Vec::new() };
                let now = domain.record();
                self.0.insert(path, domain);
                vec![Change::Appeared(now)]
            }
            Signal::Added(path, properties) | Signal::Changed(path, properties) => {
                // Only what has changed is told here: of a domain that is not known, that is too little.
                let Some(domain) = self.0.get_mut(&path) else { return Vec::new() };
                let before = domain.id;
                domain.set(&properties);
                let now = domain.record();
                match now.domid == before {
                    true => vec![Change::Changed(now)],
                    // After a reboot, the same object is another domain of Xen's.
                    false => vec![Change::Gone(before), Change::Appeared(now)],
                }
            }
            Signal::Removed(path) => self.0.remove(&path).map(|domain| Change::Gone(domain.id)).into_iter().collect(),
            Signal::Trouble(trouble) if trouble.is_empty() => vec![Change::Fresh],
            Signal::Trouble(trouble) => vec![Change::Stale(trouble)],
        }
    }
}

impl Signal {
    /// All that the service sends, in its order.
    pub(super) fn stream(bus: &Bus) -> impl futures_lite::Stream<Item = Self> + 'static {
        bus.signals(Self::read).filter_map(|signal| signal)
    }

    fn read(signal: gio::DBusSignalRef<'_>) -> Option<Self> {
        let (parameters, path) = (signal.parameters, signal.object_path.to_owned());
        match (signal.interface_name, signal.signal_name) {
            (OBJECT_MANAGER, "InterfacesAdded") => {
                let (path, mut interfaces): (ObjectPath, Interfaces) = parameters.get()?;
                Some(Self::Added(path.as_str().to_owned(), interfaces.remove(DOMAIN)?))
            }
            (OBJECT_MANAGER, "InterfacesRemoved") => {
                let (path, interfaces): (ObjectPath, Vec<String>) = parameters.get()?;
                interfaces.iter().any(|name| name == DOMAIN).then(|| Self::Removed(path.as_str().to_owned()))
            }
            (PROPERTIES, "PropertiesChanged") => {
                let (interface, changed, _): (String, Properties, Vec<String>) = parameters.get()?;
                match interface.as_str() {
                    DOMAIN => Some(Self::Changed(path, changed)),
                    MANAGER => Some(Self::Trouble(changed.get("Trouble")?.get()?)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Domain {
    /// A domain, unless its number is not told: none is to be taken for Domain-0.
    fn new(properties: &Properties) -> Option<Self> {
        let mut domain = Self { id: properties.get("Id")?.get()?, ..Self::default() };
        domain.set(properties);
        Some(domain)
    }

    fn set(&mut self, properties: &Properties) {
        take(properties, "Id", &mut self.id);
        take(properties, "Uuid", &mut self.uuid);
        take(properties, "Name", &mut self.name);
        take(properties, "State", &mut self.state);
        take(properties, "ShutdownReason", &mut self.shutdown_reason);
        take(properties, "Kind", &mut self.kind);
        take(properties, "MemoryKib", &mut self.memory_kib);
        take(properties, "MemoryTargetKib", &mut self.memory_target_kib);
        take(properties, "MaxMemoryKib", &mut self.max_memory_kib);
        take(properties, "Vcpus", &mut self.vcpus);
        take(properties, "VcpusOnline", &mut self.vcpus_online);
    }

    fn record(&self) -> Record {
        Record {
            domid: self.id,
            uuid: self.uuid.clone(),
            name: Some(self.name.clone()).filter(|name| !name.is_empty()),
            state: self.state(),
            kind: match self.kind.as_str() {
                "pv" => "PV",
                "pvh" => "PVH",
                // libxl does not tell them apart here.
                "hvm" => PVH_OR_HVM,
                _ => "",
            }
            .to_owned(),
            memory_kib: Some(self.memory_target_kib).filter(|kib| *kib > 0).unwrap_or(self.memory_kib),
            vcpus: self.vcpus_online,
            max_vcpus: self.vcpus,
        }
    }

    fn state(&self) -> State {
        match (self.state.as_str(), self.shutdown_reason.as_str()) {
            ("making", _) => State::Making,
            ("running", _) => State::Running,
            ("paused", _) => State::Paused,
            ("dying", _) => State::Dying,
            (_, "poweroff") => State::PoweredOff,
            (_, "reboot") => State::Rebooting,
            (_, "suspend") => State::Suspended,
            (_, "crash") => State::Crashed,
            _ => State::Stopped,
        }
    }
}

/// What is not told stays.
fn take<T: FromVariant>(properties: &Properties, name: &str, value: &mut T) {
    if let Some(told) = properties.get(name).and_then(|told| told.get()) {
        *value = told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gtk::glib::prelude::*;

    fn properties<const N: usize>(told: [(&str, gtk::glib::Variant); N]) -> Properties {
        told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn a_domain_that_reboots_is_another_one_in_the_same_object() {
        let mut domains = Domains::default();
        let web = || "/web".to_owned();
        let told = properties([("Id", 3u32.to_variant()), ("State", "running".to_variant())]);
        assert!(matches!(&*domains.take(Signal::Added(web(), told)), [Change::Appeared(record)] if record.domid == 3));
        let told = properties([("State", "shutdown".to_variant()), ("ShutdownReason", "reboot".to_variant())]);
        let changes = domains.take(Signal::Changed(web(), told));
        assert!(matches!(&*changes, [Change::Changed(record)] if record.state == State::Rebooting), "{changes:?}");
        let told = properties([("Id", 4u32.to_variant()), ("State", "paused".to_variant())]);
        let changes = domains.take(Signal::Changed(web(), told));
        assert!(matches!(&*changes, [Change::Gone(3), Change::Appeared(record)] if record.domid == 4), "{changes:?}");
        assert_eq!((domains.path(3), domains.path(4)), (None, Some(web())));
        assert!(matches!(&*domains.take(Signal::Removed(web())), [Change::Gone(4)]));
        assert!(domains.take(Signal::Removed(web())).is_empty());
    }

    #[test]
    fn what_tells_no_number_or_is_not_known_makes_no_domain() {
        let mut domains = Domains::default();
        let (web, host) = (|| "/web".to_owned(), || "/host".to_owned());
        domains.take(Signal::Added(host(), properties([("Id", 0u32.to_variant())])));
        let named = || properties([("Name", "web".to_variant())]);
        assert!(domains.take(Signal::Added(web(), named())).is_empty());
        assert!(domains.take(Signal::Changed(web(), named())).is_empty());
        // It has gone, and has no uuid any more.
        let told = properties([("Id", 3u32.to_variant()), ("Name", "web".to_variant())]);
        assert!(domains.take(Signal::Changed(web(), told)).is_empty());
        assert_eq!((domains.path(0), domains.records().len()), (Some(host()), 1));
        assert!(
            matches!(&*domains.take(Signal::Changed(host(), named())), [Change::Changed(record)] if record.domid == 0)
        );
    }
}
