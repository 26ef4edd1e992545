//! Prints the life of each domain as it happens: libxl in a calloop event loop.
//!
//! ```text
//! watch-calloop                  until it is killed
//! watch-calloop COMMAND ARGS…    until COMMAND, which it runs, has ended; exits as COMMAND does
//! ```
//!
//! It needs to be root in a Xen dom0, and exits with 2 where it is not. To see it work without one:
//!
//! ```text
//! cargo xtask lab -- watch-calloop sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl destroy idle'
//! ```
//!
//! The parts that are not calloop's are those of `watch-glib`, which says more about them and follows domains through
//! suspensions, too.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use calloop::EventLoop;
use calloop::stream::StreamSource;
use calloop::timer::{TimeoutAction, Timer};
use xenlight::{Ctx, DomainId, Event, EventKind, Library, Watch};

/// Between two looks at the list of domains.
const LOOK: Duration = Duration::from_millis(500);

/// What calloop hands to every callback.
struct App {
    ctx: Ctx,
    command: Option<Child>,
    /// The domains that are there, by number, each with its watch, which ends when it is dropped.
    known: BTreeMap<DomainId, (String, Watch)>,
    /// How the program ended, once it has.
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

    // One source, whatever libxl comes to wait for.
    let xen = osevent_calloop::LibxlSource::new()?;
    let ctx = Ctx::open(&Library::load()?, xen.event_loop())?;
    println!("watching the domains of Xen {} with libxl {}", ctx.xen_version()?, ctx.library().release());

    let handle = event_loop.handle();
    handle.insert_source(xen, |_, _, _| {})?;
    // Before the first watch. With calloop's data, which a callback of xenlight's would not have.
    handle.insert_source(StreamSource::new(ctx.events())?, |event, _, app| {
        // Nothing comes at the stream's end, when the ctx is closed.
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
    // Dropping the ctx would do, too. This waits until it is closed, and turns the loop meanwhile.
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
    /// Has libxl watch the domains that are new, and greets them. The command's exit code, when it has ended.
    fn look(&mut self) -> Result<Option<u8>, Box<dyn Error>> {
        // Before the list, which shows all that the command has left.
        let status = self.command.as_mut().map(Child::try_wait).transpose()?.flatten();
        for info in self.ctx.domains()? {
            if info.domid == DomainId::DOM0 || info.dying || self.known.contains_key(&info.domid) {
                continue;
            }
            // Xen has a domain some time before the toolstack has named it: at the next look, then.
            let name = match self.ctx.name(info.domid) {
                Ok(Some(name)) => name,
                Ok(None) => continue,
                // It has gone since it was listed.
                Err(error) if error.is_no_such_domain() => continue,
                Err(error) => return Err(error.into()),
            };
            let watch = self.ctx.watch_death(info.domid)?;
            println!("domain {} ({name}) is there", info.domid);
            self.known.insert(info.domid, (name, watch));
        }
        // Half a second after the command at most: time for the last events.
        Ok(status.map(|status| status.code().map_or(255, |code| code as u8)))
    }

    /// Prints what libxl reports.
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
