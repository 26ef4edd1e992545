//! The object of the host.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;
use xenlight::{Ctx, DomainConfig, DomainInfo};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, ObjectPath, OwnedFd, OwnedObjectPath, Variant, interface};

use super::Service;
use crate::aside;
use crate::authority::Action;
use crate::devices;
use crate::failure::Failure;
use crate::files;
use crate::job::{Job, Kind};
use crate::journal::{Event, Page};
use crate::machine::{self, Description};
use crate::names;
use crate::saving;

pub(crate) struct Manager {
    pub(crate) service: Arc<Service>,
}

/// The host. Its object is an org.freedesktop.DBus.ObjectManager, too: GetManagedObjects lists the domains, with all their properties.
///
/// The signals of this interface tell the life of all domains in one place. They come after those of the standard interfaces
/// (InterfacesAdded, PropertiesChanged, InterfacesRemoved) that tell the same.
#[interface(name = "org.osevent.Xen1.Manager")]
impl Manager {
    /// The version of this service.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// Whether there is a connection to Xen. If not, the domains are those that were known last, and it is tried again and again.
    #[zbus(property)]
    fn available(&self) -> bool {
        self.service.host.availability().trouble.is_empty()
    }

    /// Why there is no connection to Xen; empty if there is one.
    #[zbus(property)]
    fn trouble(&self) -> String {
        self.service.host.availability().trouble
    }

    /// The version of the running hypervisor; empty if none was found yet.
    #[zbus(property)]
    fn xen_version(&self) -> String {
        self.service.host.availability().xen_version
    }

    /// The release of libxl, which can differ.
    #[zbus(property)]
    fn libxl_version(&self) -> String {
        self.service.host.availability().libxl_version
    }

    /// The living domain with this name.
    #[zbus(out_args("domain"))]
    async fn find_domain(&self, name: &str, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath, Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        let mut domains = self.service.host.domains().into_iter();
        let found = domains.find(|domain| domain.is_living() && domain.name == name);
        let found = found.ok_or_else(|| Failure::NoSuchDomain(format!("there is no domain with the name {name:?}")))?;
        Ok(names::domain(found.uuid))
    }

    /// Has all domains read again soon, for what nothing tells: that another program has paused or unpaused one. What has changed is told by
    /// the signals.
    async fn refresh(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        self.service.host.refresh();
        Ok(())
    }

    /// The processor time that each domain has used since it was created, in nanoseconds, by the number of the domain.
    #[zbus(out_args("times"))]
    async fn read_processor_times(&self, #[zbus(header)] header: Header<'_>) -> Result<HashMap<u32, u64>, Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        let domains = self.ask(Ctx::domains).await?;
        let time = |domain: DomainInfo| u64::try_from(domain.cpu_time.as_nanos()).unwrap_or(u64::MAX);
        Ok(domains.into_iter().map(|domain| (domain.domid.get(), time(domain))).collect())
    }

    /// What the host is and has, as of now: the versions of Xen and libxl (`XenVersion`, `LibxlVersion`), what Xen was booted with (`CommandLine`),
    /// the `Scheduler`; the processors (`Cpus`, `CpuKhz`, `CoresPerSocket`, `ThreadsPerCore`) and NUMA nodes (`Nodes`); the memory
    /// (`MemoryKib`, `FreeMemoryKib`); which kinds of domains can run (`Kinds`), and whether devices can be given to domains (`HasIommu`). The
    /// numbers are of type u, those of memory t, `Kinds` is of type as, `HasIommu` b. More may be added.
    #[zbus(out_args("host"))]
    async fn read_host(&self, #[zbus(header)] header: Header<'_>) -> Result<Description, Failure> {
        self.service.authority.check(&header, Action::ReadHost, None).await?;
        self.ask(machine::describe).await
    }

    /// The PCI devices of this host that can be given to a domain, as `pcidevs` of libxl's JSON of a configuration. Those that a domain has
    /// are not among them, nor those that the host uses.
    #[zbus(out_args("devices"))]
    async fn read_assignable_pci(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Failure> {
        self.service.authority.check(&header, Action::ReadHost, None).await?;
        self.ask(devices::assignable_pci).await
    }

    /// The events after the one with the number `after`, oldest first, 256 at most: ask again after the last one. They are numbered from 1 on
    /// since the service has started, which has another `instance` with each start; what is asked for with another instance, or with none, is
    /// all from 1 on. An event is there before the signal that tells the same.
    ///
    /// 4096 events are kept. If others would have come before, `lost` is their number: list the domains anew then. That list is as of `latest`, the
    /// number of the last event, or somewhat later.
    ///
    /// The signals have no numbers. So let them be a reason to read, and do not apply both.
    ///
    /// An event has its number, its time in microseconds since 1970, what it is (appeared, changed, gone, available or unavailable), the uuid,
    /// the number, the name and the state of its domain, and the properties that have changed.
    #[zbus(out_args("instance", "lost", "latest", "events"))]
    async fn read_events(
        &self,
        instance: &str,
        after: u64,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u64, u64, Vec<Event>), Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        let Page { lost, latest, events } = self.service.journal.read(instance, after);
        Ok((self.service.journal.instance.clone(), lost, latest, events))
    }

