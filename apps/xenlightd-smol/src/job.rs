//! Long operations: each is an object that tells how it goes, and can be cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_lite::StreamExt;
use futures_lite::future::{or, zip};
use smol::channel::{Receiver, Sender, bounded};
use uuid::Uuid;
use xenlight::{Operation, Progress};

use crate::authority::Action;
use crate::failure::{Failure, JobError};
use crate::journal::now_us;

/// All jobs, those included that have ended and can still be asked for their result.
const MOST: usize = 256;

/// And so many more that destroy, which has to stay possible whatever else does not end.
const MORE_TO_DESTROY: usize = 64;

/// Of these, one user can have this part in progress. Not one connection: of these, anybody can have many.
const PART_OF_ONE: usize = 4;

/// An operation of libxl, or several.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    /// The number of the user who has begun it.
    pub(crate) user: u32,
    /// Unset until it is known.
    uuid: OnceLock<Uuid>,
    /// In microseconds since 1970.
    pub(crate) started: u64,
    stage: Mutex<Stage>,
    step: Mutex<Step>,
    /// Has one if the step has come further than was told. Closed at the end.
    further: (Sender<()>, Receiver<()>),
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
    PressPowerButton,
    Reset,
    Destroy,
    Save,
    Restore,
    Dump,
    Migrate,
    Receive,
    AttachDevice,
    DetachDevice,
    InsertDisc,
    EjectDisc,
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
            Self::PressPowerButton => "press-power-button",
            Self::Reset => "reset",
            Self::Destroy => "destroy",
            Self::Save => "save",
            Self::Restore => "restore",
            Self::Dump => "dump",
            Self::Migrate => "migrate",
            Self::Receive => "receive",
            Self::AttachDevice => "attach-device",
            Self::DetachDevice => "detach-device",
            Self::InsertDisc => "insert-disc",
            Self::EjectDisc => "eject-disc",
        }
    }

    /// What one has to be authorized for, to begin it and to cancel it.
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::Create => Action::Create,
            Self::Reset | Self::Destroy => Action::Destroy,
            Self::Save => Action::Save,
            Self::Restore => Action::Restore,
            Self::Dump => Action::Dump,
            Self::Migrate => Action::Migrate,
            Self::Receive => Action::Receive,
            Self::AttachDevice | Self::InsertDisc => Action::Attach,
            _ => Action::Manage,
        }
    }

    /// What it does, if there are two of the domain meanwhile: it is suspended in order to be elsewhere, comes from elsewhere, or ends in order to
    /// be made anew. Its configuration is that of the beginning.
    const fn doubles(self) -> Option<&'static str> {
        match self {
            Self::Save => Some("saved"),
            Self::Migrate => Some("migrated"),
            Self::Receive => Some("received"),
            Self::Reset => Some("reset"),
            _ => None,
        }
    }

    /// Whether it would let a domain go on, here or elsewhere. One of two must not.
    pub(crate) const fn lets_go_on(self) -> bool {
        matches!(self, Self::Resume | Self::Unpause | Self::Reset | Self::Save | Self::Migrate)
    }

    const fn changes_devices(self) -> bool {
        matches!(self, Self::AttachDevice | Self::DetachDevice | Self::InsertDisc | Self::EjectDisc)
    }

    /// What keeps this from beginning while the other one is in progress with the same domain.
    fn waits_for(self, other: Self) -> Option<String> {
        match other.doubles() {
            Some(how) if self.lets_go_on() || self.changes_devices() => Some(format!("the domain is being {how}")),
            None if self.doubles().is_some() && other.changes_devices() => {
                Some("its devices are being changed".to_owned())
            }
            _ => None,
        }
    }
}

/// What libxl works at, in its words, and how much of that is done, from 0 to 100. Nothing if it has not told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) what: String,
    pub(crate) percent: u8,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Running,
    /// libxl has been asked to end it.
    Cancelling,
    Done,
    Failed(Arc<JobError>),
}

