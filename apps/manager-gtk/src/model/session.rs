//! The connection to the host, with all that is known of it.

use super::load::Load;
use super::{Domain, DomainList, Journal, Task, TaskList};
use crate::engine::{
    Action, Asking, Attached, Change, Config, Devices, Editable, Engine, Failure, Host, NewDevice, OfHost, Opened,
    PVH_OR_HVM, Screen, Starting,
};
use crate::i18n::{gettext, with};
use futures_lite::StreamExt;
use futures_lite::future::or;
use futures_lite::stream::BoxedLocal;
use gtk::glib;
use gtk::glib::clone;
use gtk::glib::prelude::*;
use gtk::glib::subclass::prelude::*;
use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

glib::wrapper! {
    /// The connection to the host. It can be opened again; its lists stay the same objects.
    pub(crate) struct Session(ObjectSubclass<imp::Session>);
}

/// Between two changes: a frame, of which there are 60 in a second, has a few.
const PAUSE: Duration = Duration::from_millis(4);

/// How the connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "OseventManagerStatus")]
pub(crate) enum Status {
    #[default]
    Closed,
    /// It is being opened, for the first time or after a failure.
    Opening,
    Open,
    /// It could not be opened, or broke: [`Session::failure`] tells why.
    Failed,
}

impl Session {
    /// `by_service` has it use the service xenlightd also where libxl could be used.
    pub(crate) fn new(by_service: bool) -> Self {
        let session: Self = glib::Object::new();
        session.imp().by_service.set(by_service);
        session
    }

    pub(crate) fn domains(&self) -> &DomainList {
        &self.imp().domains
    }

    pub(crate) fn tasks(&self) -> &TaskList {
        &self.imp().tasks
    }

