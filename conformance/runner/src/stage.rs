//! What a case has: a machine, a host that runs, and ctxs opened between the two.

#[cfg(doc)]
use crate::contract::*;
use crate::eventually::eventually;
use crate::hosts::Mode;
use crate::recorder::Recorder;
use crate::tiers::Machine;
use anyhow::{Context, bail, ensure};
use futures_lite::future::block_on;
use osevent_conformance::boundary::Rule;
use osevent_conformance::hosts::{Attached, Host};
use osevent_conformance::monitor::{Limits, Monitor, Witness};
use osevent_conformance::patience::patience;
use osevent_conformance::record::What;
use osevent_core::EventLoop;
use osevent_epoll::Reactor;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::ThreadId;
use xenlight::{Builder, Children, Ctx, Event, Library, Release, Trace};

pub(crate) struct Stage {
    pub(crate) machine: Machine,
    pub(crate) host: Box<dyn Host>,
    pub(crate) library: Library,
    /// For files of the case's own.
    pub(crate) folder: PathBuf,
    pub(crate) mode: Mode,
    /// Of every ctx that was opened.
    opened: Mutex<Vec<Weak<Recorder>>>,
    pub(crate) monitor: Arc<Monitor>,
}

impl Stage {
    pub(crate) fn set(
        machine: Machine,
        limits: Limits,
        host: Box<dyn Host>,
        mode: Mode,
        folder: &Path,
        library: Library,
    ) -> anyhow::Result<Self> {
        let (opened, monitor) = (Mutex::default(), Monitor::new(limits));
        Ok(Self { machine, host, library, folder: folder.to_owned(), mode, opened, monitor })
    }

    /// A ctx to be opened where this stage has it.
    pub(crate) fn builder(&self) -> Builder {
        let (builder, _) = self.watched();
        match self.mode {
            Mode::Loop => builder,
            Mode::Thread => builder.own_thread(),
        }
    }

    /// A ctx to be opened, with the monitor at its boundary.
    fn watched(&self) -> (Builder, Arc<Hooks>) {
        // Xenlight serializes what it cannot tell from 4.2.0.
        let rule = if self.library.release() < Release::V4_3 { Rule::Serialized } else { Rule::Concurrent };
        let witness = self.monitor.witness(rule);
        let builder = Ctx::builder(&self.library);
        let hooks = Arc::new(Hooks(witness.clone()));
        (builder.trace(move |step| witness.saw(what(step))), hooks)
    }

    /// After the case: every ctx is closed, and nothing came after.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.host.end();
        for recorder in self.opened.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Some(recorder) = recorder.upgrade() {
                recorder.expect_nothing()?;
            }
        }
        self.monitor.look(|record| {
            let of = |client| {
                record
                    .steps
                    .iter()
                    .filter(move |step| step.client == client && !matches!(step.what, What::Remark { .. }))
            };
            for client in 0..record.clients.len() as u32 {
                let freed = of(client).any(|step| step.what == What::Freed);
                ensure!(freed || of(client).next().is_none(), "the ctx of client {client} was not freed");
            }
            Ok(())
        })?;
        let inside = self.monitor.inside();
        ensure!(inside.is_empty(), "still inside libxl: {inside:?}");
        Ok(())
    }

    /// A ctx, attached to the host's loop once more.
    pub(crate) fn open(&self) -> anyhow::Result<Opened> {
        self.open_with(Children::default())
    }

    pub(crate) fn open_with(&self, children: Children) -> anyhow::Result<Opened> {
        self.open_observed(children, |_| {})
    }

    /// As `open_with`; `on_event` is called as the application's callback, before the event is recorded.
    pub(crate) fn open_observed(
        &self,
        children: Children,
        on_event: impl Fn(&Event) + Send + Sync + 'static,
    ) -> anyhow::Result<Opened> {
        let attached = self.host.attach()?;
        let (builder, hooks) = self.watched();
        // In front of the loop that libxl registers with.
        let (recorder, builder, host_loop) = match self.mode {
            Mode::Loop => {
                let recorder = Recorder::new(attached.event_loop.clone());
                (recorder.clone(), builder, recorder as Arc<dyn EventLoop>)
            }
            Mode::Thread => {
                let recorder = Recorder::new(Reactor::new()?);
                (recorder.clone(), builder.thread(recorder), attached.event_loop.clone())
            }
        };
        let (sender, events) = channel();
        let ctx = builder
            .children(children)
            .on_event(move |event| {
                on_event(&event);
                // The case may be over with the events.
                let _ = sender.send(Delivered { event, thread: std::thread::current().id() });
            })
            .open(host_loop)?;
        let idle = (recorder.record().watched.len(), ctx.census().registered);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&recorder));
        let events = Events { delivered: events, loop_thread: self.host.thread() };
        Ok(Opened { ctx, recorder, hooks, events, attached, idle })
    }
}

