//! A minimal loop: poll(2) over the fds of the reactors and an eventfd for commands.

use super::{Attached, Host, survive};
use anyhow::Context;
use osevent_epoll::Reactor;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};

/// A program on this loop.
pub struct EpollHost {
    commands: Sender<Command>,
    wake: UnixStream,
    thread: ThreadId,
    running: Mutex<Option<JoinHandle<()>>>,
}

enum Command {
    Attach(Arc<Reactor>),
    Detach(Arc<Reactor>),
    End,
}

impl EpollHost {
    /// Starts the program.
    ///
    /// # Errors
    /// It could not create its thread or its fds.
    pub fn start() -> anyhow::Result<Self> {
        let (commands, received) = channel();
        let (wake, wakened) = UnixStream::pair().context("no socket pair for the loop's commands")?;
        wakened.set_nonblocking(true)?;
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || run(&received, &wakened))?;
        let thread = running.thread().id();
        Ok(Self { commands, wake, thread, running: Mutex::new(Some(running)) })
    }

    fn send(&self, command: Command) -> bool {
        let sent = self.commands.send(command).is_ok();
        // Full: it is awake already. Closed: the loop has ended.
        let _ = std::io::Write::write(&mut &self.wake, &[0]);
        sent
    }
}

impl Host for EpollHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let reactor = Reactor::new()?;
        self.send(Command::Attach(reactor.clone()));
        let wake = self.wake.try_clone()?;
        let detaches = Detach { commands: self.commands.clone(), wake, reactor: reactor.clone() };
        Ok(Attached { event_loop: reactor, detaches: Box::new(detaches) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn end(&self) {
        self.send(Command::End);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.join().expect("the loop does not panic");
        }
    }
}

impl Drop for EpollHost {
    fn drop(&mut self) {
        self.end();
    }
}

struct Detach {
    commands: Sender<Command>,
    wake: UnixStream,
    reactor: Arc<Reactor>,
}

impl Drop for Detach {
    fn drop(&mut self) {
        // Not sent where the loop has ended: that has detached it.
        let _ = self.commands.send(Command::Detach(self.reactor.clone()));
        let _ = std::io::Write::write(&mut &self.wake, &[0]);
    }
}

fn run(commands: &Receiver<Command>, wakened: &UnixStream) {
    let mut reactors: Vec<Arc<Reactor>> = Vec::new();
    loop {
        let mut fds = vec![libc::pollfd { fd: wakened.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        fds.extend(reactors.iter().map(|reactor| libc::pollfd {
            fd: reactor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        }));
        // SAFETY: an array of our own, for the length of the call; the fds are open as long as their owners are here.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, -1) };
        for (reactor, fd) in reactors.iter().zip(&fds[1..]) {
            if fd.revents != 0 {
                survive(|| reactor.dispatch()).unwrap_or(Ok(0)).expect("a reactor's fds stay open");
            }
        }
        let _ = std::io::Read::read(&mut &*wakened, &mut [0; 64]);
        while let Ok(command) = commands.try_recv() {
            match command {
                Command::Attach(reactor) => reactors.push(reactor),
                Command::Detach(reactor) => {
                    reactors.retain(|attached| !Arc::ptr_eq(attached, &reactor));
                    reactor.detach();
                }
                Command::End => {
                    reactors.iter().for_each(|reactor| reactor.detach());
                    return;
                }
            }
        }
    }
}
