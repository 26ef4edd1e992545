//! The object of the host.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;
use xenlight::DomainConfig;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, ObjectPath, OwnedObjectPath, Variant, interface};

use super::Service;
use crate::authority::Action;
use crate::failure::Failure;
use crate::job::{Job, Kind};
use crate::names;

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
        let job = self.service.begin(bus, Kind::Create, uuid, work).await?;
        Ok((job, names::domain(uuid), warnings))
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
