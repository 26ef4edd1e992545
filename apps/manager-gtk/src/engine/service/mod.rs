//! A Xen host, by the service xenlightd: for all who are not root.
//!
//! It needs no libxl. Each call is decided on by polkit, which may ask for a password, and what takes its time is a job of the service's, which
//! goes on when this program ends.

mod bus;
mod devices;
mod domains;
mod files;
mod host;

use super::editing::{MEMORY, NAME};
use super::work::Steps;
use super::{Action, Change, Config, Editable, Failure, Host, Opened, Screen, Starting, Usage, Work};
use crate::i18n::{gettext, with};
use bus::{Bus, DOMAIN, HOST, JOB, MANAGER, Properties, unexpected};
use domains::{Domains, Signal};
use futures_lite::{StreamExt, stream};
use gtk::glib;
use gtk::glib::Variant;
use gtk::glib::prelude::*;
use gtk::glib::variant::ObjectPath;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A connection to the service.
#[derive(Clone)]
pub(crate) struct Service {
    bus: Bus,
    /// As they were told last.
    domains: Rc<RefCell<Domains>>,
    versions: Rc<str>,
}

impl Service {
    /// Connects to the service.
    pub(super) async fn open(starting: Starting) -> Result<Opened<Self>, Failure> {
        let bus = Bus::connect(starting).await?;
        // Before the domains are read, so that no change is missed.
        let (signals, presence) = (Signal::stream(&bus), bus.presence());
        let domains = Domains::read(&bus).await?;
        let host = bus.properties(HOST, MANAGER).await?;
        let text = |name: &str| host.get(name).and_then(Variant::get::<String>).unwrap_or_default();
        let names = [("xen", text("XenVersion")), ("libxl", text("LibxlVersion")), ("service", text("Version"))];
        let versions =
            with("Xen {xen}, libxl {libxl}, xenlightd {service}".to_owned(), &names.each_ref().map(borrowed));
        let trouble = Some(text("Trouble")).filter(|trouble| !trouble.is_empty()).map(Change::Stale);
        let records = domains.records();
        let domains = Rc::new(RefCell::new(domains));
        let told = domains.clone();
        let changes = signals.map(move |signal| stream::iter(told.borrow_mut().take(signal))).flatten();
        let presence = presence.map(|is_there| {
            if is_there { Change::Fresh } else { Change::Stale(gettext("the service xenlightd has ended")) }
        });
        let changes = stream::iter(trouble).chain(stream::or(changes, presence));
        let changes = stream::stop_after_future(changes, bus.closed());
        let engine = Self { bus, domains, versions: versions.into() };
        Ok(Opened { engine, domains: records, changes: Box::pin(changes) })
    }

    /// Why the service cannot do something.
    pub(super) fn lack() -> Failure {
        Failure::new(gettext("The service xenlightd does not offer this. It needs this program to be run as root."))
    }

    pub(super) fn versions(&self) -> String {
        self.versions.to_string()
    }

    pub(super) fn refresh(&self) {
        let bus = self.bus.clone();
        glib::spawn_future_local(async move {
            // Where this is not possible, the changes tell why. Nobody waits for it.
            let _ = bus.read::<()>(HOST, MANAGER, "Refresh", None).await;
        });
    }

    pub(super) fn act(&self, domid: u32, action: Action) -> Work {
        let method = match action {
            Action::Pause => "Pause",
            Action::Unpause => "Unpause",
            Action::ShutDown => "Shutdown",
            Action::Reboot => "Reboot",
            Action::PowerButton => "PressPowerButton",
            Action::Reset => "Reset",
            Action::Destroy => "Destroy",
        };
        self.job(domid, method, None)
    }

    pub(super) fn rename(&self, domid: u32, name: String) -> Work {
        self.ask(domid, "Rename", (name,).to_variant())
    }

    pub(super) fn memory_limit(&self, domid: u32) -> Option<u64> {
        self.domains.borrow().memory_limit(domid)
    }

    pub(super) fn set_memory(&self, domid: u32, kib: u64) -> Work {
        self.ask(domid, "SetMemoryTarget", (kib,).to_variant())
    }

    pub(super) fn set_vcpus(&self, domid: u32, count: u32) -> Work {
        self.ask(domid, "SetVcpusOnline", (count,).to_variant())
    }

    pub(super) async fn editable(&self, domid: u32) -> Result<Editable, Failure> {
        let (text,): (String,) = self.bus.call(&self.path(domid)?, DOMAIN, "GetConfiguration", None).await?;
        let present = Config::read(&text).map_err(Failure::new)?.config;
        Ok(Editable { present, unsayable: Vec::new(), waiting: None })
    }

