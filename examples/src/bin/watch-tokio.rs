//! Prints the life of each domain as it happens: libxl on tokio, by nothing but the reactor's fd.
//!
//! ```text
//! watch-tokio                  until it is killed
//! watch-tokio COMMAND ARGS…    until COMMAND, which it runs, has ended; exits as COMMAND does
//! ```
//!
//! It needs to be root in a Xen dom0, and exits with 2 where it is not. To see it work without one:
//!
//! ```text
//! cargo xtask lab -- watch-tokio sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl destroy idle'
//! ```
//!
//! `drive` is all that tokio needs. The other parts are those of `watch-smol`.

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

/// Between two looks at the list of domains.
const LOOK: Duration = Duration::from_millis(500);

/// The domains that are there, by number, each with its watch, which ends when it is dropped. One thread, several
/// futures; never borrowed across an await.
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

/// Libxl's events, for as long as this is polled: one fd, watched as a socket would be.
async fn drive(reactor: Arc<Reactor>) -> io::Result<()> {
    // SAFETY: the reactor, which this keeps, has the same open fd for as long as it lives.
    let fd = unsafe { AsyncFd::register_with_interest(Driven(reactor), Interest::READABLE) }?;
    loop {
        // tokio reports changes only. So it is told to wait for the next one when nothing was left to do.
        let dispatched = fd.readable().await?.try_io(|fd| match fd.get_ref().0.dispatch() {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            dispatched => dispatched.map_err(io::Error::other),
        });
        if let Ok(failed @ Err(_)) = dispatched {
            return failed.map(|_| ());
        }
        // Other tasks have their turn, however busy libxl is.
        yield_now().await;
    }
}

/// Says so when nobody drives the reactor any more: a ctx that is still open can be closed all the same.
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
    // One task, whatever libxl comes to wait for.
    let reactor = Reactor::new()?;
    tokio::spawn(drive(reactor.clone()));

    let ctx = Ctx::open(&Library::load()?, reactor)?;
    println!("watching the domains of Xen {} with libxl {}", ctx.xen_version()?, ctx.library().release());

    let known = Known::default();
    let (looking, telling) = (look(&ctx, &known), tell(ctx.events(), &known));
    // Whichever ends first.
    let outcome = or(or(looking, telling), command()).await;

    known.take();
    // Dropping the ctx would do, too. This waits until it is closed, and lets other tasks run meanwhile.
    ctx.close().await;
    outcome
}

/// The command's end, and a little time for the last events.
async fn command() -> Outcome {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else { return pending().await };
    let status = Command::new(&program).args(words).status().await;
    let status = status.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    sleep(LOOK).await;
    Ok(status.code().map_or(255, |code| code as u8))
}

/// Has libxl watch the domains that are new, and greets them.
async fn look(ctx: &Ctx, known: &Known) -> Outcome {
    loop {
        for info in ctx.domains()? {
            if info.domid == DomainId::DOM0 || info.dying || known.borrow().contains_key(&info.domid) {
                continue;
            }
            // Xen has a domain some time before the toolstack has named it: at the next look, then.
            let name = match ctx.name(info.domid) {
                Ok(Some(name)) => name,
                Ok(None) => continue,
                // It has gone since it was listed.
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

/// Prints what libxl reports, until the ctx is closed.
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
