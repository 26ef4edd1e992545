//! The two ways to a host.

use super::service::Service;
use super::xen::Xen;
use super::{
    Action, Attached, Config, Devices, Editable, Failure, Host, NewDevice, OfHost, Opened, Screen, State, Usage, Work,
};
use rustix::process::geteuid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection to the host that this program runs on.
#[derive(Clone)]
pub(crate) enum Engine {
    /// By xenlight, in this process.
    Xen(Xen),
    /// By the service xenlightd, for all who are not root.
    Service(Service),
}

/// Whether a service that does not run is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starting {
    /// As somebody has opened the window.
    IfStopped,
    /// Its administrator may have stopped it.
    Never,
}

/// Whether a person may be asked for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// As somebody has pressed a button.
    Allowed,
    /// It goes on by itself.
    Never,
}

impl Engine {
    /// Opens a connection: by xenlight, unless the service is wished for, or libxl cannot be opened and whoever runs this is not root.
    ///
    /// # Errors
    /// Where both cannot be opened, the summary is the service's, and the details have both.
    pub(crate) async fn open(by_service: bool, starting: Starting) -> Result<Opened<Self>, Failure> {
        let by_xen = match by_service {
            true => None,
            false => Some(Xen::open().await),
        };
        match by_xen {
            Some(Ok(opened)) => Ok(opened.map(Self::Xen)),
            Some(Err(failure)) if geteuid().is_root() => Err(failure),
            other => match (Service::open(starting).await, other) {
                (Ok(opened), _) => Ok(opened.map(Self::Service)),
                (Err(failure), Some(Err(of_xen))) => {
                    Err(Failure { details: format!("{}\n\n{}", failure.details, of_xen.details), ..failure })
                }
                (Err(failure), _) => Err(failure),
            },
        }
    }

    /// Why domains cannot be made to start with the host by this connection, if they cannot.
    pub(crate) fn lacks_start_with_host(&self) -> Option<String> {
        match self {
            Self::Xen(_) => None,
            Self::Service(_) => Some(Service::lack().summary),
        }
    }

    /// Has the domains looked at, for what Xen does not tell: that another program has paused one. What has changed is in the changes.
    pub(crate) fn refresh(&self) {
        match self {
            Self::Xen(xen) => xen.refresh(),
            Self::Service(service) => service.refresh(),
        }
    }

    /// The versions of Xen and libxl, for a report.
    pub(crate) fn versions(&self) -> String {
        match self {
            Self::Xen(xen) => xen.versions(),
            Self::Service(service) => service.versions(),
        }
    }

    /// How long to wait for the end of what is aborted before the connection is closed. The service may refuse an abort, and goes on to
    /// the end by itself; what this program does stays half done without it.
    pub(crate) fn patience(&self) -> Option<Duration> {
        const OF_SERVICE: Duration = Duration::from_secs(5);
        match self {
            Self::Xen(_) => None,
            Self::Service(_) => Some(OF_SERVICE),
        }
    }

    /// Lets go of the host.
    pub(crate) async fn close(&self) {
        match self {
            Self::Xen(xen) => xen.close().await,
            Self::Service(_) => {}
        }
    }

    /// Begins something with a domain.
    pub(crate) fn act(&self, domid: u32, action: Action) -> Work {
        match self {
            Self::Xen(xen) => xen.act(domid, action),
            Self::Service(service) => service.act(domid, action).left_if_aborted(),
        }
    }

    /// Gives a domain another name.
    pub(crate) fn rename(&self, domid: u32, name: String) -> Work {
        match self {
            Self::Xen(xen) => xen.rename(domid, name),
            Self::Service(service) => service.rename(domid, name).left_if_aborted(),
        }
    }

    /// Such as PVH: what a domain was created as, if that can be known. Over the service, it would take a password.
    pub(crate) async fn kind(&self, domid: u32) -> Option<String> {
        match self {
            Self::Xen(xen) => xen.kind(domid).await,
            Self::Service(_) => None,
        }
    }

    /// The most memory that a domain can have, in KiB: it was created for that.
    pub(crate) async fn memory_limit(&self, domid: u32) -> Result<Option<u64>, Failure> {
        match self {
            Self::Xen(xen) => xen.memory_limit(domid).await,
            Self::Service(service) => Ok(service.memory_limit(domid)),
        }
    }

    /// Has a domain use more or less memory.
    pub(crate) fn set_memory(&self, domid: u32, kib: u64) -> Work {
        match self {
            Self::Xen(xen) => xen.set_memory(domid, kib),
            Self::Service(service) => service.set_memory(domid, kib).left_if_aborted(),
        }
    }

    /// Has a domain use so many of its virtual CPUs.
    pub(crate) fn set_vcpus(&self, domid: u32, count: u32) -> Work {
        match self {
            Self::Xen(xen) => xen.set_vcpus(domid, count),
            Self::Service(service) => service.set_vcpus(domid, count).left_if_aborted(),
        }
    }

    /// Saves a domain into a file, and ends it. If that fails, it goes on, and the file is removed.
    pub(crate) fn save(&self, domid: u32, path: PathBuf) -> Work {
        match self {
            Self::Xen(xen) => xen.save(domid, path),
            Self::Service(service) => service.save(domid, path).left_if_aborted(),
        }
    }

