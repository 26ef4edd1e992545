//! Prints the life of each domain as it happens: libxl on a smol executor, events as a stream.
//!
//! ```text
//! watch-smol                  until it is killed
//! watch-smol COMMAND ARGS…    until COMMAND, which it runs, has ended; exits as COMMAND does
//! ```
//!
//! It needs to be root in a Xen dom0, and exits with 2 where it is not. To see it work without one:
//!
//! ```text
//! cargo xtask lab -- watch-smol sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl destroy idle'
//! ```
//!
//! The parts that are not smol's are those of `watch-glib`, which says more about them and follows domains through
//! suspensions, too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::or;
use smol::process::Command;
use smol::{LocalExecutor, Timer};
use xenlight::{Ctx, DomainId, EventKind, Events, Library, Watch};

/// Between two looks at the list of domains.
const LOOK: Duration = Duration::from_millis(500);

/// The domains that are there, by number, each with its watch, which ends when it is dropped. One thread, several
/// futures; never borrowed across an await.
type Known = RefCell<BTreeMap<DomainId, (String, Watch)>>;

type Outcome = Result<u8, Box<dyn Error>>;

fn main() -> ExitCode {
    let executor = LocalExecutor::new();
    match smol::block_on(executor.run(run(&executor))) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("watch-smol: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(executor: &LocalExecutor<'_>) -> Outcome {
    // One task, whatever libxl comes to wait for.
    let xen = osevent_smol::LibxlSource::new()?;
    let event_loop = xen.event_loop();
    executor.spawn(xen).detach();

    let ctx = Ctx::open(&Library::load()?, event_loop)?;
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
    Timer::after(LOOK).await;
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
        Timer::after(LOOK).await;
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
