//! A Xen host, by xenlight: this needs root.

use super::work::elsewhere;
use super::{Action, Change, Failure, Opened, PVH_OR_HVM, Record, State, Work};
use crate::i18n::gettext;
use futures_lite::StreamExt;
use gtk::{gio, glib};
use osevent_glib::LibxlSource;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use xenlight::types::Trigger;
use xenlight::{
    Close, Code, Ctx, Domain, DomainChange, DomainConfig, DomainId, DomainKind, DomainState, Error, Library, Operation,
    ShutdownReason,
};

/// A connection to the host that this program runs on.
#[derive(Clone)]
pub(crate) struct Xen {
    ctx: Arc<Ctx>,
    versions: Rc<str>,
    /// The domains that this program has made, and for whose end it cares.
    own: Rc<RefCell<BTreeSet<DomainId>>>,
    /// Those that this program saves or sends to another host.
    leaving: Rc<RefCell<Vec<DomainId>>>,
}

/// A domain is being saved, or sent to another host, as long as there is this.
pub(super) struct Leaving {
    domid: DomainId,
    all: Rc<RefCell<Vec<DomainId>>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut all = self.all.borrow_mut();
        // It can be there twice.
        if let Some(at) = all.iter().position(|domid| *domid == self.domid) {
            all.swap_remove(at);
        }
    }
}

impl Xen {
    /// Opens it on the default main context. No window waits for it: it is opened on another thread, and libxl works on one of its own.
    pub(crate) async fn open() -> Result<Opened<Self>, Failure> {
        let no_loop = |error| Failure::new(format!("{error}"));
        let xen = LibxlSource::builder().name("libxl").attach(&glib::MainContext::default()).map_err(no_loop)?;
        let event_loop = xen.event_loop();
        let opened = elsewhere(move || {
            let library = Library::load()?;
            let ctx = Ctx::builder(&library).own_thread().open(event_loop)?;
            let domains = ctx.follow_domains()?;
            let libxl = library.release();
            let versions = match ctx.xen_version() {
                Ok(xen) => format!("Xen {xen}, libxl {libxl}"),
                Err(error) => format!("libxl {libxl}, {error}"),
            };
            Ok::<_, Error>((ctx, domains, versions))
        });
        let (ctx, domains, versions) = opened.await?;
        Ok(Opened {
            engine: Self { ctx: Arc::new(ctx), versions: versions.into(), own: Rc::default(), leaving: Rc::default() },
            domains: domains.list().map(record).collect(),
            changes: Box::pin(domains.filter_map(change)),
        })
    }

    /// Has the domains looked at, for what Xen does not tell: that another program has paused one. What has changed is in the changes.
    pub(crate) fn refresh(&self) {
        let ctx = self.ctx.clone();
        // Where this is not possible, the changes have ended, too. Nobody waits for it.
        drop(gio::spawn_blocking(move || ctx.refresh_domains()));
    }

    /// Begins something with a domain.
    pub(crate) fn act(&self, domid: u32, action: Action) -> Work {
        let domid = DomainId::new(domid);
        let operate = |begin: fn(&Ctx, DomainId) -> Operation<()>| Work::of(&self.ctx, move |ctx| begin(ctx, domid));
        match action {
            Action::Pause => operate(Ctx::pause),
            Action::Unpause => operate(Ctx::unpause),
            Action::ShutDown => self.request(domid, Ctx::shutdown),
            Action::Reboot => self.request(domid, Ctx::reboot),
            Action::PowerButton => operate(|ctx, domid| ctx.press(domid, &Trigger::Power, 0)),
            Action::Reset => self.reset(domid),
            Action::Destroy => operate(Ctx::destroy),
        }
    }

    /// Gives a domain another name.
    pub(crate) fn rename(&self, domid: u32, name: String) -> Work {
        self.ask(move |ctx| ctx.rename(DomainId::new(domid), &name))
    }

    /// The versions of Xen and libxl, for a report.
    pub(crate) fn versions(&self) -> String {
        self.versions.to_string()
    }

    /// Aborts what is at work and lets go of the host.
    pub(crate) fn close(&self) -> Close {
        self.ctx.close()
    }

    /// Such as PVH: what a domain was created as, if libxl knows.
    pub(crate) async fn kind(&self, domid: u32) -> Option<String> {
        let config = self.config(DomainId::new(domid)).await.ok()?;
        Some(config.create_info.kind?.to_string().to_uppercase())
    }

    /// The most memory that a domain can have, in KiB: it was created for that.
    pub(crate) async fn memory_limit(&self, domid: u32) -> Result<Option<u64>, Failure> {
        Ok(self.config(DomainId::new(domid)).await?.build_info.max_memory_kib)
    }

