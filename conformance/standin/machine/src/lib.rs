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
//! The actions of a program on a domain change this machine, too. But libxl's watches only fire for actions of this process.

mod running;

pub use running::Running;

use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use osevent_standin_xenstored::{Server, libxencall_in};
use tempfile::TempDir;

/// A simulated machine with domain 0. Dropping it ends its xenstored; programs that still run lose their connection.
#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
    store: Server,
    /// The table of domains, laid out as `include/osevent_xencall.h` of the stand-in says.
    table: File,
    standin: PathBuf,
}

/// The error of a machine.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A table's word for a domain that exists.
const EXISTS: u64 = 1 << 32;
/// XEN_DOMINF_shutdown
const SHUTDOWN: u64 = 1 << 2;
/// XEN_DOMINF_blocked
const BLOCKED: u64 = 1 << 4;
const REASON_SHIFT: u32 = 16;
/// Where the counter of hypercalls is in the table: after as many words as there can be domains.
const HYPERCALLS: u64 = 0x7ff0;

impl Machine {
    /// Creates a machine.
    ///
    /// # Errors
    /// The stand-in for libxencall is not next to this program, where cargo puts it for crates that depend on this one; or files
    /// cannot be created.
    pub fn new() -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let folder = program.parent().ok_or("this program lies in no folder")?;
        let standin = libxencall_in(folder)?.ok_or_else(|| {
            format!("the stand-in for libxencall is not there: {}", folder.join("libxencall.so").display())
        })?;
        let folder = tempfile::tempdir()?;
        let store = Server::bind(folder.path().join("xenstored"))?;
        let table = File::options().read(true).write(true).create_new(true).open(folder.path().join("domains"))?;
        // As large as the stand-in's: domains and three counters.
        table.set_len((HYPERCALLS + 3) * 8)?;
        let machine = Self { folder, store, table, standin };
        machine.set(0, EXISTS | BLOCKED)?;
        Ok(machine)
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
        self.set(domid, EXISTS | BLOCKED)
    }

    /// Shuts the domain down, with Xen's number of the reason.
    ///
    /// # Errors
    /// The same as for [`add_domain`](Self::add_domain).
    pub fn shut_down(&self, domid: u32, reason: u8) -> Result<(), Failure> {
        self.set(domid, EXISTS | SHUTDOWN | u64::from(reason) << REASON_SHIFT)?;
        self.announce()
    }

    /// Removes the domain.
    ///
    /// # Errors
    /// The same as for [`add_domain`](Self::add_domain).
    pub fn destroy(&self, domid: u32) -> Result<(), Failure> {
        self.set(domid, 0)?;
        self.announce()
    }

    /// The number of hypercalls that the programs have requested.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn hypercalls(&self) -> Result<u64, Failure> {
        let mut word = [0; 8];
        self.table.read_exact_at(&mut word, HYPERCALLS * 8)?;
        Ok(u64::from_ne_bytes(word))
    }

    /// The simulated xenstored.
    pub fn store(&self) -> &Server {
        &self.store
    }

    fn set(&self, domid: u32, word: u64) -> Result<(), Failure> {
        Ok(self.table.write_all_at(&word.to_ne_bytes(), u64::from(domid) * 8)?)
    }

    fn announce(&self) -> Result<(), Failure> {
        Ok(self.store.fire_special("@releaseDomain")?)
    }
}

/// The guide's programs.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/testing-your-program.md")]
mod guide {}
