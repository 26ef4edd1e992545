//! A calloop program: an event loop with data of the program's own, told what to do through a channel.

use crate::application::Application;
use anyhow::Context;
use calloop::channel::{Event, Sender, channel};
use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction, RegistrationToken};
use osevent_conformance::hosts::{Attached, Host, survive};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

/// A program on a calloop event loop.
pub struct CalloopHost {
    commands: Sender<Command>,
    thread: ThreadId,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// Done on the loop's thread.
type Command = Box<dyn FnOnce(&mut Data) + Send>;

/// The program's data.
struct Data {
    handle: LoopHandle<'static, Data>,
    ends: bool,
}

impl CalloopHost {
    /// Starts it.
    ///
    /// # Errors
    /// Its thread could not be had.
    pub fn start() -> anyhow::Result<Self> {
        let (commands, received) = channel::<Command>();
        // A calloop loop stays on its thread, so it is made there.
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let mut event_loop = EventLoop::try_new().expect("fds are free");
            let handle = event_loop.handle();
            let told = handle.insert_source(received, |event, _, data: &mut Data| {
                if let Event::Msg(command) = event {
                    command(data);
                }
            });
            told.expect("a channel can be watched");
            let mut data = Data { handle, ends: false };
            while !data.ends {
                let dispatched = survive(|| event_loop.dispatch(None, &mut data));
                dispatched.unwrap_or(Ok(())).expect("the fds stay open");
            }
        })?;
        Ok(Self { commands, thread: running.thread().id(), running: Some(running).into() })
    }

    fn send(&self, command: impl FnOnce(&mut Data) + Send + 'static) -> anyhow::Result<()> {
        self.commands.send(Box::new(command)).ok().context("the loop has ended")
    }
}

impl Host for CalloopHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let xen = osevent_calloop::LibxlSource::new()?;
        let event_loop = xen.event_loop();
        let detach = Detach { commands: self.commands.clone(), inserted: Arc::default() };
        let inserted = detach.inserted.clone();
        self.send(move |data| {
            inserted.get_or_init(|| data.handle.insert_source(xen, |_, _, _| {}).expect("a reactor can be watched"));
        })?;
        Ok(Attached { event_loop, detaches: Box::new(detach) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn end(&self) {
        // It fails where the loop has ended already.
        let _ = self.send(|data| data.ends = true);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.join().expect("the loop does not panic");
        }
    }
}

impl Application for CalloopHost {
    fn invoke(&self, act: Box<dyn FnOnce() + Send>) -> anyhow::Result<()> {
        self.send(|_| act())
    }

    fn watch(&self, fd: Arc<OwnedFd>, mut readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()> {
        self.send(|data| {
            let source = Generic::new(fd, Interest::READ, Mode::Level);
            let watched = data.handle.insert_source(source, move |_, _, _| {
                readable();
                Ok(PostAction::Continue)
            });
            watched.expect("an eventfd or a pipe can be watched");
        })
    }

    fn tick(&self, every: Duration, mut late: Box<dyn FnMut(Duration) + Send>) -> anyhow::Result<()> {
        self.send(move |data| {
            let ticking = data.handle.insert_source(Timer::from_duration(every), move |due, _, _| {
                late(due.elapsed());
                TimeoutAction::ToDuration(every)
            });
            ticking.expect("a timer can be inserted");
        })
    }
}

impl Drop for CalloopHost {
    fn drop(&mut self) {
        self.end();
    }
}

struct Detach {
    commands: Sender<Command>,
    inserted: Arc<OnceLock<RegistrationToken>>,
}

impl Drop for Detach {
    fn drop(&mut self) {
        let inserted = self.inserted.clone();
        // Not sent where the loop has ended: that has detached it.
        let _ = self.commands.send(Box::new(move |data| {
            if let Some(inserted) = inserted.get() {
                data.handle.remove(*inserted);
            }
        }));
    }
}
