//! The object of a domain.

use std::sync::Arc;

use uuid::Uuid;
use xenlight::types::Trigger;
use xenlight::{Ctx, DomainId, Operation};
use zbus::message::Header;
use zbus::{Connection, OwnedFd, OwnedObjectPath, interface};

use super::Service;
use crate::aside;
use crate::authority::Action;
use crate::devices::{self, Device};
use crate::domain::Domain;
use crate::failure::{Failure, JobError};
use crate::files;
use crate::job::{Job, Kind};
use crate::{reset, saving};

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
        self.operate(&header, bus, Kind::Pause, Ctx::pause).await
    }

    /// Lets its virtual CPUs run.
    #[zbus(out_args("job"))]
    async fn unpause(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.operate(&header, bus, Kind::Unpause, Ctx::unpause).await
    }

    /// Lets a suspended domain go on. One that a migration has left, named NAME--migratedaway or NAME--incoming, is refused with Unsettled: it
    /// may run on the other host. Once it is known that it does not, Rename it.
    #[zbus(out_args("job"))]
    async fn resume(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.operate(&header, bus, Kind::Resume, Ctx::resume).await
    }

    /// Asks it to power itself off. The job is done when it has acknowledged that, and fails after 60 s if it does not; State tells when it
    /// is off.
    #[zbus(out_args("job"))]
    async fn shutdown(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.operate(&header, bus, Kind::Shutdown, Ctx::shutdown).await
    }

    /// Asks it to shut down for a reboot, as Shutdown does. The service does not start it again: whoever created it with xl has a process
    /// that does.
    #[zbus(out_args("job"))]
    async fn reboot(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.operate(&header, bus, Kind::Reboot, Ctx::reboot).await
    }

    /// Presses its power button, for a system that knows nothing of Xen. Not every domain has one: PV and PVH domains have none.
    #[zbus(out_args("job"))]
    async fn press_power_button(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let press = |ctx: &Ctx, domid| ctx.press(domid, &Trigger::Power, 0);
        self.operate(&header, bus, Kind::PressPowerButton, press).await
    }

    /// Ends it at once, as Destroy does, and starts it again with the configuration that libxl has of it: with another Id, and what it has not
    /// written is lost. Xen has no reset button for a domain. It is not ended if a file of its configuration, such as the kernel, is gone
    /// (InvalidFile). Once it is being ended, Cancel has no effect. If the error of the job is AfterReset, the domain has ended, and what was to
    /// come then has failed: it is gone, or stands still. Whoever cares for its end, such as `xl`, does so no longer. One that is suspended is not
    /// reset: it may run elsewhere.
    #[zbus(out_args("job"))]
    async fn reset(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::Reset).await?;
        self.begin(&header, bus, start, reset::reset).await
    }

    /// Ends it at once, without its help. What it has not written is lost.
    #[zbus(out_args("job"))]
    async fn destroy(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        self.operate(&header, bus, Kind::Destroy, Ctx::destroy).await
    }

    /// Saves it to a file, in the format of `xl save`, from the file's present position on, and ends it; if it is to be kept, it goes on. If the
    /// save fails, it goes on as well, and the file is incomplete. If the error of the job is AfterSave, the file is complete, and what was to
    /// come then has failed: do not throw the file away. It has all that is in the domain's memory, and its configuration, with the
    /// passwords of its screens. One that stands still already is not saved.
    #[zbus(out_args("job"))]
    async fn save(
        &self,
        file: OwnedFd,
        keep: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::Save).await?;
        let file = files::checked(file.into(), files::answers).await?;
        self.begin(&header, bus, start, |job, ctx, domid| saving::save(job, ctx, domid, file, keep)).await
    }

    /// Migrates it to another host, where it goes on, over a pair of pipes or a socket: `to` is written to, `from` is read. At the other
    /// end is a ReceiveDomain of this service's, or `xl migrate-receive`. If live, it goes on here until most of its memory has been sent.
    ///
    /// What is sent is all that is in its memory, and its configuration; who is at the other end, and who else hears it, is the caller's
    /// business. Its disks are not sent: they must be there. It runs on one host at most, whatever fails: if the migration fails it goes on here,
    /// unless the error is Unsettled, whose text says where it is and what remains to be done.
    #[zbus(out_args("job"))]
    async fn migrate(
        &self,
        to: OwnedFd,
        from: OwnedFd,
        live: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::Migrate).await?;
        let to = files::checked(to.into(), files::is_connection).await?;
        let from = files::checked(from.into(), files::is_connection).await?;
        self.begin(&header, bus, start, |job, ctx, domid| saving::migrate(job, ctx, domid, (to, from), live)).await
    }

    /// Writes its memory to a regular file that is open for writing, as for a debugger; what was in the file is lost. Pause it before.
    ///
    /// libxl begins nothing else meanwhile.
    #[zbus(out_args("job"))]
    async fn dump(
        &self,
        file: OwnedFd,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::Dump).await?;
        let file = files::checked(file.into(), files::may_be_dumped_to).await?;
        self.begin(&header, bus, start, |job, ctx, domid| saving::dump(job, ctx, domid, file)).await
    }

    /// Gives it another name, which no other domain may have.
    async fn rename(&self, name: String, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.ask(&header, Action::Manage, move |ctx, domid| ctx.rename(domid, &name)).await
    }

    /// Asks it to have this much memory, in KiB. It gets there in its own time.
    async fn set_memory_target(&self, kib: u64, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.ask(&header, Action::Manage, move |ctx, domid| ctx.set_memory_target_kib(domid, kib, true)).await
    }

    /// Has it use this many of its virtual CPUs, the first ones. Its kernel, or its device model, has to cooperate: VcpusOnline tells.
    async fn set_vcpus_online(&self, count: u32, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        let domain = self.service.authorized(&header, Action::Manage, self.uuid).await?;
        let ctx = self.service.host.ctx()?;
        if count == 0 || count > domain.vcpus {
            return Err(Failure::InvalidArgument(format!("it has 1 to {} virtual CPUs", domain.vcpus)));
        }
        Ok(ctx.set_online_vcpus(DomainId::new(domain.id), &(0..count).collect()).await?)
    }

    /// Opens its console: a terminal that does not block. Whoever has it can type there, and reads what nobody else has read.
    #[zbus(out_args("console"))]
    async fn open_console(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedFd, Failure> {
        let console = self.ask(&header, Action::Console, Ctx::open_console).await?;
        Ok(std::os::fd::OwnedFd::from(console).into())
    }

    /// Where the VNC server of its screen listens: an address of this host, or 0.0.0.0 for all of them, and the TCP port. The port is 0 if it
    /// has no such screen, or not yet.
    ///
    /// Whoever gets there sees the screen and can type there, unless the server asks for a password. This does not tell the password: it is in
    /// the configuration, for those who may read that.
    #[zbus(out_args("address", "port"))]
    async fn get_screen(&self, #[zbus(header)] header: Header<'_>) -> Result<(String, u16), Failure> {
        let server = self.ask(&header, Action::Console, Ctx::vnc_server).await?;
        Ok(server.map(|server| (server.host, server.port)).unwrap_or_default())
    }

    /// The disks, network interfaces, PCI and USB devices that it has now, as `disks`, `nics`, `pcidevs` and `usbdevs` of libxl's JSON of a
    /// configuration.
    #[zbus(out_args("devices"))]
    async fn get_devices(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Failure> {
        self.ask(&header, Action::ReadConfiguration, devices::of_domain).await
    }

    /// Gives it a device: the only one in a text as that of GetDevices.
    ///
    /// A device names files and programs of the host that are used as root, so whoever may do this may do all.
    #[zbus(out_args("job"))]
    async fn attach_device(
        &self,
        device: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::AttachDevice).await?;
        let device = Device::read(device)?;
        self.begin(&header, bus, start, |job, ctx, domid| device.attach(job, ctx, domid)).await
    }

    /// Takes a device from it: the only one in a text as that of GetDevices, and just as told there. Its files stay as they are. From libxl 4.15
    /// on, a disk is taken only if the domain releases it within 10 s; any other device is taken then by force.
    #[zbus(out_args("job"))]
    async fn detach_device(
        &self,
        device: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::DetachDevice).await?;
        of_others(start.domid)?;
        let (device, ctx, domid) = (Device::read(device)?, start.ctx.clone(), start.domid);
        let found = aside::done(move || device.is_of(&ctx, domid).map(|is_there| is_there.then_some(device))).await??;
        let device = found.ok_or_else(|| Failure::InvalidArgument("the domain has no such device".to_owned()))?;
        self.begin(&header, bus, start, |job, ctx, domid| device.detach(job, ctx, domid)).await
    }

    /// Puts a disc into a drive of it, in place of the one that is there: the only one in `disks` of a text as that of GetDevices, with the drive
    /// as `vdev`, the image as `pdev_path`, and its `format`. libxl has drives for HVM domains only.
    ///
    /// The image is a file of the host that is opened as root.
    #[zbus(out_args("job"))]
    async fn insert_disc(
        &self,
        disc: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::InsertDisc).await?;
        let disc = Device::read_disc(disc)?;
        let work = |job: Arc<Job>, ctx: Arc<Ctx>, domid| async move { job.wait(ctx.insert_disc(domid, &disc)).await };
        self.begin(&header, bus, start, work).await
    }

    /// Takes the disc out of a drive of it, which is named as in its configuration, such as `hdc`.
    #[zbus(out_args("job"))]
    async fn eject_disc(
        &self,
        drive: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(&header, Kind::EjectDisc).await?;
        of_others(start.domid)?;
        let work = |job: Arc<Job>, ctx: Arc<Ctx>, domid| async move { job.wait(ctx.eject_disc(domid, &drive)).await };
        self.begin(&header, bus, start, work).await
    }

    /// Its configuration, as a file of xl's: xl.cfg(5).
    #[zbus(out_args("configuration"))]
    async fn get_configuration(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Failure> {
        let domain = self.service.authorized(&header, Action::ReadConfiguration, self.uuid).await?;
        let ctx = self.service.host.ctx()?;
        let asked = aside::done(move || ctx.followed_config(DomainId::new(domain.id)));
        let configuration = asked.await?.await?;
        configuration.to_xl().map_err(|unsayable| Failure::Unsupported(unsayable.to_string()))
    }
}

