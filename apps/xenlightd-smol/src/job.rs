//! Long operations: each is an object that tells how it goes, and can be cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_lite::future::or;
use smol::channel::{Receiver, Sender, bounded};
use uuid::Uuid;
use xenlight::Operation;

use crate::authority::Action;
use crate::failure::Failure;

/// All jobs, those included that have ended and can still be asked for their result.
const MOST: usize = 256;

/// An operation of libxl, or several.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) uuid: Uuid,
    /// In microseconds since 1970.
    pub(crate) started: u64,
    stage: Mutex<Stage>,
    cancel: (Sender<()>, Receiver<()>),
    /// Closed at the end.
    ended: (Sender<()>, Receiver<()>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Pause,
    Unpause,
    Resume,
    Shutdown,
    Reboot,
    Destroy,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Resume => "resume",
            Self::Shutdown => "shutdown",
            Self::Reboot => "reboot",
            Self::Destroy => "destroy",
        }
    }

    /// What one has to be authorized for, to begin it and to cancel it.
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::Create => Action::Create,
            Self::Destroy => Action::Destroy,
            _ => Action::Manage,
        }
    }
}

/// How far it is.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Running,
    /// libxl has been asked to end it.
    Cancelling,
    Done,
    Failed(Arc<xenlight::Error>),
}

impl Stage {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Failed(error) if error.is_aborted() => "cancelled",
            Self::Failed(_) => "failed",
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }

    /// Of one that has failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        if let Self::Failed(error) = self { Some(Failure::from(&**error)) } else { None }
    }

    /// All lines of libxl's log about it.
    pub(crate) fn words(&self) -> Vec<String> {
        let Self::Failed(error) = self else { return Vec::new() };
        error.words().iter().map(|line| line.text.clone()).collect()
    }
}

impl Job {
    pub(crate) fn stage(&self) -> Stage {
        lock(&self.stage).clone()
    }

    /// Asks libxl to end it. Its own end may come first.
    pub(crate) fn cancel(&self) {
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Running) {
            *stage = Stage::Cancelling;
            // Holds the one that this is.
            let _ = self.cancel.0.try_send(());
        }
    }

    pub(crate) async fn ended(&self) {
        let _ = self.ended.1.recv().await;
    }

    /// Waits for the operation, and has libxl abort it if the job is cancelled.
    pub(crate) async fn wait<T>(&self, mut operation: Operation<T>) -> Result<T, xenlight::Error> {
        loop {
            let cancelled = async {
                let _ = self.cancel.1.recv().await;
                None
            };
            match or(async { Some((&mut operation).await) }, cancelled).await {
                Some(result) => return result,
                // Where libxl cannot, it ends by itself.
                None => _ = operation.abort(),
            }
        }
    }

    pub(crate) fn end(&self, result: Result<(), xenlight::Error>) {
        *lock(&self.stage) = result.map_or_else(|error| Stage::Failed(Arc::new(error)), |()| Stage::Done);
        self.ended.0.close();
    }
}

/// The jobs that have objects.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    last: u64,
    jobs: BTreeMap<u64, Arc<Job>>,
}

impl Jobs {
    /// A new one, and the number of the one that had to leave for it.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn add(&self, kind: Kind, uuid: Uuid) -> Result<(Arc<Job>, Option<u64>), Failure> {
        let mut numbered = lock(&self.0);
        let mut left = None;
        if numbered.jobs.len() >= MOST {
            let ended = numbered.jobs.values().find(|job| job.stage().has_ended()).map(|job| job.number);
            left = Some(ended.ok_or_else(|| Failure::Busy(format!("{MOST} jobs are in progress already")))?);
        }
        if let Some(left) = left {
            numbered.jobs.remove(&left);
        }
        numbered.last += 1;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let job = Arc::new(Job {
            number: numbered.last,
            kind,
            uuid,
            started: since_1970.as_micros().try_into().unwrap_or(u64::MAX),
            stage: Mutex::new(Stage::Running),
            cancel: bounded(1),
            ended: bounded(1),
        });
        numbered.jobs.insert(job.number, job.clone());
        Ok((job, left))
    }

    /// False if it had left already.
    pub(crate) fn remove(&self, number: u64) -> bool {
        lock(&self.0).jobs.remove(&number).is_some()
    }

    /// Those that have not ended.
    pub(crate) fn running(&self) -> Vec<Arc<Job>> {
        lock(&self.0).jobs.values().filter(|job| !job.stage().has_ended()).cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_has_ended_leaves_for_a_new_one_and_one_that_runs_does_not() {
        let jobs = Jobs::default();
        let first: Vec<_> = (0..MOST).map(|_| jobs.add(Kind::Pause, Uuid::nil()).unwrap().0).collect();
        assert!(matches!(jobs.add(Kind::Pause, Uuid::nil()), Err(Failure::Busy(_))));
        first[7].end(Ok(()));
        assert_eq!(jobs.add(Kind::Pause, Uuid::nil()).unwrap().1, Some(first[7].number));
        assert!(!jobs.remove(first[7].number));
        assert_eq!(jobs.running().len(), MOST);
    }
}