    /// Creates the domain of a configuration, of xl's or as JSON, or restores a saved one; then it runs.
    pub(crate) fn open_file(&self, path: PathBuf) -> Work {
        match self {
            // A file can be on a disk that does not answer.
            Self::Xen(xen) => xen.open_file(path).left_if_aborted(),
            Self::Service(service) => service.open_file(path).left_if_aborted(),
        }
    }

    /// Creates a domain; then it runs.
    pub(crate) fn create(&self, config: Config) -> Work {
        match self {
            Self::Xen(xen) => xen.create(config),
            Self::Service(service) => service.create(config).left_if_aborted(),
        }
    }

    /// Looks for what would keep a domain from being created, without creating it. The service looks when it creates it.
    pub(crate) async fn check(&self, config: Config) -> Result<(), Failure> {
        match self {
            Self::Xen(xen) => xen.check(config).await,
            Self::Service(_) => Ok(()),
        }
    }

    /// The configuration of a domain, and the one that waits.
    pub(crate) async fn editable(&self, domid: u32) -> Result<Editable, Failure> {
        match self {
            Self::Xen(xen) => xen.editable(domid).await,
            Self::Service(service) => service.editable(domid).await,
        }
    }

    /// Gives a domain another configuration: now what is possible, and the rest with its next start.
    pub(crate) fn edit(&self, domid: u32, from: Config, to: Config) -> Work {
        match self {
            Self::Xen(xen) => xen.edit(domid, from, to),
            Self::Service(service) => service.edit(domid, &from, to).left_if_aborted(),
        }
    }

    /// Does what the configuration of a domain says about its end, if this program made it and it has ended.
    pub(crate) fn after_end(&self, domid: u32, state: State) -> Option<Work> {
        match self {
            Self::Xen(xen) => xen.after_end(domid, state),
            Self::Service(_) => None,
        }
    }

    /// The devices that a domain has now. A person may be asked for a password only if that is wished for.
    pub(crate) async fn devices(&self, domid: u32, asking: Asking) -> Result<Devices, Failure> {
        match self {
            Self::Xen(xen) => xen.devices(domid).await,
            Self::Service(service) => service.devices(domid, asking).await,
        }
    }

    /// Gives a domain a device.
    pub(crate) fn attach(&self, domid: u32, device: NewDevice) -> Work {
        match self {
            Self::Xen(xen) => xen.attach(domid, device),
            Self::Service(service) => service.attach(domid, device).left_if_aborted(),
        }
    }

    /// Takes a device from a domain. A disk is not taken by force where libxl can do without.
    pub(crate) fn detach(&self, domid: u32, attached: &Attached) -> Work {
        match self {
            Self::Xen(xen) => xen.detach(domid, attached),
            Self::Service(service) => service.detach(domid, attached).left_if_aborted(),
        }
    }

    /// Puts the image of a disc into a drive; without one, takes out the disc that is there.
    pub(crate) fn change_disc(&self, domid: u32, drive: &Attached, image: Option<&Path>) -> Work {
        match self {
            Self::Xen(xen) => xen.change_disc(domid, drive, image),
            Self::Service(service) => service.change_disc(domid, drive, image).left_if_aborted(),
        }
    }

    /// The PCI devices of the host that can be given away.
    pub(crate) async fn host_pci(&self) -> Result<Vec<OfHost>, Failure> {
        match self {
            Self::Xen(xen) => xen.host_pci().await,
            Self::Service(service) => service.host_pci().await,
        }
    }

    /// The console of a domain. It does not block.
    pub(crate) async fn console(&self, domid: u32) -> Result<File, Failure> {
        match self {
            Self::Xen(xen) => xen.console(domid).await,
            Self::Service(service) => service.console(domid).await,
        }
    }

    /// The VNC server of a domain's screen, if it has one.
    pub(crate) async fn screen(&self, domid: u32) -> Result<Option<Screen>, Failure> {
        match self {
            Self::Xen(xen) => xen.screen(domid).await,
            Self::Service(service) => service.screen(domid).await,
        }
    }

    /// Whether a domain of this name starts with the host.
    pub(crate) async fn starts_with_host(&self, name: String) -> bool {
        match self {
            Self::Xen(xen) => xen.starts_with_host(name).await,
            Self::Service(_) => false,
        }
    }

    /// Has a domain start with the host: by a link to its configuration, which is written if there is none; or no longer: then the link
    /// goes, and the configuration stays.
    pub(crate) fn set_start_with_host(&self, domid: u32, name: String, is_on: bool) -> Work {
        match self {
            Self::Xen(xen) => xen.set_start_with_host(domid, name, is_on),
            Self::Service(_) => Work::failed(Service::lack()),
        }
    }

    /// Moves a domain to another host, whose `xl migrate-receive` the command starts. What the command says is a part of a failure.
    pub(crate) fn migrate(&self, domid: u32, command: Vec<String>, is_live: bool) -> Work {
        match self {
            Self::Xen(xen) => xen.migrate(domid, command, is_live),
            Self::Service(service) => service.migrate(domid, command, is_live).left_if_aborted(),
        }
    }

    /// What the host is, and has.
    pub(crate) async fn host(&self) -> Result<Host, Failure> {
        match self {
            Self::Xen(xen) => xen.host().await,
            Self::Service(service) => service.host().await,
        }
    }

    /// The processor time of each domain.
    pub(crate) async fn usage(&self) -> Result<Usage, Failure> {
        match self {
            Self::Xen(xen) => xen.usage().await,
            Self::Service(service) => service.usage().await,
        }
    }
}
