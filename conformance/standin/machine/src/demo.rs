//! A demonstration: a program shows what it does with domains, on a machine without Xen, as any user.
//!
//! [`enter`] is called first in `main`. The process becomes the machine, and runs the same program once more as a child, whose libxl
//! is on that machine. In the child, `enter` has libxl create the domains and returns [`Side::Program`].
//!
//! ```no_run
//! use osevent_standin_machine::demo::{self, Domain, Side};
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     if std::env::args().any(|argument| argument == "--demo") {
//!         match demo::enter(&[Domain::new("web").memory_mib(512).vcpus(2), Domain::new("spare").paused()]) {
//!             Ok(Side::Machine(code)) => return code,
//!             Ok(Side::Program) => {}
//!             Err(error) => {
//!                 eprintln!("the demonstration cannot start: {error}");
//!                 return ExitCode::FAILURE;
//!             }
//!         }
//!     }
//!     // Library::load(), Ctx::open(…) and so on: they are on the simulated machine.
//!     ExitCode::SUCCESS
//! }
//! ```
//!
//! The program needs no root, and cannot reach a real Xen: the child ends if the stand-in for libxencall is not fully in force. An
//! installed program needs libxencall.so of `osevent-standin-xencall` beside it, in `../lib/osevent`, or at the path in `OSEVENT_XENCALL`.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use libloading::os::unix::Library as Object;
use osevent_core::EventLoop;
use osevent_epoll::Reactor;
use xenlight::types::{DomainConfig, Machine as Kind, Pvh};
use xenlight::{Ctx, Library};

use crate::console::Console;
use crate::{Failure, Machine};

/// A domain that is there when the program starts.
#[derive(Clone, Debug)]
#[must_use]
pub struct Domain {
    name: String,
    memory_mib: u64,
    vcpus: u16,
    paused: bool,
}

impl Domain {
    /// A PVH domain with 128 MiB of memory and one virtual processor. It runs.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), memory_mib: 128, vcpus: 1, paused: false }
    }

    /// Its memory in MiB, 4 or more. The machine has 16 GiB, of which domain 0 has 2.
    pub fn memory_mib(self, memory_mib: u64) -> Self {
        Self { memory_mib, ..self }
    }

    /// How many virtual processors it has.
    pub fn vcpus(self, vcpus: u16) -> Self {
        Self { vcpus, ..self }
    }

    /// It is paused, as it was created.
    pub fn paused(self) -> Self {
        Self { paused: true, ..self }
    }

    fn config(&self, kernel: &str) -> DomainConfig {
        let mut config = DomainConfig::new(&*self.name, Kind::Pvh(Pvh::default()));
        let memory = self.memory_mib << 10;
        config.build_info = config.build_info.max_vcpus(self.vcpus.into()).max_memory_kib(memory).kernel(kernel);
        config
    }
}

/// Where a process is after [`enter`].
#[derive(Debug)]
#[must_use]
pub enum Side {
    /// It was the machine, and the program on it has ended: with this code.
    Machine(ExitCode),
    /// It is the program, on the machine.
    Program,
}

/// In the environment of the program: the folder with the kernel. The guide tells it to programs that do not link this crate.
const FOLDER: &str = "OSEVENT_DEMO_FOLDER";
/// The name of the kernel there.
const KERNEL: &str = "kernel";
/// All parts of the stand-in for libxencall: no hypercall can reach a real Xen.
const ALL_IN_FORCE: u32 = 0x1f;

/// Runs this program on a simulated machine; see the [module](self). Neither threads nor libxl may be there before.
///
/// # Errors
/// The stand-in for libxencall, libxl or pseudo-terminals are not there, or a domain cannot be created: libxl's reason.
pub fn enter(domains: &[Domain]) -> Result<Side, Failure> {
    match std::env::var_os(FOLDER) {
        Some(folder) => be_program(Path::new(&folder), domains).map(|()| Side::Program),
        None => be_machine().map(Side::Machine),
    }
}

/// A kernel for the configurations of further domains, PV or PVH, on the simulated machine. `None` outside of it.
pub fn kernel() -> Option<PathBuf> {
    Some(Path::new(&std::env::var_os(FOLDER)?).join(KERNEL))
}

fn be_machine() -> Result<ExitCode, Failure> {
    // Without one libxl waits for the first domain's, and then says only that the time is over.
    Console::open().map_err(|error| {
        format!(
            "no pseudo-terminal for the domains' consoles: {error}. A chroot or container needs /dev/ptmx and /dev/pts. As root: \
             mount -t devpts devpts /dev/pts"
        )
    })?;
    let machine = Machine::new()?;
    let folder = machine.folder.path();
    fs::write(folder.join(KERNEL), osevent_domains::kernel::idle())?;
    let mut command = machine.command(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(FOLDER, folder);
    pass_on_signals();
    let mut program = command.spawn()?;
    // Relaxed: the number publishes nothing else.
    PROGRAM.store(program.id() as i32, Relaxed);
    let status = program.wait()?;
    PROGRAM.store(0, Relaxed);
    let code = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal).or(status.code());
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn be_program(folder: &Path, domains: &[Domain]) -> Result<(), Failure> {
    // The machine may have ended before this was asked for; its xenstored is gone then.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    // SAFETY: the stand-in's header declares it so; a preloaded library is never unloaded.
    let in_force = unsafe { Object::this().get::<unsafe extern "C" fn() -> u32>(b"osevent_xencall_in_force") };
    // SAFETY: callable from any thread.
    let in_force = in_force.map_or(0, |in_force| unsafe { in_force() });
    if in_force != ALL_IN_FORCE {
        return Err(format!("the stand-in for libxencall is not fully in force ({in_force:#x})").into());
    }
    let kernel = folder.join(KERNEL);
    let kernel = kernel.to_str().ok_or("the path of the folder for temporary files is not UTF-8")?;
    let event_loop = Reactor::new()?;
    let ctx = Ctx::open(&Library::load()?, event_loop.clone())?;
    for domain in domains {
        let domid = wait(&event_loop, ctx.create(&domain.config(kernel)))??;
        if !domain.paused {
            wait(&event_loop, ctx.unpause(domid))??;
        }
    }
    Ok(ctx.close_blocking()?)
}

/// Runs the loop until the operation has ended.
fn wait<T>(event_loop: &Arc<Reactor>, operation: impl Future<Output = T>) -> Result<T, Failure> {
    let mut operation = pin!(operation);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = operation.as_mut().poll(&mut context) {
            return Ok(result);
        }
        event_loop.turn(None)?;
    }
}

/// The program that runs on this machine, or 0.
static PROGRAM: AtomicI32 = AtomicI32::new(0);

/// The machine ends when its program has: what would end it, ends the program.
fn pass_on_signals() {
    extern "C" fn pass_on(signal: libc::c_int) {
        let program = PROGRAM.load(Relaxed);
        if program > 0 {
            // SAFETY: takes numbers alone, and may be called in a handler. If it fails, the program has ended.
            unsafe { libc::kill(program, signal) };
        }
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only makes a call that is allowed in one. The program starts with the default action.
        unsafe { libc::signal(signal, pass_on as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    }
}