    /// Has a domain use more or less memory.
    pub(crate) fn set_memory(&self, domid: u32, kib: u64) -> Work {
        self.ask(move |ctx| ctx.set_memory_target_kib(DomainId::new(domid), kib, true))
    }

    /// Has a domain use so many of its virtual CPUs.
    pub(crate) fn set_vcpus(&self, domid: u32, count: u32) -> Work {
        Work::of(&self.ctx, move |ctx| ctx.set_online_vcpus(DomainId::new(domid), &(0..count).collect()))
    }

    pub(super) fn ctx(&self) -> &Arc<Ctx> {
        &self.ctx
    }

    /// A domain's configuration as of now. libxl is asked for it only if something has changed.
    pub(super) async fn config(&self, domid: DomainId) -> Result<DomainConfig, Error> {
        let ctx = self.ctx.clone();
        elsewhere(move || ctx.followed_config(domid)).await.await
    }

    pub(super) fn own(&self, domid: DomainId) {
        self.own.borrow_mut().insert(domid);
    }

    /// Whether the domain is this program's; it is no longer.
    pub(super) fn disown(&self, domid: DomainId) -> bool {
        self.own.borrow_mut().remove(&domid)
    }

    /// Notes that a domain is being saved, or sent to another host.
    pub(super) fn leave(&self, domid: DomainId) -> Leaving {
        self.leaving.borrow_mut().push(domid);
        Leaving { domid, all: self.leaving.clone() }
    }

    pub(super) fn is_leaving(&self, domid: DomainId) -> bool {
        self.leaving.borrow().contains(&domid)
    }

    /// Asks a domain for something, which it may not do.
    fn request(&self, domid: DomainId, begin: fn(&Ctx, DomainId) -> Operation<()>) -> Work {
        let ctx = self.ctx.clone();
        Work::steps(move |steps| async move { steps.run(&ctx, move |ctx| begin(ctx, domid)).await.map_err(unanswered) })
    }

    fn ask(&self, question: impl FnOnce(&Ctx) -> Result<(), Error> + Send + 'static) -> Work {
        let ctx = self.ctx.clone();
        Work::soon(async move { Ok(elsewhere(move || question(&ctx)).await?) })
    }
}

/// Why a domain does not do what it was asked to. libxl says of it what its programmers understand.
fn unanswered(error: Error) -> Failure {
    let summary = match error.code().and_then(Code::name) {
        Some("ERROR_TIMEDOUT") => gettext("It has not answered for a minute. It can be destroyed."),
        Some("ERROR_NOPARAVIRT") => {
            gettext("It has no drivers for Xen to be asked by. Press its power button instead.")
        }
        _ => return error.into(),
    };
    Failure { summary, ..error.into() }
}

fn record(domain: &Domain) -> Record {
    Record {
        domid: domain.domid().get(),
        uuid: domain.uuid().to_string(),
        name: domain.name.clone(),
        state: state(domain.state),
        kind: match domain.info.kind {
            DomainKind::Pv => "PV",
            DomainKind::Pvh => "PVH",
            // libxl does not tell them apart here.
            DomainKind::Hvm => PVH_OR_HVM,
            _ => "",
        }
        .to_owned(),
        memory_kib: domain.memory_target_kib.unwrap_or(domain.info.current_memory_kib),
        vcpus: domain.info.vcpus_online,
        max_vcpus: domain.info.max_vcpu_id + 1,
    }
}

fn state(state: DomainState) -> State {
    match state {
        DomainState::Making => State::Making,
        DomainState::Running => State::Running,
        DomainState::Paused => State::Paused,
        DomainState::Dying => State::Dying,
        DomainState::Shutdown(ShutdownReason::Poweroff) => State::PoweredOff,
        DomainState::Shutdown(ShutdownReason::Reboot) => State::Rebooting,
        DomainState::Shutdown(ShutdownReason::Suspend) => State::Suspended,
        DomainState::Shutdown(ShutdownReason::Crash) => State::Crashed,
        _ => State::Stopped,
    }
}

fn change(change: DomainChange) -> Option<Change> {
    Some(match change {
        DomainChange::Appeared(domain) => Change::Appeared(record(&domain)),
        DomainChange::Changed { now, .. } => Change::Changed(record(&now)),
        DomainChange::Gone(domain) => Change::Gone(domain.domid().get()),
        DomainChange::Stale(error) => Change::Stale(error.to_string()),
        DomainChange::Fresh => Change::Fresh,
        // What a later xenlight may tell is in the changes of a domain, too.
        _ => return None,
    })
}