/// Whether a domain with this name may go on. These names are given by a migration, of this service or of `xl`; if it does not take them back,
/// the domain may run on the other host.
fn may_go_on(name: &str) -> Result<(), Failure> {
    let Some(own) = ["--migratedaway", "--incoming"].into_iter().find_map(|suffix| name.strip_suffix(suffix)) else {
        return Ok(());
    };
    Err(Failure::Unsettled(format!(
        "a migration has left {name:?}, and the domain may run on the other host. Look there: if it runs, destroy this one. If it does not, \
         destroy what there is of it there; after that, and not before, rename this one to {own:?} and let it go on"
    )))
}

/// Whether this domain can do without one of its devices: the host depends on those of domain 0.
fn of_others(domid: DomainId) -> Result<(), Failure> {
    match domid.get() {
        0 => Err(Failure::Protected("domain 0 keeps its devices: the host depends on them".to_owned())),
        _ => Ok(()),
    }
}

/// What a job begins with whose caller is authorized.
struct Start {
    kind: Kind,
    ctx: Arc<Ctx>,
    domid: DomainId,
}

impl DomainObject {
    fn read<T>(&self, property: impl FnOnce(Domain) -> T) -> zbus::fdo::Result<T> {
        let gone = |_| zbus::fdo::Error::UnknownObject(format!("the domain {} is gone", self.uuid));
        self.service.host.domain(self.uuid).map(property).map_err(gone)
    }

