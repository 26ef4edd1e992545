//! The installed libxl without a hypervisor: stand-ins for libxencall, preloaded, and for xenstored, in this process.

use crate::tiers;
use crate::tiers::xen::{self, Type};
use anyhow::{Context, bail, ensure};
use libloading::os::unix::Library;
use osevent_conformance::isolated::wait;
use osevent_conformance::standin::{Preparation, SOCKET, TABLE};
use osevent_epoll::Reactor;
use osevent_standin_hypervisor::{Hypervisor, NewDomain};
use osevent_standin_machine::{Player, add_nic};
use osevent_standin_xenstored::{Fate, Server};
use std::ffi::c_int;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use xenlight::types::{Machine, Pv};
use xenlight::{Ctx, DomainConfig, DomainId, DomainInfo};

/// The argument for the process that probes. The program may be a [`Suite`](osevent_conformance::Suite) of other people's.
pub(crate) const PROBE: &str = "--probe";
/// All parts of the stand-in: no hypercall can reach a real Xen.
const ALL_IN_FORCE: u32 = 0x1f;

/// The folder that libxl has instead of /var/lib/xen.
const STATE: &str = "OSEVENT_XENCALL_STATE_DIR";

/// Flags of a pretend domain, `XEN_DOMINF_*`.
const DYING: u32 = 1 << 0;
const SHUTDOWN: u32 = 1 << 2;
const PAUSED: u32 = 1 << 3;
const BLOCKED: u32 = 1 << 4;
const REASON_SHIFT: u32 = 16;

/// The pretend domains that are there at the start.
pub(crate) const DOMAINS: [DomainId; 2] = [FIVE, SEVEN];
pub(crate) const FIVE: DomainId = DomainId::new(5);
pub(crate) const SEVEN: DomainId = DomainId::new(7);

/// Looks, in a process of its own, whether libxl and the stand-ins go together.
///
/// # Errors
/// They do not, and why; or one of them hangs.
pub(crate) fn probe_apart(preparation: &Preparation, libxl: Option<&Path>, patience: Duration) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no folder for the stand-ins' files")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(PROBE).envs(preparation.environment(folder.path())).stdin(Stdio::null());
    if let Some(libxl) = libxl {
        command.arg("--libxl").arg(libxl);
    }
    let said = folder.path().join("said");
    command.stdout(Stdio::null()).stderr(File::create(&said)?);
    let mut looks = command.spawn().context("cannot start this program once more")?;
    let status = wait(&mut looks, patience)?;
    let words = std::fs::read(&said).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let words = words.trim().trim_start_matches("osevent-conformance: ");
    let Some(status) = status else {
        bail!(
            "libxl hangs above the stand-ins: it has not listed the pretend domains and closed its ctx within {patience:?}. {words}"
        )
    };
    ensure!(status.success(), "libxl and the stand-ins below it do not go together: {words}");
    Ok(())
}

/// Has libxl list the pretend domains; fails where the stand-in does not speak the version of Xen's interface that libxl wants.
pub(crate) fn probe(libxl: Option<&Path>) -> anyhow::Result<()> {
    let library = tiers::library(libxl)?;
    let pretend = Pretend::start()?;
    let ctx = Ctx::open(&library, Reactor::new()?)?;
    let listed = ctx.domains();
    let speaks = listed.as_ref().is_ok_and(|domains| domains.len() == 1 + DOMAINS.len());
    // SAFETY: the stand-in's function, callable from any thread.
    let unknown = unsafe { (pretend.standin.unknown_version)() };
    ensure!(
        unknown == 0,
        "libxl {} wants version {:#x} of Xen's {}, which the stand-in for libxencall does not speak: it knows those of Xen \
         4.14 to 4.22",
        library.release(),
        unknown as u32,
        if unknown & 1 << 32 == 0 { "sysctl" } else { "domctl" }
    );
    ensure!(speaks, "libxl {} does not list the pretend domains: {listed:?}", library.release());
    Ok(ctx.close_blocking()?)
}

/// The pretend machine, in this process.
pub(crate) struct Pretend {
    /// Only in cases whose domains are created: in others, nobody answers. It ends before what it plays on.
    player: Option<Player>,
    pub(crate) store: Arc<Server>,
    pub(crate) hypervisor: Arc<Hypervisor>,
    standin: Standin,
    /// Of the case's domains.
    kind: Type,
    kernel: PathBuf,
}

