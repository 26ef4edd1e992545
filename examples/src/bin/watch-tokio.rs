//! Prints the events of all domains, with libxl on tokio. It only uses the reactor's fd.
//!
//! ```text
//! watch-tokio                  runs until it is killed
//! watch-tokio COMMAND ARGS…    runs COMMAND until it ends, and exits with its exit code
//! ```
//!
//! It needs root in a Xen dom0; otherwise it exits with code 2. To run it without a Xen host:
//!
//! ```text
//! cargo xtask lab -- watch-tokio sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl destroy idle'
//! ```
//!
//! tokio only needs `drive`. The other parts are those of `watch-smol`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::future::pending;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::or;
use osevent_epoll::Reactor;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;
use tokio::task::yield_now;
use tokio::time::sleep;
use xenlight::{Ctx, DomainId, EventKind, Events, Library, Watch};

/// The interval at which the list of domains is read.
const LOOK: Duration = Duration::from_millis(500);

/// The existing domains by number, each with its watch, which ends when it is dropped. Several futures on one thread use
/// them; they are never borrowed across an await.
type Known = RefCell<BTreeMap<DomainId, (String, Watch)>>;

type Outcome = Result<u8, Box<dyn Error>>;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run())) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("watch-tokio: {error}");
            ExitCode::from(2)
        }
    }
}

/// Drives libxl while it is polled. It watches one fd, like a socket.
async fn drive(reactor: Arc<Reactor>) -> io::Result<()> {
    // SAFETY: the reactor, which this keeps, has the same open fd for as long as it lives.
    let fd = unsafe { AsyncFd::register_with_interest(Driven(reactor), Interest::READABLE) }?;
    loop {
        // tokio is edge-triggered. So it waits for the next change only if nothing was left to do.
        let dispatched = fd.readable().await?.try_io(|fd| match fd.get_ref().0.dispatch() {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            dispatched => dispatched.map_err(io::Error::other),
        });
        if let Ok(failed @ Err(_)) = dispatched {
            return failed.map(|_| ());
        }
        // Lets other tasks run, even if libxl is always busy.
        yield_now().await;
    }
}

/// Detaches the reactor when it is no longer driven, so that a ctx that is still open can be closed.
struct Driven(Arc<Reactor>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.detach();
    }
}

impl std::os::fd::AsRawFd for Driven {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

async fn run() -> Outcome {
    // A single task for everything that libxl waits for.
    let reactor = Reactor::new()?;
    tokio::spawn(drive(reactor.clone()));

    let ctx = Ctx::open(&Library::load()?, reactor)?;
    println!("watching the domains of Xen {} with libxl {}", ctx.xen_version()?, ctx.library().release());

    let known = Known::default();
    let (looking, telling) = (look(&ctx, &known), tell(ctx.events(), &known));
    // Until one of them ends.
    let outcome = or(or(looking, telling), command()).await;

    known.take();
    // Dropping the ctx would also close it. This waits until it is closed, and other tasks run meanwhile.
    ctx.close().await;
    outcome
}

/// Waits for the end of the command, and a little longer for the last events.
async fn command() -> Outcome {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else { return pending().await };
    let status = Command::new(&program).args(words).status().await;
    let status = status.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    sleep(LOOK).await;
    Ok(status.code().map_or(255, |code| code as u8))
}

/// Watches new domains and prints them.
async fn look(ctx: &Ctx, known: &Known) -> Outcome {
    loop {
        for info in ctx.domains()? {
            if info.domid == DomainId::DOM0 || info.dying || known.borrow().contains_key(&info.domid) {
                continue;
            }
            // Xen lists a domain before the toolstack has named it. It is tried again at the next interval.
            let name = match ctx.name(info.domid) {
                Ok(Some(name)) => name,
                Ok(None) => continue,
                // It was destroyed after it was listed.
                Err(error) if error.is_no_such_domain() => continue,
                Err(error) => return Err(error.into()),
            };
            let watch = ctx.watch_death(info.domid)?;
            println!("domain {} ({name}) is there", info.domid);
            known.borrow_mut().insert(info.domid, (name, watch));
        }
        sleep(LOOK).await;
    }
}

/// Prints the events until the ctx is closed.
async fn tell(mut events: Events, known: &Known) -> Outcome {
    while let Some(event) = events.next().await {
        let mut known = known.borrow_mut();
        let name = known.get(&event.domid).map_or("unknown", |(name, _)| name);
        let called = format!("domain {} ({name})", event.domid);
        match event.kind {
            EventKind::Death => {
                println!("{called} is gone");
                known.remove(&event.domid);
            }
            EventKind::Shutdown(reason) => println!("{called} has shut down: {reason:?}"),
            other => println!("{called}: {other:?}"),
        }
    }
    Ok(0)
}