    async fn operate(
        &self,
        header: &Header<'_>,
        bus: &Connection,
        kind: Kind,
        operation: fn(&Ctx, DomainId) -> Operation<()>,
    ) -> Result<OwnedObjectPath, Failure> {
        let start = self.authorized(header, kind).await?;
        let work = move |job: Arc<Job>, ctx: Arc<Ctx>, domid| async move { job.wait(operation(&ctx, domid)).await };
        self.begin(header, bus, start, work).await
    }

    async fn authorized(&self, header: &Header<'_>, kind: Kind) -> Result<Start, Failure> {
        let domain = self.service.authorized(header, kind.action(), self.uuid).await?;
        Ok(Start { kind, ctx: self.service.host.ctx()?, domid: DomainId::new(domain.id) })
    }

    async fn begin<W, E>(
        &self,
        header: &Header<'_>,
        bus: &Connection,
        Start { kind, ctx, domid }: Start,
        work: impl FnOnce(Arc<Job>, Arc<Ctx>, DomainId) -> W,
    ) -> Result<OwnedObjectPath, Failure>
    where
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<JobError> + Send,
    {
        if kind.lets_go_on() {
            // While it is being migrated or received it has such a name, and Busy is the reason. Jobs::add looks again.
            self.service.jobs.is_free(kind, self.uuid)?;
            may_go_on(&self.service.host.domain(self.uuid)?.name)?;
        }
        self.service.begin(header, bus, kind, Some(self.uuid), |job| work(job, ctx, domid)).await
    }

    /// A call of libxl that returns at once, unless libxl's lock is taken.
    async fn ask<T: Send + 'static>(
        &self,
        header: &Header<'_>,
        action: Action,
        call: impl FnOnce(&Ctx, DomainId) -> Result<T, xenlight::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let domain = self.service.authorized(header, action, self.uuid).await?;
        let ctx = self.service.host.ctx()?;
        Ok(aside::done(move || call(&ctx, DomainId::new(domain.id))).await??)
    }
}