struct Delivered {
    event: Event,
    thread: ThreadId,
}

/// A ctx with its loop and its events.
pub(crate) struct Opened {
    pub(crate) ctx: Ctx,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) events: Events,
    /// Detaches when it is dropped: after the ctx, unless a case says otherwise.
    pub(crate) attached: Attached,
    /// How many fds an idle ctx watches: where libxl registers, and in all.
    idle: (usize, usize),
}

impl Opened {
    /// Nothing of libxl's is registered any more.
    pub(crate) fn expect_idle(&self) -> anyhow::Result<()> {
        eventually("libxl has deregistered all it had registered", || {
            (self.recorder.record().watched.len(), self.ctx.census().registered) == self.idle
        })
    }

    /// Closes it from this thread while the host runs the loop, and checks what it leaves: nothing.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let mut close = self.ctx.close();
        drop(self.ctx);
        block_on(&mut close);
        let mut census = close.census();
        eventually("the loop lets go of what it had", || {
            census = close.census();
            census.registered == 0 && census.alive == 0 && census.in_flight == 0
        })
        .with_context(|| format!("{census:?}"))?;
        self.recorder.expect_nothing()
    }
}

impl Recorder {
    /// What every end of a ctx must leave.
    pub(crate) fn expect_nothing(&self) -> anyhow::Result<()> {
        let watched = self.record().watched;
        ensure!(watched.is_empty(), "registered after the ctx was closed (X2): {watched:?}");
        Ok(())
    }
}

/// The events that were delivered to the application.
pub(crate) struct Events {
    delivered: Receiver<Delivered>,
    loop_thread: ThreadId,
}

impl Events {
    /// The next one; it must have been delivered on the loop's thread ([E2]).
    pub(crate) fn next(&self) -> anyhow::Result<Event> {
        match self.delivered.recv_timeout(patience()) {
            Ok(Delivered { event, thread }) => {
                ensure!(thread == self.loop_thread, "{event:?} was delivered on another thread than the loop's");
                Ok(event)
            }
            Err(RecvTimeoutError::Timeout) => bail!("no event within {:?}", patience()),
            Err(RecvTimeoutError::Disconnected) => bail!("the ctx was closed, no event can come"),
        }
    }

    /// The next one, if it has been delivered.
    pub(crate) fn try_next(&self) -> Option<Event> {
        self.delivered.try_recv().ok().map(|delivered| delivered.event)
    }

    /// There is none now, and none can come since the ctx is closed.
    pub(crate) fn expect_end(&self) -> anyhow::Result<()> {
        match self.delivered.recv_timeout(patience()) {
            Ok(Delivered { event, .. }) => bail!("unexpected event: {event:?}"),
            Err(RecvTimeoutError::Timeout) => bail!("the callback outlives its closed ctx"),
            Err(RecvTimeoutError::Disconnected) => Ok(()),
        }
    }
}

/// Waits for a message from another thread.
pub(crate) fn receive<T>(what: &str, receiver: &Receiver<T>) -> anyhow::Result<T> {
    receiver.recv_timeout(patience()).with_context(|| format!("not within {:?}: {what}", patience()))
}

/// The hooks and occurrences of one ctx.
pub(crate) struct Hooks(Witness);

impl Hooks {
    pub(crate) fn count(&self, wanted: impl Fn(&What) -> bool) -> usize {
        self.0.count(wanted)
    }

    /// The occurrence that another thread than this one is making.
    pub(crate) fn occurrence_elsewhere(&self) -> Option<What> {
        let is_occurrence = |what: &What| matches!(what, What::FdOccurrence { .. } | What::TimeoutOccurrence { .. });
        self.0.elsewhere().into_iter().find(is_occurrence)
    }
}

fn what(step: Trace) -> What {
    match step {
        Trace::FdRegister { fd, events, value } => What::FdRegister { fd, events, value },
        Trace::FdModify { handle, fd, events } => What::FdModify { fd, handle, events },
        Trace::FdDeregister { handle, fd } => What::FdDeregister { fd, handle },
        Trace::TimeoutRegister { deadline, value } => What::TimeoutRegister { deadline, value },
        Trace::TimeoutModify { handle, deadline } => What::TimeoutModify { handle, deadline },
        Trace::TimeoutDeregister { handle } => What::TimeoutDeregister { handle },
        Trace::HookReturned { handle, code } => What::HookReturned { handle, code },
        Trace::FdOccurrence { value, fd, events, revents } => What::FdOccurrence { value, fd, events, revents },
        Trace::TimeoutOccurrence { value } => What::TimeoutOccurrence { value },
        Trace::OccurrenceReturned => What::OccurrenceReturned,
        Trace::Free => What::Free,
        Trace::Freed => What::Freed,
        other => What::Remark { text: format!("{other:?}") },
    }
}
