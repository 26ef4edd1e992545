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
use crate::job::{Job, Stage};
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
        let (error, _) = named(&stage);
        let changed: HashMap<&str, Variant<'_>> = HashMap::from([
            ("State", stage.as_str().into()),
            ("Error", error.as_str().into()),
            ("Domain", domain(job).into()),
        ]);
        tell(&emitter, changed).await?;
        Self::ended(&emitter, stage.as_str(), &error).await
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

/// The name and the text of the error.
fn named(stage: &Stage) -> (String, String) {
    stage.failure().map(|failure| failure.named()).unwrap_or_default()
}

/// A long operation. Everybody sees that it has failed and of which kind the error is. Why, with libxl's words and the names of files, is told to
/// the user who has begun it, and to whoever may read configurations. Its object stays for a minute after the end; if it has failed and left something to be done (Unsettled, AfterSave, AfterReset, Unfinished),
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
        named(&self.job.stage()).0
    }

    /// The error for people, with libxl's words, and all that libxl has logged about it. Nothing if it has not failed. Who has not begun the job
    /// needs the authorization to read configurations.
    #[zbus(out_args("message", "words"))]
    async fn get_failure(&self, #[zbus(header)] header: Header<'_>) -> Result<(String, Vec<String>), Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        if !self.was_begun_by_sender(&header).await? {
            self.check(&header, Action::ReadConfiguration).await?;
        }
        let stage = self.job.stage();
        Ok((named(&stage).1, stage.words()))
    }

    /// Asks libxl to end it early, and returns at once. It can take long, and its own end may come first. It needs the authorization that the
    /// job needed.
    async fn cancel(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Failure> {
        self.check(&header, self.job.kind.action()).await?;
        self.job.cancel();
        Ok(self.state_changed(&emitter).await?)
    }

    /// Returns when it is done, or fails with its error. Who has not begun the job gets the error without its text.
    async fn wait(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.service.authority.check(&header, Action::Read, None).await?;
        let is_told = self.was_begun_by_sender(&header).await?;
        self.job.ended().await;
        let stage = self.job.stage();
        let failure = if is_told { stage.failure() } else { stage.failure_without_text() };
        failure.map_or(Ok(()), Err)
    }

    /// It has ended: the properties State and Error as they are now.
    #[zbus(signal)]
    async fn ended(emitter: &SignalEmitter<'_>, state: &str, error: &str) -> zbus::Result<()>;
}

impl JobObject {
    async fn was_begun_by_sender(&self, header: &Header<'_>) -> Result<bool, Failure> {
        Ok(self.service.authority.user(header).await? == self.job.user)
    }

    async fn check(&self, header: &Header<'_>, action: Action) -> Result<(), Failure> {
        let domain = self.job.uuid().and_then(|uuid| self.service.host.domain(uuid).ok());
        self.service.authority.check(header, action, domain.as_ref()).await
    }
}
