//! The object of a domain.

use std::sync::Arc;

use uuid::Uuid;
use xenlight::{Ctx, DomainId, Operation};
use zbus::message::Header;
use zbus::{Connection, OwnedObjectPath, interface};

use super::Service;
use crate::aside;
use crate::authority::Action;
use crate::domain::Domain;
use crate::failure::Failure;
use crate::job::Kind;

pub(super) struct DomainObject {
    pub(super) uuid: Uuid,
    pub(super) service: Arc<Service>,
}

/// A domain. The object stands for its uuid: it stays the same when the domain is rebooted or migrated back, with another Id.
///
/// The properties can be read by everybody, since everybody gets the signals of their changes. A method that can take long returns the
/// object of a job at once.
#[interface(name = "org.osevent.Xen1.Domain")]
impl DomainObject {
    /// Its uuid. That of domain 0 has zeros only.
    #[zbus(property(emits_changed_signal = "const"))]
    fn uuid(&self) -> String {
        self.uuid.to_string()
    }

    /// Its number. Xen gives the number of a domain that is gone to another one, some time later.
    #[zbus(property)]
    fn id(&self) -> zbus::fdo::Result<u32> {
        self.read(|domain| domain.id)
    }

    /// Its name. Empty if it has none, which happens while it is being created or destroyed.
    #[zbus(property)]
    fn name(&self) -> zbus::fdo::Result<String> {
        self.read(|domain| domain.name)
    }

    /// Where it is in its life: making, running, paused, shutdown, suspended, crashed, dying or other.
    #[zbus(property)]
    fn state(&self) -> zbus::fdo::Result<String> {
        self.read(|domain| domain.state.as_str().to_owned())
    }

    /// Why it has shut down: poweroff, reboot, suspend, crash, watchdog, soft_reset, or "reason" with a number. Empty if it has not.
    #[zbus(property)]
    fn shutdown_reason(&self) -> zbus::fdo::Result<String> {
        self.read(|domain| domain.shutdown_reason)
    }

    /// How it is virtualized: pv, pvh or hvm.
    #[zbus(property)]
    fn kind(&self) -> zbus::fdo::Result<String> {
        self.read(|domain| domain.kind)
    }

    /// Its memory in KiB, as of the last change of anything else: it grows and shrinks in its own time, of which nothing tells.
    #[zbus(property)]
    fn memory_kib(&self) -> zbus::fdo::Result<u64> {
        self.read(|domain| domain.memory_kib)
    }

    /// The memory that it was asked to have, in KiB. 0 if it is not known.
    #[zbus(property)]
    fn memory_target_kib(&self) -> zbus::fdo::Result<u64> {
        self.read(|domain| domain.memory_target_kib)
    }

    /// The most memory that it can have, in KiB.
    #[zbus(property)]
    fn max_memory_kib(&self) -> zbus::fdo::Result<u64> {
        self.read(|domain| domain.max_memory_kib)
    }

    /// How many of its virtual CPUs are online.
    #[zbus(property)]
    fn vcpus_online(&self) -> zbus::fdo::Result<u32> {
        self.read(|domain| domain.vcpus_online)
    }

    /// How many virtual CPUs it has.
    #[zbus(property)]
    fn vcpus(&self) -> zbus::fdo::Result<u32> {
        self.read(|domain| domain.vcpus)
    }

    /// The number of its CPU pool.
    #[zbus(property)]
    fn cpu_pool(&self) -> zbus::fdo::Result<u32> {
        self.read(|domain| domain.cpupool)
    }

    /// Stops its virtual CPUs.
    #[zbus(out_args("job"))]
    async fn pause(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.begin(&header, bus, Kind::Pause, Ctx::pause).await
    }

    /// Lets its virtual CPUs run.
    #[zbus(out_args("job"))]
    async fn unpause(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.begin(&header, bus, Kind::Unpause, Ctx::unpause).await
    }

    /// Lets a suspended domain go on.
    #[zbus(out_args("job"))]
    async fn resume(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.begin(&header, bus, Kind::Resume, Ctx::resume).await
    }

    /// Asks it to power itself off. The job is done when it has acknowledged that, and fails after 60 s if it does not; State tells when it
    /// is off.
    #[zbus(out_args("job"))]
    async fn shutdown(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.begin(&header, bus, Kind::Shutdown, Ctx::shutdown).await
    }

    /// Asks it to shut down for a reboot, as Shutdown does. The service does not start it again: whoever created it with xl has a process
    /// that does.
    #[zbus(out_args("job"))]
    async fn reboot(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.begin(&header, bus, Kind::Reboot, Ctx::reboot).await
    }

    /// Ends it at once, without its help. What it has not written is lost.
    #[zbus(out_args("job"))]
    async fn destroy(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.begin(&header, bus, Kind::Destroy, Ctx::destroy).await
    }

    /// Gives it another name, which no other domain may have.
    async fn rename(&self, name: String, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.ask(&header, move |ctx, domid| ctx.rename(domid, &name)).await
    }

    /// Asks it to have this much memory, in KiB. It gets there in its own time.
    async fn set_memory_target(&self, kib: u64, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.ask(&header, move |ctx, domid| ctx.set_memory_target_kib(domid, kib, true)).await
    }

    /// Its configuration, as a file of xl's: xl.cfg(5).
    #[zbus(out_args("configuration"))]
    async fn get_configuration(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Failure> {
        let domain = self.service.authorized(&header, Action::ReadConfiguration, self.uuid).await?;
        let ctx = self.service.host.ctx()?;
        let configuration = ctx.config(DomainId::new(domain.id)).await?;
        configuration.to_xl().map_err(|unsayable| Failure::Unsupported(unsayable.to_string()))
    }
}

impl DomainObject {
    fn read<T>(&self, property: impl FnOnce(Domain) -> T) -> zbus::fdo::Result<T> {
        let gone = |_| zbus::fdo::Error::UnknownObject(format!("the domain {} is gone", self.uuid));
        self.service.host.domain(self.uuid).map(property).map_err(gone)
    }

    async fn begin(
        &self,
        header: &Header<'_>,
        bus: &Connection,
        kind: Kind,
        operation: fn(&Ctx, DomainId) -> Operation<()>,
    ) -> Result<OwnedObjectPath, Failure> {
        let domain = self.service.authorized(header, kind.action(), self.uuid).await?;
        let ctx = self.service.host.ctx()?;
        let work = |job: Arc<crate::job::Job>| async move { job.wait(operation(&ctx, DomainId::new(domain.id))).await };
        self.service.begin(bus, kind, self.uuid, work).await
    }

    /// A call of libxl that returns at once, unless libxl's lock is taken.
    async fn ask(
        &self,
        header: &Header<'_>,
        call: impl FnOnce(&Ctx, DomainId) -> Result<(), xenlight::Error> + Send + 'static,
    ) -> Result<(), Failure> {
        let domain = self.service.authorized(header, Action::Manage, self.uuid).await?;
        let ctx = self.service.host.ctx()?;
        let done = aside::begin(move || call(&ctx, DomainId::new(domain.id)));
        Ok(done.recv().await.map_err(|_| Failure::Failed(aside::NO_RESULT.to_owned()))??)
    }
}
