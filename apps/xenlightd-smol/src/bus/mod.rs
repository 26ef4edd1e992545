//! The objects on the bus.

mod domain;
mod job;
mod manager;
mod publish;

pub(crate) use manager::Manager;
pub(crate) use publish::publish;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::zip;
use smol::Executor;
use uuid::Uuid;
use zbus::message::Header;
use zbus::{Connection, OwnedObjectPath};

use crate::authority::{Action, Authority};
use crate::domain::Domain;
use crate::failure::{Failure, JobError};
use crate::host::Host;
use crate::job::{Job, Jobs, Kind};
use crate::journal::Journal;
use crate::names;
use job::JobObject;

/// How long one can ask for the result of a job that has ended, unless it leaves something to be done: then until the service ends.
const RESULT: Duration = Duration::from_secs(60);

/// What all objects share.
pub(crate) struct Service {
    pub(crate) host: Arc<Host>,
    pub(crate) jobs: Jobs,
    pub(crate) journal: Journal,
    pub(crate) authority: Authority,
    pub(crate) executor: Arc<Executor<'static>>,
}

impl Service {
    /// The domain as it is once the caller was found to be authorized, which can take minutes.
    ///
    /// # Errors
    /// It is gone, or the caller is not authorized.
    async fn authorized(&self, header: &Header<'_>, action: Action, uuid: Uuid) -> Result<Domain, Failure> {
        let domain = self.host.domain(uuid)?;
        self.authority.check(header, action, Some(&domain)).await?;
        self.host.domain(uuid)
    }

    /// Begins a job, of which the caller gets the path. Whoever calls has been authorized.
    ///
    /// # Errors
    /// Those of [`Jobs::add`].
    async fn begin<W, E>(
        self: &Arc<Self>,
        header: &Header<'_>,
        bus: &Connection,
        kind: Kind,
        uuid: Option<Uuid>,
        work: impl FnOnce(Arc<Job>) -> W,
    ) -> Result<OwnedObjectPath, Failure>
    where
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<JobError> + Send,
    {
        let user = self.authority.user(header).await?;
        let (job, left) = self.jobs.add(kind, uuid, user)?;
        let path = names::job(job.number);
        if let Some(left) = left {
            // Whether it was there or not, it has left.
            let _ = remove(bus, left).await;
        }
        let object = JobObject { job: job.clone(), service: self.clone() };
        if let Err(error) = bus.object_server().at(&path, object).await {
            self.jobs.remove(job.number);
            return Err(error.into());
        }
        let (work, service, bus) = (work(job.clone()), self.clone(), bus.clone());
        let whole = async move {
            // The bus may be gone; the job ends all the same.
            let _ = zip(async { job.end(work.await.map_err(Into::into)) }, JobObject::tell_steps(&bus, &job)).await;
            let unsettled = job.stage().failure().filter(Failure::leaves_work);
            if let Some(failure) = &unsettled {
                // Its client may have left, and nobody else has heard of it.
                eprintln!("xenlightd: {} failed, by job {}: {}", job.kind.as_str(), job.number, failure.named().1);
            }
            let _ = JobObject::tell_end(&bus, &job).await;
            if unsettled.is_some() {
                return;
            }
            Timer::after(RESULT).await;
            if service.jobs.remove(job.number) {
                let _ = remove(&bus, job.number).await;
            }
        };
        self.executor.spawn(whole).detach();
        Ok(path)
    }
}

async fn remove(bus: &Connection, job: u64) -> zbus::Result<()> {
    bus.object_server().remove::<JobObject, _>(&names::job(job)).await.map(drop)
}
