//! Calls of the service on the system bus.

use crate::engine::{Failure, Starting};
use crate::i18n::{gettext, with};
use futures_lite::future::poll_fn;
use gtk::gio;
use gtk::gio::prelude::*;
use gtk::glib::variant::{self, FromVariant};
use gtk::glib::{self, Variant};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The service, as `data/*.xml` of xenlightd describe it.
pub(super) const SERVICE: &str = "org.osevent.Xen1";
pub(super) const HOST: &str = "/org/osevent/Xen1";
pub(super) const MANAGER: &str = "org.osevent.Xen1.Manager";
pub(super) const DOMAIN: &str = "org.osevent.Xen1.Domain";
pub(super) const JOB: &str = "org.osevent.Xen1.Job";

pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub(super) const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
/// The bus itself: its name, and that of its interface.
const DAEMON: &str = "org.freedesktop.DBus";
const DAEMON_PATH: &str = "/org/freedesktop/DBus";

/// The properties of an interface.
pub(super) type Properties = HashMap<String, Variant>;

/// The system bus, with the service on it.
#[derive(Clone)]
pub(super) struct Bus(gio::DBusConnection);

impl Bus {
    /// Connects. If the service is installed and does not run, the bus starts it, if that is wished for.
    pub(super) async fn connect(starting: Starting) -> Result<Self, Failure> {
        let connection = gio::bus_get_future(gio::BusType::System).await.map_err(|error| missing(&error))?;
        // It is not the window's end.
        connection.set_exit_on_close(false);
        let bus = Self(connection);
        let (has_owner,): (bool,) = bus.ask_bus("NameHasOwner", &(SERVICE,).to_variant()).await?;
        if !has_owner && starting == Starting::Never {
            return Err(Failure::new(gettext(
                "The service xenlightd is stopped. Once it is started, its domains are shown here; Try Again starts it, too.",
            )));
        }
        if !has_owner {
            let (_,): (u32,) = bus.ask_bus("StartServiceByName", &(SERVICE, 0u32).to_variant()).await?;
        }
        Ok(bus)
    }

    async fn ask_bus<T: FromVariant>(&self, method: &str, parameters: &Variant) -> Result<T, Failure> {
        let none = gio::DBusCallFlags::NONE;
        let asked = self.0.call_future(Some(DAEMON), DAEMON_PATH, DAEMON, method, Some(parameters), None, none, -1);
        answer(&asked.await.map_err(|error| missing(&error))?)
    }

