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
use smol::Executor;
use uuid::Uuid;
use zbus::message::Header;
use zbus::{Connection, OwnedObjectPath};

use crate::authority::{Action, Authority};
use crate::domain::Domain;
use crate::failure::Failure;
use crate::host::Host;
use crate::job::{Job, Jobs, Kind};
use crate::names;
use job::JobObject;

/// How long one can ask for the result of a job that has ended.
const RESULT: Duration = Duration::from_secs(60);

/// What all objects share.
pub(crate) struct Service {
    pub(crate) host: Arc<Host>,
    pub(crate) jobs: Jobs,
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
    /// There are too many.
    async fn begin<W>(
        self: &Arc<Self>,
        bus: &Connection,
        kind: Kind,
        uuid: Uuid,
        work: impl FnOnce(Arc<Job>) -> W,
    ) -> Result<OwnedObjectPath, Failure>
    where
        W: Future<Output = Result<(), xenlight::Error>> + Send + 'static,
    {
        let (job, left) = self.jobs.add(kind, uuid)?;
        let path = names::job(job.number);
        if let Some(left) = left {
            remove(bus, left).await?;
        }
        bus.object_server().at(&path, JobObject { job: job.clone(), service: self.clone() }).await?;
        let (work, service, bus) = (work(job.clone()), self.clone(), bus.clone());
        let whole = async move {
            job.end(work.await);
            // The bus may be gone; the job has ended all the same.
            let _ = JobObject::tell_end(&bus, &job).await;
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
