//! The domains as metrics, in the format of OpenMetrics.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::or;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use smol::channel::Receiver;
use xenlight::{Ctx, DomainInfo, Error};

use crate::aside;
use crate::domain::{Domain, State};
use crate::host::Host;

/// How long a scrape waits for new readings. After that it has those from before.
const PATIENCE: Duration = Duration::from_secs(2);

const KIB: u64 = 1024;
const PAGE: u64 = 4096;

/// What the metrics are made of.
pub(crate) struct Metrics {
    host: Arc<Host>,
    readings: Readings,
}

#[derive(Default)]
struct Readings {
    latest: Mutex<Reading>,
    /// One that goes on, perhaps since an earlier scrape. Held by the scrape that waits for it.
    at_work: smol::lock::Mutex<Option<Work>>,
}

/// The channel by which a reading comes.
type Work = Receiver<Result<Reading, Error>>;

/// What changes all the time, so that nothing tells of it.
#[derive(Clone, Debug, Default)]
struct Reading {
    infos: Vec<DomainInfo>,
    /// Total and free, in bytes.
    memory: Option<(u64, u64)>,
    cpus: Option<u32>,
}

impl Metrics {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host, readings: Readings::default() }
    }

    /// The text for one scrape. Takes a little more than two seconds at most, whatever Xen does.
    pub(crate) async fn scrape(&self) -> String {
        // Not on the thread of the bus: a question to the hypervisor is one that waits.
        let begin = || self.host.ctx().ok().map(|ctx| aside::begin(move || Reading::make(&ctx)));
        let (reading, fresh) = self.readings.read(begin).await;
        let (domains, trouble) = (self.host.domains(), self.host.availability().trouble);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Snapshot { domains, reading, fresh, up: trouble.is_empty() }));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes all");
        text
    }
}

impl Readings {
    /// The latest reading, and whether it is new. One that takes too long goes on, and no other is begun beside it.
    async fn read(&self, begin: impl FnOnce() -> Option<Work>) -> (Reading, bool) {
        let new = async {
            let mut at_work = self.at_work.lock().await;
            if at_work.is_none() {
                *at_work = begin();
            }
            let Some(work) = &*at_work else { return false };
            let read = work.recv().await;
            *at_work = None;
            let Ok(Ok(reading)) = read else { return false };
            *self.latest() = reading;
            true
        };
        let late = async {
            Timer::after(PATIENCE).await;
            false
        };
        let is_new = or(new, late).await;
        (self.latest().clone(), is_new)
    }

    fn latest(&self) -> MutexGuard<'_, Reading> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn make(ctx: &Ctx) -> Result<Self, Error> {
        // Of the host where it tells: the domains are what counts.
        let host = ctx.phys_info().ok();
        let memory = host.as_ref().map(|host| (host.total_pages * PAGE, host.free_pages * PAGE));
        Ok(Self { infos: ctx.domains()?, memory, cpus: host.map(|host| host.nr_cpus) })
    }
}

/// All that one scrape tells.
#[derive(Debug)]
struct Snapshot {
    domains: Vec<Domain>,
    reading: Reading,
    fresh: bool,
    up: bool,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        gauge(encoder, "xen_up", "Whether there is a connection to Xen", None, self.up.into())?;
        let help = "Whether CPU times and memory were read for this scrape, or are from before";
        gauge(encoder, "xen_fresh", help, None, self.fresh.into())?;
        if let Some((total, free)) = self.reading.memory {
            gauge(encoder, "xen_host_memory", "Memory of the host", Some(&Unit::Bytes), total)?;
            gauge(encoder, "xen_host_free_memory", "Free memory of the host", Some(&Unit::Bytes), free)?;
        }
        if let Some(cpus) = self.reading.cpus {
            gauge(encoder, "xen_host_cpus", "CPUs of the host that are online", None, cpus.into())?;
        }
        self.states(encoder)?;
        let labelled = |domain: &Domain| {
            [("uuid", domain.uuid.to_string()), ("name", domain.name.clone()), ("id", domain.id.to_string())]
        };
        let mut family =
            encoder.encode_descriptor("xen_domain_state", "The state of a domain: 1", None, MetricType::Gauge)?;
        for domain in &self.domains {
            let [uuid, name, id] = labelled(domain);
            let labels = [uuid, name, id, ("state", domain.state.as_str().to_owned())];
            ConstGauge::new(1u64).encode(family.encode_family(&labels)?)?;
        }
        self.infos(encoder, ("xen_domain_memory", "Memory that a domain has"), Some(&Unit::Bytes), |info| {
            info.current_memory_kib.saturating_mul(KIB)
        })?;
        self.infos(encoder, ("xen_domain_max_memory", "Memory that a domain can have"), Some(&Unit::Bytes), |info| {
            info.max_memory_kib.saturating_mul(KIB)
        })?;
        self.infos(encoder, ("xen_domain_vcpus", "Virtual CPUs of a domain that are online"), None, |info| {
            info.vcpus_online.into()
        })?;
        let (name, help) = ("xen_domain_cpu", "Time that the virtual CPUs of a domain have run");
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        for (domain, info) in self.known() {
            ConstCounter::new(info.cpu_time.as_secs_f64()).encode(family.encode_family(&labelled(domain))?)?;
        }
        Ok(())
    }
}

impl Snapshot {
    /// How many domains there are of each state.
    fn states(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How many domains are in a state";
        let mut family = encoder.encode_descriptor("xen_domains", help, None, MetricType::Gauge)?;
        for state in State::ALL {
            let count = self.domains.iter().filter(|domain| domain.state == state).count() as u64;
            ConstGauge::new(count).encode(family.encode_family(&[("state", state.as_str())])?)?;
        }
        Ok(())
    }

    /// A number of each domain that was read.
    fn infos(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        unit: Option<&Unit>,
        number: impl Fn(&DomainInfo) -> u64,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (domain, info) in self.known() {
            let (uuid, id) = (domain.uuid.to_string(), domain.id.to_string());
            let labels = [("uuid", uuid.as_str()), ("name", &domain.name), ("id", &id)];
            ConstGauge::new(number(info)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// The domains that were read. A domain with the number of one that is gone is not taken for it.
    fn known(&self) -> impl Iterator<Item = (&Domain, &DomainInfo)> {
        self.domains.iter().filter_map(|domain| {
            let same = |info: &&DomainInfo| info.domid.get() == domain.id && info.uuid == domain.uuid;
            Some((domain, self.reading.infos.iter().find(same)?))
        })
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
    let value = ConstGauge::new(value);
    value.encode(encoder.encode_descriptor(name, help, unit, value.metric_type())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, zip};
    use smol::channel::bounded;

    #[test]
    fn a_reading_that_takes_too_long_stops_no_scrape_and_is_the_only_one() {
        let readings = Readings::default();
        let (sender, work) = bounded(1);
        let none = || panic!("one is at work already");
        let both = zip(readings.read(|| Some(work)), readings.read(none));
        let ((_, first), (_, second)) = block_on(both);
        assert!(!first && !second);
        sender.try_send(Ok(Reading { cpus: Some(8), ..Reading::default() })).unwrap();
        let (reading, is_new) = block_on(readings.read(none));
        assert_eq!((reading.cpus, is_new), (Some(8), true));
        assert!(!block_on(readings.read(|| None)).1);
    }
}
