//! A calloop program: an event loop with data of the program's own, told what to do through a channel.

use anyhow::Context;
use calloop::channel::{Event, Sender, channel};
use calloop::{EventLoop, LoopHandle, RegistrationToken};
use osevent_conformance::hosts::{Attached, Host, survive};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};

pub(crate) struct CalloopHost {
    commands: Sender<Command>,
    /// Names the attachments; it orders nothing.
    attached: AtomicU64,
    thread: ThreadId,
    running: Mutex<Option<JoinHandle<()>>>,
}

enum Command {
    Attach(u64, osevent_calloop::LibxlSource),
    Detach(u64),
    End,
}

/// The program's data.
struct Program {
    handle: LoopHandle<'static, Program>,
    attached: HashMap<u64, RegistrationToken>,
    ends: bool,
}

impl CalloopHost {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (commands, received) = channel();
        // A calloop loop stays on its thread, so it is made there.
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let mut event_loop = EventLoop::try_new().expect("fds are free");
            let handle = event_loop.handle();
            let told = handle.insert_source(received, |event, _, program: &mut Program| {
                if let Event::Msg(command) = event {
                    program.obey(command);
                }
            });
            told.expect("a channel can be watched");
            let mut program = Program { handle, attached: HashMap::new(), ends: false };
            while !program.ends {
                let dispatched = survive(|| event_loop.dispatch(None, &mut program));
                dispatched.unwrap_or(Ok(())).expect("the fds stay open");
            }
        })?;
        Ok(Self { commands, attached: AtomicU64::new(0), thread: running.thread().id(), running: Some(running).into() })
    }
}

impl Program {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Attach(number, xen) => {
                let token = self.handle.insert_source(xen, |_, _, _| {}).expect("a reactor can be watched");
                self.attached.insert(number, token);
            }
            Command::Detach(number) => {
                if let Some(token) = self.attached.remove(&number) {
                    self.handle.remove(token);
                }
            }
            Command::End => self.ends = true,
        }
    }
}

impl Host for CalloopHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let xen = osevent_calloop::LibxlSource::new()?;
        let event_loop = xen.event_loop();
        let number = self.attached.fetch_add(1, Ordering::Relaxed);
        self.commands.send(Command::Attach(number, xen)).ok().context("the loop has ended")?;
        Ok(Attached { event_loop, detaches: Box::new(Detach { commands: self.commands.clone(), number }) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn end(&self) {
        // It fails where the loop has ended already.
        let _ = self.commands.send(Command::End);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.join().expect("the loop does not panic");
        }
    }
}

impl Drop for CalloopHost {
    fn drop(&mut self) {
        self.end();
    }
}

struct Detach {
    commands: Sender<Command>,
    number: u64,
}

impl Drop for Detach {
    fn drop(&mut self) {
        // Not sent where the loop has ended: that has detached it.
        let _ = self.commands.send(Command::Detach(self.number));
    }
}