impl Stage {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Failed(error) => match &**error {
                JobError::Xen(error) if error.is_aborted() => "cancelled",
                _ => "failed",
            },
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }

    /// Whether it has failed, and somebody has to look after a domain.
    pub(crate) fn leaves_work(&self) -> bool {
        self.failure().is_some_and(|failure| failure.leaves_work())
    }

    /// Of one that has failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        if let Self::Failed(error) = self { Some(Failure::from(&**error)) } else { None }
    }

    /// The same for whom its words are not.
    pub(crate) fn failure_without_text(&self) -> Option<Failure> {
        if let Self::Failed(error) = self { Some(error.without_text()) } else { None }
    }

    /// All lines of libxl's log about it.
    pub(crate) fn words(&self) -> Vec<String> {
        let Self::Failed(error) = self else { return Vec::new() };
        let (JobError::Xen(error)
        | JobError::AfterSave { reason: error, .. }
        | JobError::AfterReset { reason: error, .. }) = &**error;
        error.words().iter().map(|line| line.text.clone()).collect()
    }
}

impl Job {
    pub(crate) fn stage(&self) -> Stage {
        lock(&self.stage).clone()
    }

    pub(crate) fn step(&self) -> Step {
        lock(&self.step).clone()
    }

    /// Returns when the step has come further, or false when there is nothing more to come.
    pub(crate) async fn further(&self) -> bool {
        self.further.1.recv().await.is_ok()
    }

    /// The domain that it is about, once that is known.
    pub(crate) fn uuid(&self) -> Option<Uuid> {
        self.uuid.get().copied()
    }

