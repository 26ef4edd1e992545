//! The connection to the host, with all that is known of it.

use super::{Domain, DomainList, TaskList};
use crate::engine::{Action, Change, Devices, Engine, Failure};
use crate::i18n::{gettext, with};
use futures_lite::StreamExt;
use gtk::glib;
use gtk::glib::clone;
use gtk::glib::prelude::*;
use gtk::glib::subclass::prelude::*;
use std::fs::File;
use std::path::PathBuf;
use std::pin::pin;

glib::wrapper! {
    /// The connection to the host. It can be opened again; its lists stay the same objects.
    pub(crate) struct Session(ObjectSubclass<imp::Session>);
}

/// How the connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "OseventManagerStatus")]
pub(crate) enum Status {
    #[default]
    Closed,
    Open,
    /// It could not be opened, or broke: [`Session::failure`] tells why.
    Failed,
}

impl Default for Session {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl Session {
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
        match self.try_open() {
            Ok(()) => self.set_status(Status::Open),
            Err(failure) => self.fail(failure),
        }
    }

    /// Aborts what is at work and lets go of the host.
    pub(crate) async fn close(&self) {
        let engine = self.imp().engine.take();
        if let Some(engine) = engine {
            engine.close().await;
        }
        self.set_status(Status::Closed);
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

    /// Creates or restores a domain from a file.
    pub(crate) fn open_file(&self, path: PathBuf) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let title = with(gettext("Start {file}"), &[("file", &name)]);
        if let Some(engine) = self.engine() {
            self.tasks().run(&title, &path.to_string_lossy(), || engine.open_file(path.clone()));
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
    pub(crate) async fn devices(&self, domain: &Domain) -> Result<Devices, Failure> {
        match self.engine() {
            Some(engine) => engine.devices(domain.domid()).await,
            None => Ok(Devices::default()),
        }
    }

    /// The console of a domain. It does not block.
    pub(crate) async fn console(&self, domain: &Domain) -> Result<File, Failure> {
        match self.engine() {
            Some(engine) => engine.console(domain.domid()).await,
            None => Err(Failure::new(gettext("No Connection to Xen"))),
        }
    }

    /// The versions of Xen and libxl, if there is a connection.
    pub(crate) fn versions(&self) -> Option<String> {
        self.engine().map(|engine| engine.versions())
    }

    fn engine(&self) -> Option<Engine> {
        self.imp().engine.borrow().clone()
    }

    fn try_open(&self) -> Result<(), Failure> {
        let engine = Engine::open()?;
        let (records, changes) = engine.follow()?;
        self.domains().reset(&records);
        self.imp().engine.replace(Some(engine));
        self.set_stale(None::<String>);
        let generation = self.imp().generation.get() + 1;
        self.imp().generation.set(generation);
        glib::spawn_future_local(clone!(
            #[weak(rename_to = session)]
            self,
            async move {
                let mut changes = pin!(changes);
                while let Some(change) = changes.next().await {
                    // What an earlier connection has still to say is no longer of interest.
                    if session.imp().generation.get() != generation {
                        return;
                    }
                    match change {
                        Change::Stale(why) => session.set_stale(Some(why)),
                        // xenstored is there again: whatever was connected to the one before is not.
                        Change::Fresh => return session.open(),
                        change => session.apply(change),
                    }
                }
            }
        ));
        Ok(())
    }

    fn apply(&self, change: Change) {
        if let (Change::Changed(record), Some(engine)) = (&change, self.engine())
            && let Some(work) = engine.after_end(record.domid, record.state)
        {
            let name = record.name.as_deref().unwrap_or_default();
            let title = with(gettext("Do what {name} wants at its end"), &[("name", name)]);
            self.tasks().run(&title, &record.uuid, || work);
        }
        self.domains().apply(change);
    }

    fn fail(&self, failure: Failure) {
        self.imp().failure.replace(Some(failure));
        self.set_status(Status::Failed);
    }
}

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::Session)]
    pub(crate) struct Session {
        #[property(get, set, builder(Status::default()))]
        status: Cell<Status>,
        /// Why what is shown may no longer be so.
        #[property(get, set, nullable)]
        stale: RefCell<Option<String>>,
        pub(super) domains: DomainList,
        pub(super) tasks: TaskList,
        pub(super) engine: RefCell<Option<Engine>>,
        pub(super) failure: RefCell<Option<Failure>>,
        /// Counts the connections.
        pub(super) generation: Cell<u64>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Session {
        const NAME: &'static str = "OseventManagerSession";
        type Type = super::Session;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Session {}
}
