//! The host's domains, on the loop that draws them.

use std::time::Duration;

use calloop::futures::{Scheduler, executor};
use calloop::signals::{Signal, Signals};
use calloop::stream::StreamSource;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{LoopHandle, LoopSignal};
use osevent_calloop::LibxlSource;
use uuid::Uuid;
use xenlight::{Ctx, DomainChange, Error, Library};

use crate::Failure;
use crate::domain::{Action, Domain};

/// After that the connection to Xen is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The state of a program that shows domains.
pub(crate) trait Shows: Sized + 'static {
    fn host(&mut self) -> &mut Host<Self>;

    /// The domains, or the trouble, are others than before.
    fn changed(&mut self);
}

/// Xen's toolstack, or why there is none.
pub(crate) struct Host<S> {
    handle: LoopHandle<'static, S>,
    operations: Scheduler<Done>,
    ctx: Option<Ctx>,
    domains: Vec<Domain>,
    /// Why there is no connection.
    missing: Option<String>,
    /// Why the last action failed.
    failure: Option<String>,
}

/// How an action ended.
struct Done {
    action: Action,
    name: String,
    result: Result<(), Error>,
}

impl<S: Shows> Host<S> {
    /// The loop ends by SIGINT and SIGTERM from now on, which this thread and those that it starts later do not end by.
    pub(crate) fn new(handle: LoopHandle<'static, S>, ends: LoopSignal) -> Result<Self, Failure> {
        let signals = Signals::new(&[Signal::SIGINT, Signal::SIGTERM])?;
        handle.insert_source(signals, move |_, _, _| ends.stop()).map_err(|refused| refused.error)?;
        let (results, operations) = executor()?;
        let done = |done: Done, (): &mut (), state: &mut S| {
            let Done { action, name, result } = done;
            if let Err(error) = result {
                state.host().fail(format!("{name}: {action}: {error}"));
                state.changed();
            }
        };
        handle.insert_source(results, done).map_err(|refused| refused.error)?;
        Ok(Self { handle, operations, ctx: None, domains: Vec::new(), missing: None, failure: None })
    }

    /// Connects to Xen, now or as soon as that is possible.
    pub(crate) fn connect(&mut self) {
        match self.open() {
            Ok(ctx) => (self.ctx, self.missing) = (Some(ctx), None),
            Err(why) => self.retry(&why),
        }
    }

    pub(crate) fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// What the user should know: there is no Xen, or an action failed.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.missing.as_deref().or(self.failure.as_deref())
    }

    pub(crate) fn fail(&mut self, failure: String) {
        self.failure = Some(failure);
    }

    /// The failure of an action has been read.
    pub(crate) fn dismiss(&mut self) {
        self.failure = None;
    }

    /// Begins an action on the domain, which may have gone meanwhile.
    pub(crate) fn act(&mut self, uuid: Uuid, action: Action) {
        let Some(ctx) = &self.ctx else { return };
        let Some(domain) = self.domains.iter().find(|domain| domain.uuid == uuid) else { return };
        self.failure = None;
        let (name, operation) = (domain.name.clone(), action.begin(ctx, domain.domid));
        let scheduled = self.operations.schedule(async move { Done { action, name, result: operation.await } });
        if let Err(error) = scheduled {
            self.fail(format!("{action}: {error}"));
        }
    }

    /// Waits for the end of the operations, which are aborted.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        Ok(self.ctx.take().map_or(Ok(()), |ctx| ctx.close_blocking())?)
    }

    fn open(&mut self) -> Result<Ctx, Failure> {
        let xen = LibxlSource::new()?;
        let ctx = Ctx::builder(&Library::load()?).own_thread().open(xen.event_loop())?;
        let followed = ctx.follow_domains()?;
        self.domains = followed.list().map(Domain::from).collect();
        let changes = StreamSource::new(followed)?;
        self.handle.insert_source(xen, |_, _, _| {}).map_err(|refused| refused.error)?;
        let told = |change: Option<DomainChange>, (): &mut (), state: &mut S| {
            // The stream ends with the ctx.
            let Some(change) = change else { return };
            state.host().take(change);
            state.changed();
        };
        self.handle.insert_source(changes, told).map_err(|refused| refused.error)?;
        Ok(ctx)
    }

    fn take(&mut self, change: DomainChange) {
        match change {
            DomainChange::Appeared(domain) => {
                let at = self.domains.partition_point(|before| before.domid < domain.domid());
                self.domains.insert(at, Domain::from(&domain));
            }
            DomainChange::Changed { now, .. } => {
                let domid = now.domid();
                if let Some(before) = self.domains.iter_mut().find(|before| before.domid == domid) {
                    *before = Domain::from(&now);
                }
            }
            DomainChange::Gone(domain) => self.domains.retain(|before| before.domid != domain.domid()),
            DomainChange::Stale(error) => self.missing = Some(error.to_string()),
            DomainChange::Fresh => self.missing = None,
            _ => {}
        }
    }

    fn retry(&mut self, why: &Failure) {
        self.missing = Some(why.to_string());
        let retried = self.handle.insert_source(Timer::from_duration(RETRY), |_, (), state: &mut S| {
            state.host().connect();
            state.changed();
            TimeoutAction::Drop
        });
        if let Err(refused) = retried {
            self.missing = Some(format!("{why}; it is not tried again: {}", refused.error));
        }
    }
}