impl Pretend {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let standin = Standin::find()?;
        let in_force = standin.in_force();
        ensure!(
            in_force == ALL_IN_FORCE,
            "the stand-in for libxencall is not fully in force ({in_force:#x}): libxl could reach a real Xen"
        );
        let socket = std::env::var_os(SOCKET).with_context(|| format!("{SOCKET} is not set"))?;
        let store = Arc::new(Server::bind(socket)?);
        let table = std::env::var_os(TABLE).with_context(|| format!("{TABLE} is not set"))?;
        let hypervisor = Arc::new(Hypervisor::at(table.as_ref())?);
        // SAFETY: the stand-in keeps this fd open as long as the process lives.
        let events = unsafe { BorrowedFd::borrow_raw(standin.dom_exc_fd()) };
        store.release_on(events.try_clone_to_owned()?);
        let domain = standin.domain;
        // SAFETY: the stand-in's function, callable from any thread.
        store.look_before_release(move |domid| Fate::of(u32::try_from(unsafe { domain(domid) }).ok()));
        let pretend = Self { player: None, store, hypervisor, standin, kind: Type::Pv, kernel: PathBuf::new() };
        pretend.set_domain(DomainId::DOM0, BLOCKED);
        for domid in DOMAINS {
            pretend.add_domain(domid)?;
        }
        Ok(pretend)
    }

    /// As `start`; if the case creates domains, of that type, what runs in them is played.
    pub(crate) fn start_with(folder: &Path, domains: Option<Type>) -> anyhow::Result<Self> {
        let mut pretend = Self::start()?;
        if let Some(kind) = domains {
            pretend.kind = kind;
            pretend.kernel = folder.join("kernel");
            std::fs::write(&pretend.kernel, osevent_domains::kernel::idle())?;
            pretend.player = Some(Player::start(pretend.store.clone(), pretend.hypervisor.clone())?);
        }
        Ok(pretend)
    }

    /// The configuration of a domain with that name, which answers once it runs.
    pub(crate) fn config(&self, name: &str) -> anyhow::Result<DomainConfig> {
        ensure!(self.player.is_some(), "this case is not for domains that are created");
        let kernel = self.kernel.to_str().context("the temporary folder's path is no UTF-8")?;
        Ok(DomainConfig::from_json(&xen::small(self.kind, name, kernel, xen::SMALL).to_string())?)
    }

    /// A domain that idles.
    pub(crate) fn add_domain(&self, domid: DomainId) -> anyhow::Result<()> {
        self.store.write(&format!("/local/domain/{domid}/name"), format!("pretend-{domid}").as_bytes())?;
        self.set_domain(domid, BLOCKED);
        self.store.introduce(domid.get());
        Ok(())
    }

    /// The domain is gone, and another one has its number.
    pub(crate) fn replace(&self, domid: DomainId, uuid: [u8; 16]) -> anyhow::Result<()> {
        let mut new = NewDomain::new(uuid);
        new.domid = Some(domid.get());
        self.remove(domid);
        self.hypervisor.create(&new).context("the number is taken")?;
        self.add_domain(domid)
    }

    /// Another process makes a domain, which xenstored is not told of: it is paused, and has not run.
    pub(crate) fn begin_domain(&self, domid: DomainId) {
        self.set_domain(domid, PAUSED);
    }

    /// Another process destroys the domain, whose memory is still in use.
    pub(crate) fn begin_destroy(&self, domid: DomainId) {
        self.set_domain(domid, DYING);
    }

    /// libxl's own file about a domain, which it keeps from the creation on and enters devices into. Those that were
    /// added here have none.
    pub(crate) fn keep_configuration(&self, info: &DomainInfo) -> anyhow::Result<()> {
        let DomainInfo { domid, uuid, .. } = info;
        let file = self.state_folder()?.join(format!("userdata-d.{domid}.{uuid}.libxl-json"));
        let config = DomainConfig::new(format!("pretend-{domid}"), Machine::Pv(Pv::default()));
        std::fs::write(file, config.to_json() + "\0")?;
        Ok(())
    }

    /// Where libxl keeps its files.
    pub(crate) fn state_folder(&self) -> anyhow::Result<PathBuf> {
        Ok(std::env::var_os(STATE).with_context(|| format!("{STATE} is not set"))?.into())
    }

    /// Another process shuts the domain down, with Xen's number of the reason.
    pub(crate) fn shut_down(&self, domid: DomainId, reason: u32) -> anyhow::Result<()> {
        let set_domain = self.standin.set_domain;
        self.elsewhere(move || {
            // SAFETY: the stand-in's function, which takes no lock and changes memory that is shared
            // with this child.
            unsafe { set_domain(domid.get(), SHUTDOWN | reason << REASON_SHIFT) }
        })
    }

    /// The domain is gone, as if another process had destroyed it.
    pub(crate) fn remove(&self, domid: DomainId) {
        // SAFETY: the stand-in's function, callable from any thread.
        unsafe { (self.standin.remove_domain)(domid.get()) };
    }

    /// Another process destroys the domain.
    pub(crate) fn destroy(&self, domid: DomainId) -> anyhow::Result<()> {
        let remove_domain = self.standin.remove_domain;
        // SAFETY: as above.
        self.elsewhere(move || unsafe { remove_domain(domid.get()) })
    }

    /// Libxl's clock.
    pub(crate) fn clock(&self) -> Clock {
        Clock(self.standin.set_clock_skew_ms)
    }

    pub(crate) fn hypercalls(&self) -> u64 {
        // SAFETY: the stand-in's function, callable from any thread.
        unsafe { (self.standin.hypercalls)() }
    }

    /// A network device of the domain, whose hotplug script is `script`; the backend driver is up to the case.
    pub(crate) fn add_nic(&self, domid: DomainId, devid: u32, script: &Path) -> anyhow::Result<()> {
        let script = script.to_str().context("the script's path is no UTF-8")?;
        Ok(add_nic(&self.store, domid.get(), devid, script)?)
    }

    /// The backend driver waits for the frontend.
    pub(crate) fn bring_up_backend(&self, domid: DomainId, devid: u32) -> anyhow::Result<()> {
        self.set_backend(domid, devid, b"2")
    }

    /// The backend driver has let go of the device.
    pub(crate) fn close_backend(&self, domid: DomainId, devid: u32) -> anyhow::Result<()> {
        self.set_backend(domid, devid, b"6")
    }

    fn set_backend(&self, domid: DomainId, devid: u32, state: &[u8]) -> anyhow::Result<()> {
        Ok(self.store.write(&format!("/local/domain/0/backend/vif/{domid}/{devid}/state"), state)?)
    }

    fn set_domain(&self, domid: DomainId, flags: u32) {
        // SAFETY: the stand-in's function, callable from any thread.
        unsafe { (self.standin.set_domain)(domid.get(), flags) };
    }

    /// Does it in a child process, and waits for that.
    fn elsewhere(&self, act: impl Fn() -> c_int + Send + Sync + 'static) -> anyhow::Result<()> {
        let mut child = Command::new("/bin/true");
        // SAFETY: `act` is async-signal-safe: it changes shared memory and writes to an eventfd.
        unsafe {
            child.pre_exec(move || if act() == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) });
        }
        let status = child.status().context("the pretend domain could not be changed")?;
        ensure!(status.success(), "the child that changed the pretend domain ended with {status}");
        Ok(())
    }
}

