//! Prints the events of all domains, with libxl on GLib's default main context.
//!
//! ```text
//! watch-glib                  runs until Ctrl-C or SIGTERM
//! watch-glib COMMAND ARGS…    runs COMMAND until it ends, and exits with its exit code
//! ```
//!
//! It needs root in a Xen dom0; otherwise it exits with code 2. To run it without a Xen host:
//!
//! ```text
//! cargo xtask lab -- watch-glib sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl destroy idle'
//! ```
//!
//! libxl reports the shutdown and the death of watched domains. It has no event for a new domain, so this program reads the
//! list twice a second; it can miss a domain that exists for a shorter time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glib::ControlFlow;
use xenlight::{Ctx, DomainId, Event, EventKind, Library, ShutdownReason, Watch};

/// The interval at which the list of domains is read.
const LOOK: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("watch-glib: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    // A single source on the main context for everything that libxl waits for. Nothing runs before the main loop.
    let xen = osevent_glib::LibxlSource::builder().name("libxl").attach(&glib::MainContext::default())?;

    // The main loop delivers events on this thread, outside of libxl.
    let domains = Domains::default();
    let told = domains.clone();
    let ctx = Ctx::builder(&Library::load()?).on_event(move |event| told.tell(event)).open(xen.event_loop())?;
    println!("watching the domains of Xen {} with libxl {}", ctx.xen_version()?, ctx.library().release());
    domains.look(&ctx)?;

    let main_loop = glib::MainLoop::new(None, false);
    let code = Rc::new(Cell::new(0));
    let end = {
        let (main_loop, code) = (main_loop.clone(), code.clone());
        move |with| {
            code.set(with);
            main_loop.quit();
        }
    };

    for signal in [libc::SIGINT, libc::SIGTERM] {
        let end = end.clone();
        glib_unix::unix_signal_add_local(signal, move || {
            end(0);
            ControlFlow::Continue
        });
    }

    let ended = Rc::new(Cell::new(None));
    let mut words = env::args_os().skip(1);
    if let Some(program) = words.next() {
        let command = Command::new(&program).args(words).spawn();
        let command = command.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        // The program's own child watch. It does not conflict with libxl's children.
        let ended = ended.clone();
        glib::child_watch_add_local(glib::Pid(command.id().cast_signed()), move |_, status| {
            ended.set(Some(exit_code(status)));
        });
    }

    let ctx = Rc::new(ctx);
    let looked = ctx.clone();
    glib::timeout_add_local(LOOK, move || {
        if let Err(error) = domains.look(&looked) {
            eprintln!("watch-glib: {error}");
            end(1);
        } else if let Some(code) = ended.get() {
            // At most half a second after the command has ended, for the last events.
            end(code);
        }
        ControlFlow::Continue
    });
    main_loop.run();

    // Dropping the ctx would also close it. This waits until it is closed, and runs the loop meanwhile.
    ctx.close_blocking()?;
    Ok(ExitCode::from(code.get()))
}

/// The existing domains by number, without dom0, which runs this program. Only the thread of the main loop uses them; the
/// lock is needed because event callbacks have to be `Sync`.
#[derive(Clone, Default)]
struct Domains(Arc<Mutex<BTreeMap<DomainId, Domain>>>);

struct Domain {
    name: Option<String>,
    /// Dropping it ends the watch.
    _watch: Watch,
    suspended: bool,
}

impl Domains {
    /// Watches new domains and prints them.
    fn look(&self, ctx: &Ctx) -> Result<(), xenlight::Error> {
        for info in ctx.domains()? {
            // The death of a dying domain has already been reported.
            if info.domid == DomainId::DOM0 || info.dying {
                continue;
            }
            let known = self.lock().remove(&info.domid);
            let mut domain = match known {
                Some(domain) => domain,
                None => Domain { name: None, _watch: ctx.watch_death(info.domid)?, suspended: false },
            };
            if domain.name.is_none() {
                // Xen lists a domain before the toolstack has named it.
                domain.name = match ctx.name(info.domid) {
                    // It was destroyed after it was listed: its watch reports this.
                    Err(error) if error.is_no_such_domain() => None,
                    name => name?,
                };
                if domain.name.is_some() {
                    println!("{} is there", domain.called(info.domid));
                }
            }
            if domain.suspended && info.shutdown.is_none() {
                println!("{} runs on", domain.called(info.domid));
                // A watch reports only one shutdown, which was the suspension.
                domain._watch = ctx.watch_death(info.domid)?;
                domain.suspended = false;
            }
            self.lock().insert(info.domid, domain);
        }
        Ok(())
    }

    /// Prints an event. Runs on the thread of the main loop, outside of libxl.
    fn tell(&self, event: Event) {
        let known = self.lock().remove(&event.domid);
        let Some(mut domain) = known else {
            println!("{event:?}");
            return;
        };
        let called = domain.called(event.domid);
        match event.kind {
            // A domain that is not inserted again is no longer watched.
            EventKind::Death => return println!("{called} is gone"),
            EventKind::Shutdown(ShutdownReason::Suspend) => {
                println!("{called} is suspended");
                domain.suspended = true;
            }
            EventKind::Shutdown(reason) => println!("{called} has shut down: {reason:?}"),
            other => println!("{called}: {other:?}"),
        }
        self.lock().insert(event.domid, domain);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DomainId, Domain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Domain {
    fn called(&self, domid: DomainId) -> String {
        format!("domain {domid} ({})", self.name.as_deref().unwrap_or("no name"))
    }
}

/// The exit code for a wait status, as in a shell.
fn exit_code(status: i32) -> u8 {
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    code as u8
}
