//! A smol program: an executor of its own on one thread, with a task for each source.

use crate::application::Application;
use anyhow::Context;
use futures_lite::FutureExt;
use osevent_conformance::hosts::{Attached, Host};
use smol::channel::{Receiver, Sender, unbounded};
use smol::{Async, LocalExecutor, Timer};
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// A program on a smol executor.
pub struct SmolHost {
    /// Closed to end the program.
    commands: Sender<Command>,
    thread: ThreadId,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// Done on the loop's thread.
type Command = Box<dyn FnOnce(&LocalExecutor<'_>) + Send>;

impl SmolHost {
    /// Starts it.
    ///
    /// # Errors
    /// Its thread could not be had.
    pub fn start() -> anyhow::Result<Self> {
        let (commands, received) = unbounded();
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let executor = LocalExecutor::new();
            smol::block_on(executor.run(obey(&executor, received)));
            // The executor goes, and with it the tasks.
        })?;
        Ok(Self { commands, thread: running.thread().id(), running: Mutex::new(Some(running)) })
    }

    fn send(&self, command: impl FnOnce(&LocalExecutor<'_>) + Send + 'static) -> anyhow::Result<()> {
        self.commands.try_send(Box::new(command)).ok().context("the loop has ended")
    }
}

/// Does what comes until the host ends.
async fn obey(executor: &LocalExecutor<'_>, commands: Receiver<Command>) {
    while let Ok(command) = commands.recv().await {
        command(executor);
    }
}

impl Host for SmolHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let mut xen = osevent_smol::LibxlSource::new()?;
        let event_loop = xen.event_loop();
        // Closed when the attachment is dropped.
        let (held, dropped) = unbounded::<()>();
        self.send(move |executor| {
            let dispatching = executor.spawn(async move {
                // An error ends it; after a panic of the application's it goes on.
                while AssertUnwindSafe(&mut xen).catch_unwind().await.is_err() {}
            });
            let detaching = executor.spawn(async move {
                // Nothing is ever sent.
                let _ = dropped.recv().await;
                dispatching.cancel().await;
            });
            detaching.detach();
        })?;
        Ok(Attached { event_loop, detaches: Box::new(held) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn end(&self) {
        self.commands.close();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.join().expect("the loop does not panic");
        }
    }
}

impl Application for SmolHost {
    fn invoke(&self, act: Box<dyn FnOnce() + Send>) -> anyhow::Result<()> {
        self.send(|_| act())
    }

    fn watch(&self, fd: Arc<OwnedFd>, mut readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()> {
        self.send(|executor| {
            let watching = executor.spawn(async move {
                let watched = Async::new_nonblocking(fd).expect("an eventfd or a pipe can be watched");
                loop {
                    watched.readable().await.expect("the fd stays open");
                    readable();
                }
            });
            watching.detach();
        })
    }

    fn tick(&self, every: Duration, mut late: Box<dyn FnMut(Duration) + Send>) -> anyhow::Result<()> {
        self.send(move |executor| {
            let ticking = executor.spawn(async move {
                loop {
                    let due = Instant::now() + every;
                    Timer::at(due).await;
                    late(due.elapsed());
                }
            });
            ticking.detach();
        })
    }
}

impl Drop for SmolHost {
    fn drop(&mut self) {
        self.end();
    }
}