    /// Calls a method that changes something, or tells what not everybody may know. A person may be asked for a password meanwhile, so it can
    /// take long.
    pub(super) async fn call<T: FromVariant>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        parameters: Option<&Variant>,
    ) -> Result<T, Failure> {
        self.call_with(INTERACTIVE, (path, interface, method), parameters).await
    }

    /// Calls a method that everybody may call. It is called by itself and again and again, so nobody is asked for anything, and a service
    /// that its administrator has stopped stays so.
    pub(super) async fn read<T: FromVariant>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        parameters: Option<&Variant>,
    ) -> Result<T, Failure> {
        self.call_with(gio::DBusCallFlags::NO_AUTO_START, (path, interface, method), parameters).await
    }

    async fn call_with<T: FromVariant>(
        &self,
        flags: gio::DBusCallFlags,
        (path, interface, method): (&str, &str, &str),
        parameters: Option<&Variant>,
    ) -> Result<T, Failure> {
        let called = self.0.call_future(Some(SERVICE), path, interface, method, parameters, None, flags, NO_LIMIT);
        answer(&called.await.map_err(failure)?)
    }

    /// Calls a method that takes open files and one thing more.
    pub(super) async fn give_files<T: FromVariant>(
        &self,
        (path, interface, method): (&str, &str, &str),
        given: &[BorrowedFd<'_>],
        more: bool,
    ) -> Result<T, Unanswered> {
        let files = gio::UnixFDList::new();
        let handles: Result<Vec<_>, _> = given.iter().map(|file| files.append(file).map(variant::Handle)).collect();
        let handles = handles.map_err(Unanswered::of)?.into_iter().map(|handle| handle.to_variant());
        let parameters = Variant::tuple_from_iter(handles.chain([more.to_variant()]));
        let call = self.0.call_with_unix_fd_list_future(
            Some(SERVICE),
            path,
            interface,
            method,
            Some(&parameters),
            None,
            INTERACTIVE,
            NO_LIMIT,
            Some(&files),
        );
        let answered = call.await.map_err(Unanswered::of)?;
        answer(&answered.0).map_err(|failure| Unanswered { is_refused: false, failure })
    }

    /// Calls a method of a domain that gives an open file.
    pub(super) async fn take_file(&self, path: &str, method: &str) -> Result<File, Failure> {
        let none = None::<&gio::UnixFDList>;
        let call = self.0.call_with_unix_fd_list_future(
            Some(SERVICE),
            path,
            DOMAIN,
            method,
            None,
            None,
            INTERACTIVE,
            NO_LIMIT,
            none,
        );
        let (_, files) = call.await.map_err(failure)?;
        let files = files.ok_or_else(|| unexpected("no file"))?;
        Ok(files.get(0).map_err(failure)?.into())
    }

    pub(super) async fn properties(&self, path: &str, interface: &str) -> Result<Properties, Failure> {
        let (properties,) = self.read(path, PROPERTIES, "GetAll", Some(&(interface,).to_variant())).await?;
        Ok(properties)
    }

    /// All signals of the service, as `read` sees them, in their order.
    pub(super) fn signals<T: 'static>(
        &self,
        read: impl Fn(gio::DBusSignalRef<'_>) -> T + 'static,
    ) -> impl futures_lite::Stream<Item = T> + 'static {
        self.0.receive_signal(Some(SERVICE), None, None, None, None, gio::DBusSignalFlags::NONE, read)
    }

    /// Whether the service is there, each time that this changes.
    pub(super) fn presence(&self) -> impl futures_lite::Stream<Item = bool> + 'static {
        let flags = gio::DBusSignalFlags::NONE;
        let (name, path) = (Some("NameOwnerChanged"), Some(DAEMON_PATH));
        self.0.receive_signal(Some(DAEMON), Some(DAEMON), name, path, Some(SERVICE), flags, |signal| {
            let owners = signal.parameters.get::<(String, String, String)>();
            owners.is_some_and(|(_, _, owner)| !owner.is_empty())
        })
    }

    /// Returns when there is no connection to the bus any more.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + 'static {
        let (connection, waiting) = (self.0.clone(), Arc::<Mutex<Option<Waker>>>::default());
        let woken = waiting.clone();
        connection.connect_closed(move |_, _, _| lock(&woken).take().into_iter().for_each(Waker::wake));
        poll_fn(move |context| {
            lock(&waiting).replace(context.waker().clone());
            if connection.is_closed() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Calls with each percentage of a job, as long as what it returns is kept.
    pub(super) fn percentages(&self, job: &str, told: impl Fn(u8) + 'static) -> gio::SignalSubscription {
        let flags = gio::DBusSignalFlags::NONE;
        let name = Some("PropertiesChanged");
        self.0.subscribe_to_signal(Some(SERVICE), Some(PROPERTIES), name, Some(job), Some(JOB), flags, move |signal| {
            let changed = signal.parameters.get::<(String, Properties, Vec<String>)>();
            let percent = changed.and_then(|(_, changed, _)| changed.get("Percent")?.get());
            percent.into_iter().for_each(&told);
        })
    }
}

/// Why a call has no answer.
pub(super) struct Unanswered {
    /// The service has not done it, and never will. Otherwise nobody knows.
    pub(super) is_refused: bool,
    pub(super) failure: Failure,
}

impl Unanswered {
    fn of(error: glib::Error) -> Self {
        // What the bus says in the place of a service that has ended.
        let is_refused = gio::DBusError::is_remote_error(&error) && !error.matches(gio::DBusError::NoReply);
        Self { is_refused, failure: failure(error) }
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.failure
    }
}

/// A password is asked for where that is enough.
const INTERACTIVE: gio::DBusCallFlags = gio::DBusCallFlags::ALLOW_INTERACTIVE_AUTHORIZATION;
/// The end of a job, and a person with a password, can take as long as they want.
const NO_LIMIT: i32 = i32::MAX;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer<T: FromVariant>(answer: &Variant) -> Result<T, Failure> {
    answer.get().ok_or_else(|| unexpected(answer.type_().as_str()))
}

/// The service has answered something else than what is known of it.
pub(super) fn unexpected(what: &str) -> Failure {
    let said = gettext("The service xenlightd is of another version than this program: it answers with {what}");
    Failure::new(with(said, &[("what", what)]))
}

/// Why the service is not on the bus, with what is to be done.
fn missing(error: &glib::Error) -> Failure {
    let summary = gettext(
        "Only root can use libxl. For all others there is the service xenlightd, which is not on the system bus: install and start it, or run this program as root.",
    );
    Failure { details: format!("{summary}\n{}", error.message()), ..Failure::new(summary) }
}

/// What the error of a call means.
pub(super) fn failure(mut error: glib::Error) -> Failure {
    let name = gio::DBusError::remote_error(&error).map(String::from).unwrap_or_default();
    gio::DBusError::strip_remote_error(&mut error);
    let said = error.message().to_owned();
    let summary = match name.strip_prefix("org.osevent.Xen1.Error.") {
        Some("NotAuthorized") => gettext(
            "You are not authorised to do this. Authenticate as an administrator, or have one allow it by a rule of polkit.",
        ),
        Some("AuthorityMissing") => {
            gettext("The service asks polkit who may do this, and polkit does not answer. Is it installed and running?")
        }
        Some(_) => said.clone(),
        None if is_end(&error) => gettext("The service xenlightd has ended, and this with it"),
        None if error.matches(gio::DBusError::UnknownMethod) => gettext("The service xenlightd is too old for this"),
        None => said.clone(),
    };
    let details = if name.is_empty() { said } else { format!("{said}\n{name}") };
    Failure { summary, details, is_abort: name == "org.osevent.Xen1.Error.Cancelled" }
}

/// Whether there is nobody any more who could answer.
fn is_end(error: &glib::Error) -> bool {
    use gio::DBusError::{Disconnected, NameHasNoOwner, NoReply, ServiceUnknown};
    [Disconnected, NameHasNoOwner, NoReply, ServiceUnknown].into_iter().any(|kind| error.matches(kind))
        || error.matches(gio::IOErrorEnum::Closed)
}
