//! A program around an event loop, on a thread of its own: with sources of its own, and osevent or not.

mod calloop;
mod glib;
mod smol;

use ::glib::Priority;
use anyhow::Context;
use osevent_core::EventLoop;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With osevent's priority; everything of the host's own has the default one.
    Glib(Priority),
    Calloop,
    Smol,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Glib(Priority::DEFAULT), Self::Calloop, Self::Smol];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Glib(Priority::DEFAULT) => "GLib",
            Self::Glib(priority) if priority < Priority::DEFAULT => "GLib, client first",
            Self::Glib(_) => "GLib, client last",
            Self::Calloop => "calloop",
            Self::Smol => "smol",
        }
    }
}

/// What the host has of its own.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) fds: Vec<Watched>,
    pub(crate) tick: Option<Tick>,
}

/// An fd that is watched for input, level style.
pub(crate) struct Watched {
    fd: Arc<OwnedFd>,
    /// Called when there is some.
    readable: Box<dyn FnMut() + Send>,
}

impl Watched {
    pub(crate) fn new(fd: Arc<OwnedFd>, readable: impl FnMut() + Send + 'static) -> Self {
        Self { fd, readable: Box::new(readable) }
    }
}

/// A timer, set anew each time that it has come.
pub(crate) struct Tick {
    pub(crate) every: Duration,
    /// Told how late it came.
    pub(crate) late: Box<dyn FnMut(Duration) + Send>,
}

/// A program that runs until this is dropped.
pub(crate) struct Host {
    event_loop: Option<Arc<dyn EventLoop>>,
    commands: Sender<Command>,
    wakes: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Do(Box<dyn FnOnce() + Send>),
    End,
}

impl Host {
    /// Starts one with osevent.
    pub(crate) fn with_osevent(kind: Kind, own: Own) -> anyhow::Result<Self> {
        Self::start(kind, own, true)
    }

    /// Starts one without.
    pub(crate) fn alone(kind: Kind, own: Own) -> anyhow::Result<Self> {
        Self::start(kind, own, false)
    }

    fn start(kind: Kind, own: Own, attach: bool) -> anyhow::Result<Self> {
        let (commands, received) = channel();
        let wakes = new_eventfd(0)?;
        let control = Control { commands: received, wakened: wakes.clone() };
        let thread = std::thread::Builder::new().name("loop".into());
        let (event_loop, thread) = match kind {
            Kind::Glib(priority) => {
                let context = ::glib::MainContext::new();
                let builder = osevent_glib::LibxlSource::builder().priority(priority);
                let xen = attach.then(|| builder.attach(&context)).transpose()?;
                let event_loop = xen.as_ref().map(osevent_glib::LibxlSource::event_loop);
                (event_loop, thread.spawn(move || glib::run(&context, xen, own, control))?)
            }
            Kind::Calloop => {
                let xen = attach.then(osevent_calloop::LibxlSource::new).transpose()?;
                let event_loop = xen.as_ref().map(osevent_calloop::LibxlSource::event_loop);
                (event_loop, thread.spawn(move || calloop::run(xen, own, control))?)
            }
            Kind::Smol => {
                let xen = attach.then(osevent_smol::LibxlSource::new).transpose()?;
                let event_loop = xen.as_ref().map(osevent_smol::LibxlSource::event_loop);
                (event_loop, thread.spawn(move || smol::run(xen, own, control))?)
            }
        };
        Ok(Self { event_loop, commands, wakes, thread: Some(thread) })
    }

    /// Where a client registers.
    pub(crate) fn event_loop(&self) -> anyhow::Result<Arc<dyn EventLoop>> {
        self.event_loop.clone().context("this host is without osevent")
    }

    /// Does it on the loop's thread, as a callback of the program's would.
    pub(crate) fn invoke(&self, act: impl FnOnce() + Send + 'static) {
        self.send(Command::Do(Box::new(act)));
    }

    fn send(&self, command: Command) {
        self.commands.send(command).expect("the loop runs as long as its host is there");
        raise(&self.wakes);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.send(Command::End);
        let thread = self.thread.take().expect("it is dropped once");
        thread.join().expect("the loop does not panic");
    }
}

/// The loop's end of a [`Host`].
struct Control {
    commands: Receiver<Command>,
    wakened: Arc<OwnedFd>,
}

impl Control {
    /// To be called when `wakened` is readable. True if the loop shall end.
    fn obey(&self) -> bool {
        lower(&self.wakened);
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Do(act) => act(),
                Command::End => return true,
            }
        }
        false
    }
}

/// Readable at once if `count` is not 0.
pub(crate) fn new_eventfd(count: u32) -> anyhow::Result<Arc<OwnedFd>> {
    let fd = eventfd(count, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    Ok(Arc::new(fd.context("no eventfd: too many files are open")?))
}

/// Makes an eventfd readable.
pub(crate) fn raise(fd: &OwnedFd) {
    rustix::io::write(fd, &1u64.to_ne_bytes()).expect("the counter is far from its end");
}

/// Makes a readable eventfd unreadable.
pub(crate) fn lower(fd: &OwnedFd) {
    rustix::io::read(fd, &mut [0; 8]).expect("it was readable, and nobody else reads it");
}
