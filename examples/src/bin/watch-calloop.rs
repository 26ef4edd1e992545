//! Prints the events of all domains, with libxl in a calloop event loop.
//!
//! ```text
//! watch-calloop                  runs until it is killed
//! watch-calloop COMMAND ARGS…    runs COMMAND until it ends, and exits with its exit code
//! ```
//!
//! It needs root in a Xen dom0; otherwise it exits with code 2. To run it without a Xen host:
//!
//! ```text
//! cargo xtask lab -- watch-calloop sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl destroy idle'
//! ```
//!
//! The parts that do not depend on calloop are those of `watch-glib`, which has more comments and also follows domains
//! through suspensions.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use calloop::EventLoop;
use calloop::stream::StreamSource;
use calloop::timer::{TimeoutAction, Timer};
use xenlight::{Ctx, DomainId, Event, EventKind, Library, Watch};

/// The interval at which the list of domains is read.
const LOOK: Duration = Duration::from_millis(500);

/// The data that calloop passes to every callback.
struct App {
    ctx: Ctx,
    command: Option<Child>,
    /// The existing domains by number, each with its watch, which ends when it is dropped.
    known: BTreeMap<DomainId, (String, Watch)>,
    /// The exit code, when the program has ended.
    ended: Option<Result<u8, Box<dyn Error>>>,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("watch-calloop: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<u8, Box<dyn Error>> {
    let mut event_loop = EventLoop::<App>::try_new()?;

    // A single source for everything that libxl waits for.
    let xen = osevent_calloop::LibxlSource::new()?;
    let ctx = Ctx::open(&Library::load()?, xen.event_loop())?;
    println!("watching the domains of Xen {} with libxl {}", ctx.xen_version()?, ctx.library().release());

    let handle = event_loop.handle();
    handle.insert_source(xen, |_, _, _| {})?;
    // Inserted before the first watch. This callback gets calloop's data, which a callback of xenlight would not get.
    handle.insert_source(StreamSource::new(ctx.events())?, |event, _, app| {
        // `None` is the end of the stream: the ctx is closed.
        event.into_iter().for_each(|event| app.tell(event));
    })?;
    handle.insert_source(Timer::immediate(), |_, _, app| {
        app.ended = app.look().transpose();
        TimeoutAction::ToDuration(LOOK)
    })?;

    let mut app = App { ctx, command: command()?, known: BTreeMap::new(), ended: None };
    let signal = event_loop.get_signal();
    event_loop.run(None, &mut app, |app| {
        if app.ended.is_some() {
            signal.stop();
        }
    })?;

    app.known.clear();
    // Dropping the ctx would also close it. This waits until it is closed, and runs the loop meanwhile.
    app.ctx.close_blocking()?;
    app.ended.unwrap_or(Ok(0))
}

fn command() -> Result<Option<Child>, Box<dyn Error>> {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else { return Ok(None) };
    let child = Command::new(&program).args(words).spawn();
    Ok(Some(child.map_err(|error| format!("cannot run {}: {error}", program.display()))?))
}

impl App {
    /// Watches new domains and prints them. Returns the exit code of the command when it has ended.
    fn look(&mut self) -> Result<Option<u8>, Box<dyn Error>> {
        // Read before the list, so that the list has all domains that the command has left.
        let status = self.command.as_mut().map(Child::try_wait).transpose()?.flatten();
        for info in self.ctx.domains()? {
            if info.domid == DomainId::DOM0 || info.dying || self.known.contains_key(&info.domid) {
                continue;
            }
            // Xen lists a domain before the toolstack has named it. It is tried again at the next interval.
            let name = match self.ctx.name(info.domid) {
                Ok(Some(name)) => name,
                Ok(None) => continue,
                // It was destroyed after it was listed.
                Err(error) if error.is_no_such_domain() => continue,
                Err(error) => return Err(error.into()),
            };
            let watch = self.ctx.watch_death(info.domid)?;
            println!("domain {} ({name}) is there", info.domid);
            self.known.insert(info.domid, (name, watch));
        }
        // At most half a second after the command has ended, for the last events.
        Ok(status.map(|status| status.code().map_or(255, |code| code as u8)))
    }

    /// Prints an event.
    fn tell(&mut self, event: Event) {
        let name = self.known.get(&event.domid).map_or("unknown", |(name, _)| name);
        let called = format!("domain {} ({name})", event.domid);
        match event.kind {
            EventKind::Death => {
                println!("{called} is gone");
                self.known.remove(&event.domid);
            }
            EventKind::Shutdown(reason) => println!("{called} has shut down: {reason:?}"),
            other => println!("{called}: {other:?}"),
        }
    }
}