    /// Why there is no connection.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.imp().failure.borrow().clone()
    }

    /// Opens the connection, anew if there is one.
    pub(crate) fn open(&self) {
        self.imp().engine.take();
        let generation = self.next_generation();
        if self.status() != Status::Open {
            self.set_status(Status::Opening);
        }
        glib::spawn_future_local(clone!(
            #[weak(rename_to = session)]
            self,
            async move {
                let opened = Engine::open(session.imp().by_service.get(), Starting::IfStopped).await;
                if session.imp().generation.get() != generation {
                    return;
                }
                match opened {
                    Ok(opened) => session.follow(opened, generation).await,
                    Err(failure) => session.fail(failure),
                }
            }
        ));
    }

    /// Calls once it is known whether there is a connection.
    pub(crate) fn when_opened(&self, then: impl FnOnce() + 'static) {
        let is_known = |session: &Self| matches!(session.status(), Status::Open | Status::Failed);
        if is_known(self) {
            return then();
        }
        let then = RefCell::new(Some(then));
        self.connect_status_notify(move |session| {
            if is_known(session) {
                then.take().into_iter().for_each(|then| then());
            }
        });
    }

    /// Aborts what is at work, waits for what cannot be aborted any more, and lets go of the host.
    pub(crate) async fn close(&self) {
        self.next_generation();
        let engine = self.imp().engine.take();
        self.set_status(Status::Closed);
        // Before the connection is closed: a domain that is being reset is still to be made, and one whose save is aborted to go on.
        let aborted = self.tasks().abort_all();
        match engine.as_ref().and_then(Engine::patience) {
            Some(patience) => or(aborted, async { _ = glib::timeout_future(patience).await }).await,
            None => aborted.await,
        }
        if let Some(engine) = engine {
            engine.close().await;
        }
    }

    /// Why domains cannot be made to start with the host, if they cannot.
    pub(crate) fn lacks_start_with_host(&self) -> Option<String> {
        self.engine().and_then(|engine| engine.lacks_start_with_host())
    }

    /// Looks for what Xen does not tell.
    pub(crate) fn refresh(&self) {
        if let Some(engine) = self.engine() {
            engine.refresh();
        }
    }

    /// Begins something with a domain.
    pub(crate) fn act(&self, domain: &Domain, action: Action) {
        let title = match action {
            Action::Pause => gettext("Pause {name}"),
            Action::Unpause => gettext("Resume {name}"),
            Action::ShutDown => gettext("Shut down {name}"),
            Action::Reboot => gettext("Reboot {name}"),
            Action::PowerButton => gettext("Press the power button of {name}"),
            Action::Reset => gettext("Reset {name}"),
            Action::Destroy => gettext("Destroy {name}"),
        };
        let title = with(title, &[("name", &domain.name())]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &domain.uuid(), || engine.act(domain.domid(), action));
        }
    }

    /// Gives a domain another name.
    pub(crate) fn rename(&self, domain: &Domain, name: &str) {
        let title = with(gettext("Rename {name} to {new}"), &[("name", &domain.name()), ("new", name)]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &domain.uuid(), || engine.rename(domain.domid(), name.to_owned()));
        }
    }

    /// Saves a domain into a file and ends it.
    pub(crate) fn save(&self, domain: &Domain, path: PathBuf) {
        let title = with(gettext("Save {name}"), &[("name", &domain.name())]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &domain.uuid(), || engine.save(domain.domid(), path));
        }
    }

    /// Creates a domain, and lets it run.
    pub(crate) fn create(&self, config: Config) -> Option<Task> {
        let name = config.name().to_owned();
        let title = with(gettext("Create {name}"), &[("name", &name)]);
        self.engine().map(|engine| self.tasks().run(&title, &name, || engine.create(config)))
    }

    /// The configuration of a domain, and the one that waits for its restart.
    pub(crate) async fn editable(&self, domain: &Domain) -> Result<Editable, Failure> {
        match self.engine() {
            Some(engine) => engine.editable(domain.domid()).await,
            None => Err(Failure::new(gettext("No Connection to Xen"))),
        }
    }

    /// Gives a domain another configuration.
    pub(crate) fn edit(&self, domain: &Domain, from: Config, to: Config) -> Option<Task> {
        let title = with(gettext("Change the configuration of {name}"), &[("name", &domain.name())]);
        self.engine().map(|engine| self.tasks().run(&title, &domain.uuid(), || engine.edit(domain.domid(), from, to)))
    }

    /// Looks for what would keep a domain from being created.
    pub(crate) async fn check(&self, config: Config) -> Result<(), Failure> {
        match self.engine() {
            Some(engine) => engine.check(config).await,
            None => Ok(()),
        }
    }

    /// Creates or restores a domain from a file.
    pub(crate) fn open_file(&self, path: PathBuf) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let title = with(gettext("Start {file}"), &[("file", &name)]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &path.to_string_lossy(), || engine.open_file(path.clone()));
        }
    }

    /// Has a domain tell whether it is PVH or HVM, if that can be known.
    pub(crate) async fn learn_kind(&self, domain: &Domain) {
        let Some(engine) = self.engine().filter(|_| domain.kind() == PVH_OR_HVM) else { return };
        if let Some(kind) = engine.kind(domain.domid()).await {
            domain.set_kind(kind);
        }
    }

    /// The most memory that a domain can have, in KiB.
    pub(crate) async fn memory_limit(&self, domain: &Domain) -> Result<Option<u64>, Failure> {
        match self.engine() {
            Some(engine) => engine.memory_limit(domain.domid()).await,
            None => Ok(None),
        }
    }

    /// Has a domain use more or less memory.
    pub(crate) fn set_memory(&self, domain: &Domain, kib: u64) {
        let title = with(gettext("Change the memory of {name}"), &[("name", &domain.name())]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &domain.uuid(), || engine.set_memory(domain.domid(), kib));
        }
    }

    /// Has a domain use so many of its virtual CPUs.
    pub(crate) fn set_vcpus(&self, domain: &Domain, count: u32) {
        let title = with(gettext("Change the virtual CPUs of {name}"), &[("name", &domain.name())]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &domain.uuid(), || engine.set_vcpus(domain.domid(), count));
        }
    }

    /// The devices that a domain has now.
    pub(crate) async fn devices(&self, domain: &Domain, asking: Asking) -> Result<Devices, Failure> {
        match self.engine() {
            Some(engine) => engine.devices(domain.domid(), asking).await,
            None => Ok(Devices::default()),
        }
    }

    /// Gives a domain a device.
    pub(crate) fn attach(&self, domain: &Domain, device: NewDevice) -> Option<Task> {
        let title = match &device {
            NewDevice::Disk(disk) => with(gettext("Attach {device}"), &[("device", &disk.path)]),
            NewDevice::Nic { .. } => gettext("Attach a network interface"),
            NewDevice::OfHost(of_host) => with(gettext("Attach {device}"), &[("device", &of_host.name)]),
        };
        self.engine().map(|engine| self.tasks().run(&title, &domain.uuid(), || engine.attach(domain.domid(), device)))
    }

    /// Takes a device from a domain.
    pub(crate) fn detach(&self, domain: &Domain, device: &Attached) -> Option<Task> {
        let title = with(gettext("Detach {device}"), &[("device", &device.name)]);
        self.engine().map(|engine| self.tasks().run(&title, &domain.uuid(), || engine.detach(domain.domid(), device)))
    }

    /// Puts the image of a disc into a drive, or takes out the one that is there.
    pub(crate) fn change_disc(&self, domain: &Domain, drive: &Attached, image: Option<&Path>) -> Option<Task> {
        let title = if image.is_some() { gettext("Insert a disc into {drive}") } else { gettext("Eject {drive}") };
        let title = with(title, &[("drive", &drive.name)]);
        self.engine()
            .map(|engine| self.tasks().run(&title, &domain.uuid(), || engine.change_disc(domain.domid(), drive, image)))
    }

    /// The PCI devices of the host that can be given away.
    pub(crate) async fn host_pci(&self) -> Result<Vec<OfHost>, Failure> {
        match self.engine() {
            Some(engine) => engine.host_pci().await,
            None => Ok(Vec::new()),
        }
    }

    /// The console of a domain. It does not block.
    pub(crate) async fn console(&self, domain: &Domain) -> Result<File, Failure> {
        match self.engine() {
            Some(engine) => engine.console(domain.domid()).await,
            None => Err(Failure::new(gettext("No Connection to Xen"))),
        }
    }

    /// What has happened.
    pub(crate) fn journal(&self) -> &Journal {
        &self.imp().journal
    }

    /// Whether a domain starts with the host.
    pub(crate) async fn starts_with_host(&self, domain: &Domain) -> bool {
        match self.engine() {
            Some(engine) => engine.starts_with_host(domain.name()).await,
            None => false,
        }
    }

    /// Has a domain start with the host, or no longer.
    pub(crate) fn set_start_with_host(&self, domain: &Domain, is_on: bool) -> Option<Task> {
        let title =
            if is_on { gettext("Start {name} with the host") } else { gettext("Do not start {name} with the host") };
        let title = with(title, &[("name", &domain.name())]);
        let begin = |engine: Engine| engine.set_start_with_host(domain.domid(), domain.name(), is_on);
        self.engine().map(|engine| self.tasks().run(&title, &domain.uuid(), || begin(engine)))
    }

    /// Moves a domain to another host, which the command reaches.
    pub(crate) fn migrate(&self, domain: &Domain, host: &str, command: Vec<String>, is_live: bool) {
        let title = with(gettext("Migrate {name} to {host}"), &[("name", &domain.name()), ("host", host)]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &domain.uuid(), || engine.migrate(domain.domid(), command, is_live));
        }
    }

    /// Where the screen of a domain is, if it has one.
    pub(crate) async fn screen(&self, domain: &Domain) -> Result<Option<Screen>, Failure> {
        match self.engine() {
            Some(engine) => engine.screen(domain.domid()).await,
            None => Ok(None),
        }
    }

    /// What the host is, and has.
    pub(crate) async fn host(&self) -> Result<Host, Failure> {
        match self.engine() {
            Some(engine) => engine.host().await,
            None => Err(Failure::new(gettext("No Connection to Xen"))),
        }
    }

    /// Looks how busy the domains are.
    pub(crate) async fn look_at_load(&self) {
        let Some(engine) = self.engine() else { return };
        // Where it cannot be known, the list is stale, too, and says so.
        if let Ok(usage) = engine.usage().await {
            self.imp().load.borrow_mut().take(usage);
        }
    }

    /// How busy a domain was lately, in percent of one processor; the oldest value first.
    pub(crate) fn load_of(&self, domain: &Domain) -> Vec<f64> {
        self.imp().load.borrow().of(domain.domid())
    }

    /// The versions of Xen and libxl, if there is a connection.
    pub(crate) fn versions(&self) -> Option<String> {
        self.engine().map(|engine| engine.versions())
    }

    fn engine(&self) -> Option<Engine> {
        self.imp().engine.borrow().clone()
    }

    fn next_generation(&self) -> u64 {
        let generation = self.imp().generation.get() + 1;
        self.imp().generation.set(generation);
        generation
    }

    /// Shows what a connection tells, until it ends or there is another one.
    async fn follow(&self, opened: Opened<Engine>, generation: u64) {
        let mut changes = self.show(opened);
        while let Some(change) = changes.next().await {
            // What an earlier connection has still to say is no longer of interest.
            if self.imp().generation.get() != generation {
                return;
            }
            match change {
                Change::Stale(why) => {
                    self.journal().note_change(&Change::Stale(why.clone()), self.domains());
                    // Where nothing is shown, a page says why.
                    self.set_stale(self.engine().map(|_| why));
                }
                // xenstored, or the service, is there again: whatever was connected to the one before is not.
                Change::Fresh => {
                    self.imp().engine.take();
                    let opened = Engine::open(self.imp().by_service.get(), Starting::Never).await;
                    if self.imp().generation.get() != generation {
                        return;
                    }
                    match opened {
                        Ok(opened) => changes = self.show(opened),
                        // Perhaps it has gone again. That the next one is there is told here, too.
                        Err(failure) => self.fail(failure),
                    }
                }
                change => {
                    self.apply(change);
                    // Many at once must not keep the window from being drawn, and what they change is not to be drawn in one frame.
                    glib::timeout_future(PAUSE).await;
                }
            }
        }
        if self.imp().generation.get() == generation {
            self.imp().engine.take();
            self.fail(Failure::new(gettext("The connection has ended")));
        }
    }

    /// Shows what there is, and returns what changes.
    fn show(&self, opened: Opened<Engine>) -> BoxedLocal<Change> {
        let Opened { engine, domains, changes } = opened;
        self.domains().reset(&domains);
        self.journal().note(&engine.versions());
        self.imp().engine.replace(Some(engine));
        self.set_stale(None::<String>);
        self.set_status(Status::Open);
        changes
    }

    fn apply(&self, change: Change) {
        if let (Change::Changed(record), Some(engine)) = (&change, self.engine())
            && let Some(work) = engine.after_end(record.domid, record.state)
        {
            let name = record.name.as_deref().unwrap_or_default();
            let title = with(gettext("Do what {name} wants at its end"), &[("name", name)]);
            self.tasks().run(&title, &record.uuid, || work);
        }
        self.journal().note_change(&change, self.domains());
        self.domains().apply(change);
    }

    fn fail(&self, failure: Failure) {
        self.set_stale(None::<String>);
        self.imp().failure.replace(Some(failure));
        self.set_status(Status::Failed);
    }
}

mod imp {
    use super::*;
    use std::cell::Cell;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::Session)]
    pub(crate) struct Session {
        #[property(get, set, builder(Status::default()))]
        status: Cell<Status>,
        /// Why what is shown may no longer be so.
        #[property(get, set, nullable)]
        stale: RefCell<Option<String>>,
        pub(super) by_service: Cell<bool>,
        pub(super) domains: DomainList,
        pub(super) tasks: TaskList,
        pub(super) load: RefCell<Load>,
        pub(super) journal: Journal,
        pub(super) engine: RefCell<Option<Engine>>,
        pub(super) failure: RefCell<Option<Failure>>,
        /// Counts the connections, and their ends.
        pub(super) generation: Cell<u64>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Session {
        const NAME: &'static str = "OseventManagerSession";
        type Type = super::Session;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Session {
        fn constructed(&self) {
            self.parent_constructed();
            let session = self.obj().downgrade();
            self.tasks.connect_ended(move |task| {
                session.upgrade().into_iter().for_each(|session| session.journal().note_end(task));
            });
        }
    }
}
