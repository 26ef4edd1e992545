//! The event loops of other libraries, loaded as they are installed: what a program has on them, osevent is measured beside.
//!
//! A machine may be without them; then what is measured with them is skipped, with the reason.

mod libuv;
mod libvirt;
mod sd_event;

pub(crate) use self::libvirt::DefaultLoop;

use crate::eventfd::{lower, new_eventfd, raise};
use crate::way::Watches;
use anyhow::Context;
use libloading::{Library, Symbol};
use osevent_conformance::hosts::Attached;
use osevent_epoll::Reactor;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Libvirt,
    Libuv,
    SdEvent,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Libvirt, Self::Libuv, Self::SdEvent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt",
            Self::Libuv => "libuv",
            Self::SdEvent => "sd-event",
        }
    }

    /// Its loop, for the calling thread.
    ///
    /// # Errors
    /// The library is not installed.
    pub(crate) fn open(self) -> anyhow::Result<Box<dyn EventLoop>> {
        Ok(match self {
            Self::Libvirt => Box::new(libvirt::DefaultLoop::open()?),
            Self::Libuv => Box::new(libuv::Loop::open()?),
            Self::SdEvent => Box::new(sd_event::Loop::open()?),
        })
    }

    /// Those that are installed, and why the others are not measured.
    pub(crate) fn installed() -> (Vec<Self>, Vec<String>) {
        let opened = |peer: &Self| peer.open().map(drop).map_err(|error| format!("{}: {error:#}", peer.name()));
        let (there, lacking): (Vec<_>, Vec<_>) =
            Self::ALL.into_iter().map(|peer| (peer, opened(&peer))).partition(|(_, opened)| opened.is_ok());
        let reasons = lacking.into_iter().filter_map(|(_, opened)| opened.err()).collect();
        (there.into_iter().map(|(peer, _)| peer).collect(), reasons)
    }
}

/// What a loop calls.
pub(crate) type Callback = Box<dyn FnMut()>;

/// A loop of a library in C, on the thread that has opened it.
pub(crate) trait EventLoop {
    /// Calls back as long as `fd` is readable, until what is returned is dropped, which must not be in that call.
    fn watch(&self, fd: RawFd, readable: Callback) -> Box<dyn Any>;

    /// Calls back when so much time has passed, once.
    fn timer(&self, after: Duration, expired: Callback) -> Box<dyn Timer>;

    /// Waits until something is ready or due, and calls back.
    fn turn(&self);

    /// Calls back for timers, of which one is due.
    fn turn_for_timers(&self) {
        self.turn();
    }
}

/// A timer that has been set. Dropped, outside of its callback, it is removed.
pub(crate) trait Timer {
    /// It is due at once.
    fn expire(&self);
}

/// A program on such a loop, which has a thread of its own.
pub(crate) struct Program {
    commands: Sender<Command>,
    wakes: Arc<OwnedFd>,
    running: Option<JoinHandle<()>>,
}

enum Command {
    /// For as long as the program runs.
    Watch(RawFd, Box<dyn FnMut() + Send>),
    End,
}

impl Program {
    pub(crate) fn start(peer: Peer) -> anyhow::Result<Self> {
        let (commands, received) = channel();
        let (opened, is_open) = channel();
        let wakes = new_eventfd(0)?;
        let woken = wakes.clone();
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let event_loop = match peer.open() {
                Ok(event_loop) => event_loop,
                Err(error) => return opened.send(Err(error)).expect("somebody waits for it"),
            };
            opened.send(Ok(())).expect("somebody waits for it");
            // Obeyed between two turns, so that no callback needs the loop.
            let pending = Rc::new(RefCell::new(vec![]));
            let received_by = pending.clone();
            let fd = woken.as_raw_fd();
            let wake = event_loop.watch(
                fd,
                Box::new(move || {
                    if lower(&woken) {
                        received_by.borrow_mut().extend(received.try_iter());
                    }
                }),
            );
            let mut watches = vec![];
            'runs: loop {
                event_loop.turn();
                for command in pending.take() {
                    match command {
                        Command::Watch(fd, readable) => watches.push(event_loop.watch(fd, readable)),
                        Command::End => break 'runs,
                    }
                }
            }
            drop((wake, watches));
        })?;
        is_open.recv().context("the loop's thread has ended")??;
        Ok(Self { commands, wakes, running: Some(running) })
    }

    fn command(&self, command: Command) {
        self.commands.send(command).expect("the program runs until it is dropped");
        raise(&self.wakes);
    }
}

impl Watches for Program {
    fn attach(&self) -> anyhow::Result<Attached> {
        let reactor = Reactor::new()?;
        let dispatches = reactor.clone();
        let readable = move || _ = dispatches.dispatch().expect("a reactor's fds stay open");
        self.command(Command::Watch(reactor.as_raw_fd(), Box::new(readable)));
        // The callback keeps the reactor, and with it the fd, until the loop ends.
        Ok(Attached { event_loop: reactor, detaches: Box::new(()) })
    }

    fn watch(&self, fd: Arc<OwnedFd>, mut readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()> {
        let number = fd.as_raw_fd();
        let readable = move || {
            // The fd is open as long as this.
            let _open = &fd;
            readable();
        };
        self.command(Command::Watch(number, Box::new(readable)));
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.command(Command::End);
        if let Some(running) = self.running.take() {
            running.join().expect("the loop does not panic");
        }
    }
}

/// A callback at an address that a library in C keeps.
struct Fixed(Box<RefCell<Callback>>);

impl Fixed {
    fn new(callback: Callback) -> Self {
        Self(Box::new(RefCell::new(callback)))
    }

    fn address(&self) -> *mut c_void {
        (&raw const *self.0).cast_mut().cast()
    }

    /// # Safety
    /// `address` is that of one that has not been dropped.
    unsafe fn call(address: *mut c_void) {
        // SAFETY: the caller's promise.
        let callback = unsafe { &*address.cast::<RefCell<Callback>>() };
        (callback.borrow_mut())();
    }
}

/// Loads a library, which is never unloaded: its threads and exit handlers may stay.
pub(crate) fn load(name: &str) -> anyhow::Result<&'static Library> {
    // SAFETY: the initializers of these libraries have no preconditions.
    let library = unsafe { Library::new(name) }.with_context(|| format!("{name} is not installed"))?;
    Ok(Box::leak(Box::new(library)))
}

/// A function of it.
///
/// # Safety
/// `F` is the function's type, as the library's header has it.
pub(crate) unsafe fn function<F: Copy + 'static>(library: &'static Library, name: &str) -> anyhow::Result<F> {
    // SAFETY: the caller's promise.
    let symbol: Symbol<'static, F> = unsafe { library.get(name) }.with_context(|| format!("it has no {name}"))?;
    Ok(*symbol)
}
