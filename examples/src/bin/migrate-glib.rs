//! Sends a running domain to another Xen host over ssh, or receives one, with libxl on a GLib main context.
//!
//! ```text
//! migrate-glib DOMAIN COMMAND ARGS…   sends it to the receiver that COMMAND starts
//! migrate-glib --receive              receives one on the standard input and output
//! ```
//!
//! At the other end may be this program or xl:
//!
//! ```text
//! migrate-glib web ssh other-host xl migrate-receive
//! migrate-glib web ssh other-host migrate-glib --receive
//! ```
//!
//! SIGINT and SIGTERM abort: the domain then remains at the source. The exit code is 0 if the domain has moved, 1 if it has not, and 2 if nothing was
//! begun. It needs root in a Xen dom0.

use std::cell::RefCell;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::pin::Pin;
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;

use glib::ControlFlow;
use xenlight::{Ctx, Library, Operation, Receiving, Sending};

fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("migrate-glib: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(words: Vec<OsString>) -> Result<u8, Box<dyn Error>> {
    let context = glib::MainContext::default();
    let xen = osevent_glib::LibxlSource::builder().attach(&context)?;
    let ctx = Ctx::open(&Library::load()?, xen.event_loop())?;
    let moved = match &words[..] {
        [receive] if receive == "--receive" => {
            // Nothing else is written there: the source reads it.
            let (from, to) = (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?);
            wait(&context, ctx.receive(Receiving::over(from, to)))
                .map(|domid| eprintln!("it runs here as domain {domid}"))
        }
        [domain, program, arguments @ ..] => {
            let name = domain.to_str().ok_or("the domain's name is no text")?;
            let domid = ctx.find(name)?.ok_or_else(|| format!("there is no domain {name}"))?;
            let mut receiver = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // A Ctrl+C is for this program, which ends the migration in order.
                .process_group(0)
                .spawn()
                .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
            let (to, from) = (receiver.stdin.take().ok_or("no pipe")?, receiver.stdout.take().ok_or("no pipe")?);
            let sent = wait(&context, ctx.migrate(domid, Sending::over(to, from)));
            // Both pipes are closed now, so it ends.
            receiver.wait()?;
            sent.map(|()| eprintln!("{name} has moved"))
        }
        _ => return Err("usage: migrate-glib DOMAIN COMMAND ARGS… | migrate-glib --receive".into()),
    };
    ctx.close_blocking()?;
    Ok(match moved {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("migrate-glib: {error}");
            1
        }
    })
}

/// Runs the main context until the migration has ended; signals abort it.
fn wait<T: 'static>(context: &glib::MainContext, migration: Operation<T>) -> Result<T, xenlight::Error> {
    let migration = Rc::new(RefCell::new(migration));
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let migration = migration.clone();
        glib_unix::unix_signal_add_local(signal, move || {
            if let Err(error) = migration.borrow().abort() {
                eprintln!("migrate-glib: cannot abort: {error}");
            }
            ControlFlow::Continue
        });
    }
    context.block_on(poll_fn(|polling| Pin::new(&mut *migration.borrow_mut()).poll(polling)))
}
