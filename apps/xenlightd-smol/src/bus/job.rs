//! The object of a job.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath, Variant, fdo, interface};

use super::Service;
use crate::authority::Action;
use crate::failure::Failure;
use crate::job::Job;
use crate::names;

pub(super) struct JobObject {
    pub(super) job: Arc<Job>,
    pub(super) service: Arc<Service>,
}

impl JobObject {
    /// Tells that it has ended: the properties first.
    pub(super) async fn tell_end(bus: &Connection, job: &Job) -> zbus::Result<()> {
        let emitter = SignalEmitter::new(bus, names::job(job.number))?;
        let stage = job.stage();
        let (error, message) = stage.failure().map(|failure| failure.named()).unwrap_or_default();
        let changed: HashMap<&str, Variant<'_>> = HashMap::from([
            ("State", stage.as_str().into()),
            ("Error", error.as_str().into()),
            ("Message", message.as_str().into()),
            ("Words", stage.words().into()),
            ("Domain", domain(job).into()),
        ]);
        tell(&emitter, changed).await?;
        Self::ended(&emitter, stage.as_str(), &error, &message).await
    }

    /// Tells how far it is, until it ends.
    pub(super) async fn tell_steps(bus: &Connection, job: &Job) -> zbus::Result<()> {
        let emitter = SignalEmitter::new(bus, names::job(job.number))?;
        while job.further().await {
            let step = job.step();
            let changed =
                [("Step", step.what.into()), ("Percent", step.percent.into()), ("Domain", domain(job).into())];
            tell(&emitter, HashMap::from(changed)).await?;
        }
        Ok(())
    }
}

async fn tell(emitter: &SignalEmitter<'_>, changed: HashMap<&str, Variant<'_>>) -> zbus::Result<()> {
    let interface = InterfaceName::from_static_str(names::JOB)?;
    fdo::Properties::properties_changed(emitter, interface, changed, [].as_slice().into()).await
}

fn domain(job: &Job) -> OwnedObjectPath {
    job.uuid().map_or_else(OwnedObjectPath::default, names::domain)
}

/// A long operation. Its object stays for a minute after the end; if it has failed and left something to be done (Unsettled, AfterSave, AfterReset, Unfinished),
/// until the service ends.
#[interface(name = "org.osevent.Xen1.Job")]
impl JobObject {
    /// What it does: create, pause, unpause, resume, shutdown, reboot, press-power-button, reset, destroy, save,
    /// restore, dump, migrate, receive, attach-device, detach-device, insert-disc or eject-disc.
    #[zbus(property(emits_changed_signal = "const"))]
    fn kind(&self) -> String {
        self.job.kind.as_str().to_owned()
    }

    /// The domain that it is about. There may be no object there yet, or no longer. "/" if it is not known, as until a restore is done, or
    /// the other host of a receipt has told.
    #[zbus(property)]
    fn domain(&self) -> OwnedObjectPath {
        domain(&self.job)
    }

    /// When it began, in microseconds since 1970.
    #[zbus(property(emits_changed_signal = "const"))]
    fn started(&self) -> u64 {
        self.job.started
    }

    /// How far it is: running, cancelling, done, failed or cancelled.
    #[zbus(property)]
    fn state(&self) -> String {
        self.job.stage().as_str().to_owned()
    }

    /// What libxl works at, in its words, such as Frames. It tells that of a save and a migration only; otherwise it is
    /// empty.
    #[zbus(property)]
    fn step(&self) -> String {
        self.job.step().what
    }

    /// How much of Step is done, from 0 to 100.
    #[zbus(property)]
    fn percent(&self) -> u8 {
        self.job.step().percent
    }

    /// The name of the error if it has failed or was cancelled, such as org.osevent.Xen1.Error.Libxl; empty otherwise.
    #[zbus(property)]
    fn error(&self) -> String {
        self.named().0
    }

    /// The error for people, with libxl's words.
    #[zbus(property)]
    fn message(&self) -> String {
        self.named().1
    }

    /// All that libxl has logged about the error.
    #[zbus(property)]
    fn words(&self) -> Vec<String> {
        self.job.stage().words()
    }

    /// Asks libxl to end it early, and returns at once. It can take long, and its own end may come first. It needs the authorization that the
    /// job needed.
    async fn cancel(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        let domain = self.job.uuid().and_then(|uuid| self.service.host.domain(uuid).ok());
        self.service.authority.check(&header, self.job.kind.action(), domain.as_ref()).await?;
        self.job.cancel();
        Ok(self.state_changed(&emitter).await?)
    }

    /// Returns when it is done, or fails with its error.
    async fn wait(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        self.job.ended().await;
        self.job.stage().failure().map_or(Ok(()), Err)
    }

    /// It has ended: the properties State, Error and Message as they are now.
    #[zbus(signal)]
    async fn ended(emitter: &SignalEmitter<'_>, state: &str, error: &str, message: &str) -> zbus::Result<()>;
}

impl JobObject {
    fn named(&self) -> (String, String) {
        self.job.stage().failure().map(|failure| failure.named()).unwrap_or_default()
    }
}