    /// What waits for a restart cannot be noted by the service, so such an edit is refused as a whole.
    pub(super) fn edit(&self, domid: u32, from: &Config, to: Config) -> Work {
        let edits = from.edits(&to);
        if let Some(later) = edits.iter().find(|edit| !edit.is_at_once) {
            let said = gettext(
                "{path} waits for the next start, and the service xenlightd cannot note that. It needs this program to be run as root.",
            );
            return Work::failed(Failure::new(with(said, &[("path", &later.path)])));
        }
        let service = self.clone();
        Work::steps(move |steps| async move {
            // What is set at once is set in the configuration.
            let kib = to.0.build_info.target_memory_kib.unwrap_or_default();
            for edit in edits {
                steps.go_on()?;
                match edit.path.as_str() {
                    NAME => service.rename(domid, to.name().to_owned()),
                    MEMORY => service.set_memory(domid, kib),
                    _ => {
                        let count = to.0.build_info.avail_vcpus.len();
                        service.set_vcpus(domid, u32::try_from(count).unwrap_or(u32::MAX))
                    }
                }
                .end()
                .await?;
            }
            Ok(())
        })
    }

    pub(super) async fn console(&self, domid: u32) -> Result<File, Failure> {
        self.bus.take_file(&self.path(domid)?, "OpenConsole").await
    }

    /// The VNC server of a domain's screen, if it has one. Its password is for the viewer to ask for.
    pub(super) async fn screen(&self, domid: u32) -> Result<Option<Screen>, Failure> {
        let (host, port): (String, u16) = self.bus.call(&self.path(domid)?, DOMAIN, "GetScreen", None).await?;
        Ok((port > 0).then(|| Screen::new(host, port)))
    }

    pub(super) async fn host(&self) -> Result<Host, Failure> {
        let (described,): (Properties,) = self.bus.read(HOST, MANAGER, "ReadHost", None).await?;
        host::read(&described).ok_or_else(|| unexpected("ReadHost"))
    }

    pub(super) async fn usage(&self) -> Result<Usage, Failure> {
        let at = Instant::now();
        let (times,): (HashMap<u32, u64>,) = self.bus.read(HOST, MANAGER, "ReadProcessorTimes", None).await?;
        let of_domains = times.into_iter().map(|(domid, time)| (domid, Duration::from_nanos(time))).collect();
        Ok(Usage { at, of_domains })
    }

    /// What a method of a domain begins.
    fn job(&self, domid: u32, method: &'static str, parameters: Option<Variant>) -> Work {
        let service = self.clone();
        Work::steps(move |steps| async move {
            let (job,) = service.bus.call(&service.path(domid)?, DOMAIN, method, parameters.as_ref()).await?;
            service.wait_for(job, &steps).await
        })
    }

    fn ask(&self, domid: u32, method: &'static str, parameters: Variant) -> Work {
        let service = self.clone();
        // A person may be asked for a password, so it can be aborted.
        Work::steps(
            move |_| async move { service.bus.call(&service.path(domid)?, DOMAIN, method, Some(&parameters)).await },
        )
    }

    /// The path of the object of a domain.
    fn path(&self, domid: u32) -> Result<String, Failure> {
        self.domains.borrow().path(domid).ok_or_else(|| Failure::new(gettext("The domain is gone")))
    }

    /// Waits for the end of a job, tells its percentage, and cancels it if the work is aborted.
    async fn wait_for(&self, job: ObjectPath, steps: &Steps) -> Result<(), Failure> {
        let (told, cancelling, job) = (steps.clone(), self.bus.clone(), job.as_str().to_owned());
        let percentages = self.bus.percentages(&job, move |percent| told.tell(percent));
        let waited = async {
            // What it had got to before that is not told again.
            let now = self.bus.properties(&job, JOB).await.ok();
            let percent = now.and_then(|now| now.get("Percent")?.get()).filter(|percent| *percent > 0);
            percent.into_iter().for_each(|percent| steps.tell(percent));
            self.bus.read::<()>(&job, JOB, "Wait", None).await
        };
        let cancelled = job.clone();
        let cancel = move || {
            let (bus, job) = (cancelling.clone(), cancelled.clone());
            glib::spawn_future_local(async move {
                // If this is refused, it goes on to its end, and that is told.
                let _ = bus.call::<()>(&job, JOB, "Cancel", None).await;
            });
        };
        let ended = steps.until(waited, cancel).await;
        drop(percentages);
        let Err(mut failure) = ended else { return Ok(()) };
        // Its object stays for a while. Without it, the error's own text has to do.
        let (_, words): (String, Vec<String>) = self.bus.read(&job, JOB, "GetFailure", None).await.unwrap_or_default();
        words.iter().for_each(|line| failure.details.push_str(&format!("\nlibxl: {line}")));
        Err(failure)
    }
}

fn borrowed<'a>((name, value): &'a (&'a str, String)) -> (&'a str, &'a str) {
    (name, value)
}