    /// Creates a domain from the text of a configuration file of xl's, xl.cfg(5), and lets it run unless it is to stay paused. Warnings tell of
    /// keys that are not known or have no effect. The object of the domain is there once Xen has it.
    ///
    /// A configuration names files and programs of the host that are used as root, so whoever may do this may do all.
    #[zbus(out_args("job", "domain", "warnings"))]
    async fn create_domain(
        &self,
        configuration: &str,
        paused: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(OwnedObjectPath, OwnedObjectPath, Vec<String>), Failure> {
        self.service.authority.check(&header, Action::Create, None).await?;
        let invalid = |error: xenlight::types::XlError| Failure::InvalidConfiguration(error.to_string());
        let file = DomainConfig::from_xl(configuration).map_err(invalid)?;
        let warnings = file.warnings.iter().map(ToString::to_string).collect();
        let mut config = file.config;
        // So that the domain's object is known before there is one.
        let uuid = *config.create_info.uuid.get_or_insert_with(Uuid::new_v4);
        let ctx = self.service.host.ctx()?;
        let work = |job: Arc<Job>| async move {
            let domid = job.wait(ctx.create(&config)).await?;
            if paused { Ok(()) } else { job.wait(ctx.unpause(domid)).await }
        };
        let job = self.service.begin(&header, bus, Kind::Create, Some(uuid), work).await?;
        Ok((job, names::domain(uuid), warnings))
    }

    /// Restores a domain from a file that Save or `xl save` has written, and lets it run unless it is to stay paused. The file is read from
    /// its present position on.
    ///
    /// It has a configuration, which names files and programs of the host that are used as root, so whoever may do this may do all.
    #[zbus(out_args("job"))]
    async fn restore_domain(
        &self,
        file: OwnedFd,
        paused: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.service.authority.check(&header, Action::Restore, None).await?;
        let (file, ctx) = (file.into(), self.service.host.ctx()?);
        let file = files::checked(file, files::answers).await?;
        let work = |job| saving::restore(job, ctx, file, paused);
        self.service.begin(&header, bus, Kind::Restore, None, work).await
    }

    /// Receives a domain from another host, over a pair of pipes or a socket, and lets it run unless it is to stay paused. The other end
    /// is that of a Migrate of this service's, or of `xl migrate`. If it fails, nothing of the domain is left here, unless the error is
    /// Unsettled.
    ///
    /// The other host sends a configuration, which names files and programs of this one that are used as root, so whoever may do this may do
    /// all, and so may the other host.
    #[zbus(out_args("job"))]
    async fn receive_domain(
        &self,
        from: OwnedFd,
        to: OwnedFd,
        paused: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.service.authority.check(&header, Action::Receive, None).await?;
        let (from, to) = (from.into(), to.into());
        let from = files::checked(from, files::is_connection).await?;
        let to = files::checked(to, files::is_connection).await?;
        let ctx = self.service.host.ctx()?;
        let work = |job| saving::receive(job, ctx, (from, to), paused);
        self.service.begin(&header, bus, Kind::Receive, None, work).await
    }

    /// A domain is there, for instance because it is being created. When the service starts, it tells of each.
    #[zbus(signal)]
    pub(super) async fn domain_appeared(
        emitter: &SignalEmitter<'_>,
        domain: ObjectPath<'_>,
        uuid: &str,
        id: u32,
        name: &str,
        state: &str,
    ) -> zbus::Result<()>;

    /// A domain has changed: how it is now, and the new values of its properties that are others than before.
    #[zbus(signal)]
    pub(super) async fn domain_changed(
        emitter: &SignalEmitter<'_>,
        domain: ObjectPath<'_>,
        uuid: &str,
        id: u32,
        name: &str,
        state: &str,
        changed: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<()>;

    /// A domain is gone: how it was last. If that was making, its creation has failed.
    #[zbus(signal)]
    pub(super) async fn domain_gone(
        emitter: &SignalEmitter<'_>,
        domain: ObjectPath<'_>,
        uuid: &str,
        id: u32,
        name: &str,
        state: &str,
    ) -> zbus::Result<()>;
}

impl Manager {
    /// A question to libxl, which may wait for its lock.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Ctx) -> Result<T, xenlight::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let ctx = self.service.host.ctx()?;
        Ok(aside::done(move || question(&ctx)).await??)
    }
}