    pub(crate) fn is_about(&self, uuid: Uuid) {
        // It is about one only.
        let _ = self.uuid.set(uuid);
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

    /// Waits for the operation, keeps its steps, and has libxl abort it if the job is cancelled or was.
    pub(crate) async fn wait<T>(&self, operation: Operation<T>) -> Result<T, xenlight::Error> {
        let mut reports = operation.progress();
        let steps = async {
            while let Some(report) = reports.next().await {
                match report {
                    Progress::Step { what, percent } => *lock(&self.step) = Step { what, percent },
                    Progress::Receiving(uuid) => self.is_about(uuid),
                    _ => continue,
                }
                // If one waits to be told already, that will do.
                let _ = self.further.0.try_send(());
            }
        };
        zip(self.end_of(operation), steps).await.0
    }

    async fn end_of<T>(&self, mut operation: Operation<T>) -> Result<T, xenlight::Error> {
        // Where libxl cannot, it ends by itself.
        if matches!(self.stage(), Stage::Cancelling) {
            let _ = operation.abort();
        }
        loop {
            let cancelled = async {
                let _ = self.cancel.1.recv().await;
                None
            };
            match or(async { Some((&mut operation).await) }, cancelled).await {
                Some(result) => return result,
                None => _ = operation.abort(),
            }
        }
    }

    pub(crate) fn end(&self, result: Result<(), JobError>) {
        *lock(&self.stage) = result.map_or_else(|error| Stage::Failed(Arc::new(error)), |()| Stage::Done);
        self.further.0.close();
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
    is_closed: bool,
}

impl Numbered {
    fn running(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.values().filter(|job| !job.stage().has_ended())
    }

    fn is_free(&self, kind: Kind, uuid: Uuid) -> Result<(), Failure> {
        let of_domain = self.running().filter(|job| job.uuid() == Some(uuid));
        match of_domain.filter_map(|job| Some((job.number, kind.waits_for(job.kind)?))).next() {
            Some((number, why)) => Err(Failure::Busy(format!("{why}, by job {number}"))),
            None => Ok(()),
        }
    }
}

impl Jobs {
    /// # Errors
    /// The domain is being saved, migrated, received or reset, and this would let it go on or change its devices; or its devices are being changed,
    /// and it is to be saved, migrated or reset.
    pub(crate) fn is_free(&self, kind: Kind, uuid: Uuid) -> Result<(), Failure> {
        lock(&self.0).is_free(kind, uuid)
    }

    /// A new one, and the number of the one that had to leave for it.
    ///
    /// # Errors
    /// There are too many, the service is about to end, or as [`is_free`](Self::is_free).
    pub(crate) fn add(&self, kind: Kind, uuid: Option<Uuid>, user: u32) -> Result<(Arc<Job>, Option<u64>), Failure> {
        let mut numbered = lock(&self.0);
        if numbered.is_closed {
            return Err(Failure::Busy("the service is about to end".to_owned()));
        }
        if let Some(uuid) = uuid {
            numbered.is_free(kind, uuid)?;
        }
        let mut left = None;
        let most = if kind == Kind::Destroy { MOST + MORE_TO_DESTROY } else { MOST };
        let most_of_one = most / PART_OF_ONE;
        if numbered.running().filter(|job| job.user == user).count() >= most_of_one {
            return Err(Failure::Busy(format!("{most_of_one} jobs of yours are in progress already")));
        }
        if numbered.jobs.len() >= most {
            let ended = numbered.jobs.values().filter(|job| job.stage().has_ended());
            // Those that somebody has to know of are the last to leave.
            let ended = ended.min_by_key(|job| (job.stage().leaves_work(), job.number)).map(|job| job.number);
            left = Some(ended.ok_or_else(|| Failure::Busy(format!("{most} jobs are in progress already")))?);
        }
        if let Some(left) = left {
            numbered.jobs.remove(&left);
        }
        numbered.last += 1;
        let job = Arc::new(Job {
            number: numbered.last,
            kind,
            user,
            uuid: uuid.map(OnceLock::from).unwrap_or_default(),
            started: now_us(),
            stage: Mutex::new(Stage::Running),
            step: Mutex::default(),
            further: bounded(1),
            cancel: bounded(1),
            ended: bounded(1),
        });
        numbered.jobs.insert(job.number, job.clone());
        Ok((job, left))
    }

    /// Takes no more.
    pub(crate) fn close(&self) {
        lock(&self.0).is_closed = true;
    }

    /// False if it had left already.
    pub(crate) fn remove(&self, number: u64) -> bool {
        lock(&self.0).jobs.remove(&number).is_some()
    }

    /// Returns when all have ended that are there.
    pub(crate) async fn all_ended(&self) {
        for job in self.running() {
            job.ended().await;
        }
    }

    /// Those that have not ended.
    pub(crate) fn running(&self) -> Vec<Arc<Job>> {
        lock(&self.0).running().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xenlight::{Code, Error, MigrationState, MigrationStep, Words};

    const ONE: u32 = 1000;
    const DEVICES: [Kind; 4] = [Kind::AttachDevice, Kind::DetachDevice, Kind::InsertDisc, Kind::EjectDisc];

    #[test]
    fn a_cancelled_migration_that_leaves_something_to_be_done_has_failed() {
        let cancelled = |state| {
            let (code, words) = (Code(-22), Words::default());
            let reason = Box::new(Error::Libxl { doing: "migrate it", code, words, refusal: None });
            let stage = Stage::Failed(Arc::new(Error::Migration { step: MigrationStep::Report, state, reason }.into()));
            (stage.as_str(), stage.failure())
        };
        assert!(matches!(cancelled(MigrationState::AtSource), ("cancelled", Some(Failure::Cancelled(_)))));
        let unknown = MigrationState::Unknown { name: "web--migratedaway".to_owned() };
        assert!(matches!(cancelled(unknown), ("failed", Some(Failure::Unsettled(_)))));
    }

    #[test]
    fn one_that_has_ended_leaves_for_a_new_one_and_one_that_runs_does_not() {
        let jobs = Jobs::default();
        let of = |user: usize| user.try_into().unwrap();
        let first: Vec<_> = (0..MOST).map(|count| jobs.add(Kind::Pause, None, of(count)).unwrap().0).collect();
        assert!(matches!(jobs.add(Kind::Pause, None, ONE), Err(Failure::Busy(_))));
        let reason = Error::Libxl { doing: "destroy it", code: Code(-3), words: Words::default(), refusal: None };
        first[5].end(Err(JobError::AfterSave { keep: false, reason }));
        first[7].end(Ok(()));
        assert_eq!(jobs.add(Kind::Pause, None, ONE).unwrap().1, Some(first[7].number));
        assert!(!jobs.remove(first[7].number));
        assert_eq!(jobs.running().len(), MOST - 1);
        assert_eq!(jobs.add(Kind::Destroy, None, ONE).unwrap().1, None, "destroying stays possible");
        assert_eq!(jobs.add(Kind::Pause, None, ONE).unwrap().1, Some(first[5].number));
    }

    #[test]
    fn a_user_leaves_jobs_to_others_and_some_to_destroy_to_itself() {
        let jobs = Jobs::default();
        let add = |kind, user| jobs.add(kind, None, user);
        let first = add(Kind::Pause, ONE).unwrap().0;
        (1..MOST / PART_OF_ONE).for_each(|_| drop(add(Kind::Pause, ONE).unwrap()));
        assert!(matches!(add(Kind::Pause, ONE), Err(Failure::Busy(_))));
        assert!(add(Kind::Destroy, ONE).is_ok());
        assert!(add(Kind::Pause, ONE + 1).is_ok());
        first.end(Ok(()));
        // One of them is the one to destroy.
        assert!(matches!(add(Kind::Pause, ONE), Err(Failure::Busy(_))));
        jobs.running()[1].end(Ok(()));
        assert!(add(Kind::Pause, ONE).is_ok());
    }

    #[test]
    fn nothing_lets_a_domain_go_on_of_which_there_are_two() {
        for taking in [Kind::Save, Kind::Migrate, Kind::Receive, Kind::Reset] {
            let (jobs, taken) = (Jobs::default(), Uuid::new_v4());
            let (job, _) = jobs.add(taking, None, ONE).unwrap();
            assert!(jobs.add(Kind::Pause, Some(taken), ONE).is_ok());
            // Of a receipt it is known once the other side has told.
            job.is_about(taken);
            let of_one = [Kind::Save, Kind::Migrate, Kind::Resume, Kind::Unpause, Kind::Reset];
            // The configuration that it has elsewhere, or anew, is that of the beginning.
            for kind in of_one.into_iter().chain(DEVICES) {
                assert!(matches!(jobs.add(kind, Some(taken), ONE), Err(Failure::Busy(_))), "{kind:?}");
                assert!(jobs.add(kind, Some(Uuid::new_v4()), ONE).is_ok(), "{kind:?}");
            }
            assert!(jobs.add(Kind::Destroy, Some(taken), ONE).is_ok());
            assert!(jobs.add(Kind::Restore, None, ONE).is_ok());
            job.end(Ok(()));
            assert!(jobs.add(Kind::Resume, Some(taken), ONE).is_ok());
        }
    }

    #[test]
    fn a_domain_whose_devices_change_does_not_leave() {
        for changing in DEVICES {
            let (jobs, changed) = (Jobs::default(), Some(Uuid::new_v4()));
            let (job, _) = jobs.add(changing, changed, ONE).unwrap();
            for kind in [Kind::Save, Kind::Migrate, Kind::Reset] {
                let refused = jobs.add(kind, changed, ONE).err().unwrap();
                assert!(refused.named().1.contains("its devices are being changed, by job 1"), "{refused:?}");
            }
            assert!(jobs.add(Kind::Pause, changed, ONE).is_ok() && jobs.add(Kind::Destroy, changed, ONE).is_ok());
            assert!(jobs.add(Kind::AttachDevice, changed, ONE).is_ok());
            jobs.running().iter().for_each(|job| job.end(Ok(())));
            assert!(job.stage().has_ended() && jobs.add(Kind::Migrate, changed, ONE).is_ok());
        }
    }

    #[test]
    fn none_begins_when_the_service_is_about_to_end() {
        let jobs = Jobs::default();
        jobs.close();
        assert!(matches!(jobs.add(Kind::Pause, None, ONE), Err(Failure::Busy(_))));
    }
}
