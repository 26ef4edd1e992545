//! A simulated Xen machine, on which unmodified programs run the installed libxl.
//!
//! [`Machine::command`] starts a program with the stand-in for libxencall preloaded. It connects to the stand-in for xenstored,
//! which runs in this process. So the program cannot reach a real Xen, and any user can run it. This process adds and
//! removes the domains.
//!
//! ```no_run
//! let machine = osevent_standin_machine::Machine::new()?;
//! machine.add_domain(5)?;
//! let mut program = machine.command("/usr/sbin/xl").arg("list").spawn()?;
//! machine.destroy(5)?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! A program can also create domains, PV and PVH. No code of theirs runs, but this process plays what a system in them would do: it
//! prints to the console, answers `help` and a few words more there, connects to devices, gives memory back, and ends when it is
//! asked to power off or reboot. A domain that runs consumes processor time.
//!
//! With the feature `demo`, a program can show itself on such a machine: see the module `demo`.

mod console;
#[cfg(feature = "demo")]
pub mod demo;
mod nic;
mod player;
mod running;

pub use nic::add_nic;
pub use player::Player;
pub use running::{Running, signal, with_errors};

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use osevent_standin_hypervisor::{BLOCKED, Hypervisor, REASON_SHIFT, SHUTDOWN};
use osevent_standin_xenstored::{Fate, Server, libxencall};
use tempfile::TempDir;

/// A simulated machine with domain 0. Dropping it ends its xenstored; programs that still run lose their connection.
#[derive(Debug)]
pub struct Machine {
    /// Ends before what it plays on.
    _player: Player,
    folder: TempDir,
    store: Arc<Server>,
    hypervisor: Arc<Hypervisor>,
    standin: PathBuf,
}

/// The error of a machine.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What domain 0 has: 2 GiB.
const DOM0_PAGES: u64 = 512 << 10;

impl Machine {
    /// Creates a machine.
    ///
    /// # Errors
    /// The stand-in for libxencall is not beside this program, where cargo puts it for crates that depend on this one, nor at the
    /// path in `OSEVENT_XENCALL`; or files cannot be created.
    pub fn new() -> Result<Self, Failure> {
        let standin = libxencall()?.ok_or(
            "the stand-in for libxencall, libxencall.so, is neither beside this program nor in ../lib/osevent, where the package \
             osevent-conformance installs it",
        )?;
        let folder = tempfile::tempdir()?;
        let store = Arc::new(Server::bind(folder.path().join("xenstored"))?);
        let hypervisor = Arc::new(Hypervisor::at(&folder.path().join("domains"))?);
        if let Some(ends) = hypervisor.ends() {
            store.release_on(ends.try_clone_to_owned()?);
        }
        let asked = hypervisor.clone();
        store.look_before_release(move |domid| Fate::of(asked.flags(domid)));
        hypervisor.set(0, BLOCKED)?;
        hypervisor.set_vcpus(0, 8)?;
        hypervisor.limit_pages(0, DOM0_PAGES)?;
        hypervisor.add_pages(0, DOM0_PAGES)?;
        let player = Player::start(store.clone(), hypervisor.clone())?;
        Ok(Self { _player: player, folder, store, hypervisor, standin })
    }

    /// Creates a command that runs `program` on this machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", &self.standin)
            .env("XENSTORED_PATH", self.store.path())
            .env("OSEVENT_XENCALL_STATE_DIR", self.folder.path())
            .env("OSEVENT_XENCALL_TABLE", self.folder.path().join("domains"));
        command
    }

    /// Adds an idle domain with the name `pretend-DOMID`.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn add_domain(&self, domid: u32) -> Result<(), Failure> {
        self.store.write(&format!("/local/domain/{domid}/name"), format!("pretend-{domid}").as_bytes())?;
        self.hypervisor.set(domid, BLOCKED)?;
        self.store.introduce(domid);
        Ok(())
    }

    /// Shuts the domain down, with Xen's number of the reason.
    ///
    /// # Errors
    /// The same as for [`add_domain`](Self::add_domain).
    pub fn shut_down(&self, domid: u32, reason: u8) -> Result<(), Failure> {
        Ok(self.hypervisor.change(domid, SHUTDOWN | u32::from(reason) << REASON_SHIFT, true).map(drop)?)
    }

    /// Removes the domain.
    ///
    /// # Errors
    /// The same as for [`add_domain`](Self::add_domain).
    pub fn destroy(&self, domid: u32) -> Result<(), Failure> {
        Ok(self.hypervisor.remove(domid)?)
    }

    /// The number of hypercalls that the programs have requested.
    pub fn hypercalls(&self) -> u64 {
        self.hypervisor.counters().hypercalls.load(Relaxed)
    }

    /// Where libxl keeps its files, in place of `/var/lib/xen`.
    pub fn state_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The simulated xenstored.
    pub fn store(&self) -> &Server {
        &self.store
    }
}

/// The guide's programs.
#[cfg(all(doctest, feature = "demo"))]
#[doc = include_str!("../../../../docs/testing-your-program.md")]
mod guide {}
