//! The connection to Xen: it is opened when there is a Xen, and opened anew when it is lost. Until then the service goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_io::Timer;
use futures_lite::StreamExt;
use futures_lite::future::or;
use osevent_smol::LibxlSource;
use smol::Executor;
use smol::channel::{Receiver, Sender, bounded};
use uuid::Uuid;
use xenlight::{Ctx, DomainChange, Domains, Library};

use crate::aside;
use crate::domain::Domain;
use crate::failure::Failure;
use crate::table::{Change, Table};

/// Between two attempts to open the connection; doubled each time, up to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// What is to be told on the bus, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum News {
    Domain(Change),
    /// Whether there is a connection to Xen from then on, or why not.
    Availability(Availability),
}

/// The host as it is known: read by the objects on the bus, written by [`run`](Self::run).
pub(crate) struct Host {
    state: Mutex<State>,
    refresh: (Sender<()>, Receiver<()>),
}

#[derive(Default)]
struct State {
    ctx: Option<Arc<Ctx>>,
    table: Table,
    availability: Availability,
}

/// Whether there is a connection to Xen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Availability {
    /// Why there is none, or why what is known may be outdated. Empty if all is well.
    pub(crate) trouble: String,
    /// Empty until the connection has been opened once.
    pub(crate) xen_version: String,
    pub(crate) libxl_version: String,
}

impl Default for Availability {
    fn default() -> Self {
        let trouble = "the connection to Xen is being opened".to_owned();
        Self { trouble, xen_version: String::new(), libxl_version: String::new() }
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), refresh: bounded(1) }
    }

    /// The connection, for an operation.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn ctx(&self) -> Result<Arc<Ctx>, Failure> {
        let state = self.state();
        state.ctx.clone().ok_or_else(|| Failure::XenMissing(state.availability.trouble.clone()))
    }

    /// As it was told last.
    ///
    /// # Errors
    /// There is no such domain.
    pub(crate) fn domain(&self, uuid: Uuid) -> Result<Domain, Failure> {
        let domain = self.state().table.get(uuid).cloned();
        domain.ok_or_else(|| Failure::NoSuchDomain(format!("there is no domain with the uuid {uuid}")))
    }

    pub(crate) fn domains(&self) -> Vec<Domain> {
        self.state().table.all().cloned().collect()
    }

    pub(crate) fn availability(&self) -> Availability {
        self.state().availability.clone()
    }

    /// Has all domains read again soon.
    pub(crate) fn refresh(&self) {
        // If one is waiting already, that will do.
        let _ = self.refresh.0.try_send(());
    }

    /// Follows the domains for ever.
    pub(crate) async fn run(&self, executor: &Executor<'static>, news: &Sender<News>) {
        let mut wait = FIRST_RETRY;
        loop {
            match open(executor).await {
                Ok(opened) => {
                    wait = FIRST_RETRY;
                    self.follow(opened, executor, news).await;
                }
                Err(failure) => self.is_in_trouble(failure.to_string(), news).await,
            }
            Timer::after(wait).await;
            wait = (wait * 2).min(LAST_RETRY);
        }
    }

    /// Closes the connection, which aborts what is in progress. No domain is touched.
    pub(crate) async fn close(&self) {
        let ctx = self.state().ctx.take();
        if let Some(ctx) = ctx {
            ctx.close().await;
        }
    }

    /// Until the connection is lost.
    async fn follow(&self, opened: Opened, executor: &Executor<'static>, news: &Sender<News>) {
        let Opened { ctx, mut domains, source, xen_version } = opened;
        let libxl_version = ctx.library().release().to_string();
        let availability = Availability { trouble: String::new(), xen_version, libxl_version };
        let changes = {
            let mut state = self.state();
            state.ctx = Some(ctx.clone());
            state.availability = availability.clone();
            state.table.replace(domains.list().map(Domain::from))
        };
        for change in changes {
            tell(news, News::Domain(change)).await;
        }
        tell(news, News::Availability(availability)).await;
        while let Some(next) = self.next(&mut domains).await {
            match next {
                DomainChange::Appeared(domain) | DomainChange::Gone(domain) => {
                    self.changed(&domains, domain.uuid(), news).await;
                }
                DomainChange::Changed { before, now } => {
                    self.changed(&domains, before.uuid(), news).await;
                    self.changed(&domains, now.uuid(), news).await;
                }
                // libxl cannot reconnect.
                DomainChange::Stale(error) if matches!(*error, xenlight::Error::XenstoredLost) => {
                    self.state().ctx = None;
                    self.is_in_trouble(error.to_string(), news).await;
                    break;
                }
                DomainChange::Stale(error) => self.is_in_trouble(error.to_string(), news).await,
                DomainChange::Fresh => self.is_in_trouble(String::new(), news).await,
                _ => {}
            }
        }
        // An operation can take long to end.
        let closing = async move {
            ctx.close().await;
            drop(source);
        };
        executor.spawn(closing).detach();
    }

    /// The next change; whoever asks for a refresh meanwhile is served.
    async fn next(&self, domains: &mut Domains) -> Option<DomainChange> {
        loop {
            let asked = async {
                let _ = self.refresh.1.recv().await;
                None
            };
            match or(async { Some(domains.next().await) }, asked).await {
                Some(change) => return change,
                // Without a ctx the stream has ended as well.
                None => _ = domains.refresh(),
            }
        }
    }

    async fn changed(&self, domains: &Domains, uuid: Uuid, news: &Sender<News>) {
        let now = domains.by_uuid(uuid).map(Domain::from);
        let change = self.state().table.set(uuid, now);
        if let Some(change) = change {
            tell(news, News::Domain(change)).await;
        }
    }

    async fn is_in_trouble(&self, trouble: String, news: &Sender<News>) {
        let changed = {
            let availability = &mut self.state().availability;
            let is_new = availability.trouble != trouble;
            availability.trouble = trouble;
            is_new.then(|| availability.clone())
        };
        if let Some(availability) = changed {
            tell(news, News::Availability(availability)).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell(news: &Sender<News>, one: News) {
    // Nobody listens any more when the service ends.
    let _ = news.send(one).await;
}

struct Opened {
    ctx: Arc<Ctx>,
    domains: Domains,
    /// Serves libxl while it is kept.
    source: smol::Task<xenlight::LoopError>,
    xen_version: String,
}

type OpenError = Box<dyn std::error::Error + Send + Sync>;

async fn open(executor: &Executor<'static>) -> Result<Opened, OpenError> {
    let source = LibxlSource::new()?;
    let event_loop = source.event_loop();
    let source = executor.spawn(source);
    // libxl builds domains on a thread of its own, so the bus is served meanwhile. Opening and the first reading wait for xenstored.
    let opened = aside::done(move || {
        let ctx = Ctx::builder(&Library::load()?).own_thread().open(event_loop)?;
        let domains = ctx.follow_domains()?;
        let xen_version = ctx.xen_version()?.to_string();
        Ok::<_, xenlight::Error>((ctx, domains, xen_version))
    });
    let (ctx, domains, xen_version) = opened.await??;
    Ok(Opened { ctx: Arc::new(ctx), domains, source, xen_version })
}