/// gettimeofday(2), as this process sees it.
#[derive(Clone, Copy)]
pub(crate) struct Clock(unsafe extern "C" fn(i64));

impl Clock {
    /// How far it lags: libxl's timeouts are due that much earlier.
    pub(crate) fn set_lag_ms(self, ms: i64) {
        // SAFETY: the stand-in's function, callable from any thread.
        unsafe { (self.0)(ms) };
    }
}

/// The control functions of the stand-in, which is loaded for as long as this process lives.
struct Standin {
    set_domain: unsafe extern "C" fn(u32, u32) -> c_int,
    domain: unsafe extern "C" fn(u32) -> i64,
    remove_domain: unsafe extern "C" fn(u32) -> c_int,
    set_clock_skew_ms: unsafe extern "C" fn(i64),
    hypercalls: unsafe extern "C" fn() -> u64,
    in_force: unsafe extern "C" fn() -> u32,
    unknown_version: unsafe extern "C" fn() -> u64,
    dom_exc_fd: unsafe extern "C" fn() -> c_int,
}

impl Standin {
    fn find() -> anyhow::Result<Self> {
        let program = Library::this();
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: include/osevent_xencall.h declares it with this type; a preloaded library is never unloaded.
                *unsafe { program.get($name) }.context("the stand-in for libxencall is not preloaded")?
            };
        }
        Ok(Self {
            set_domain: function!("osevent_xencall_set_domain"),
            domain: function!("osevent_xencall_domain"),
            remove_domain: function!("osevent_xencall_remove_domain"),
            set_clock_skew_ms: function!("osevent_xencall_set_clock_skew_ms"),
            hypercalls: function!("osevent_xencall_hypercalls"),
            in_force: function!("osevent_xencall_in_force"),
            unknown_version: function!("osevent_xencall_unknown_version"),
            dom_exc_fd: function!("osevent_xencall_dom_exc_fd"),
        })
    }

    fn in_force(&self) -> u32 {
        // SAFETY: callable from any thread.
        unsafe { (self.in_force)() }
    }

    fn dom_exc_fd(&self) -> c_int {
        // SAFETY: callable from any thread.
        unsafe { (self.dom_exc_fd)() }
    }
}
