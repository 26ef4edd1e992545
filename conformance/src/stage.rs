//! What a case has: a guest, a host that runs, and ctxs opened between the two.

use crate::guests::{self, Guest};
use crate::hosts::{Adapter, Attached, Host};
use crate::recorder::Recorder;
use anyhow::{Context, bail, ensure};
use futures_lite::future::block_on;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use xenlight::{Children, Ctx, Event, Library, Trace};

/// How long a case waits for anything: far longer than it can take, even on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Stage {
    pub(crate) guest: Guest,
    pub(crate) host: Box<dyn Host>,
    pub(crate) library: Library,
    /// For files of the case's own.
    pub(crate) folder: std::path::PathBuf,
    /// Of every ctx that was opened.
    opened: Mutex<Vec<(Arc<Hooks>, Weak<Recorder>)>>,
}

impl Stage {
    pub(crate) fn set(kind: guests::Kind, adapter: Adapter, folder: &std::path::Path) -> anyhow::Result<Self> {
        let guest = Guest::start(kind)?;
        let library = Library::load()?;
        Ok(Self { guest, host: adapter.start()?, library, folder: folder.to_owned(), opened: Mutex::default() })
    }

    /// After the case: every ctx is closed, and nothing came after.
    pub(crate) fn strike(self) -> anyhow::Result<()> {
        self.host.end();
        for (hooks, recorder) in self.opened.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Some(recorder) = recorder.upgrade() {
                recorder.expect_nothing()?;
            }
            hooks.expect_nothing_late()?;
        }
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
        let recorder = Recorder::new(attached.event_loop.clone());
        let (sender, events) = channel();
        let hooks = Arc::new(Hooks::default());
        let seen = hooks.clone();
        let ctx = Ctx::builder(&self.library)
            .children(children)
            .trace(move |step| seen.record(step))
            .on_event(move |event| {
                on_event(&event);
                // The case may be over with the events.
                let _ = sender.send(Delivered { event, thread: std::thread::current().id() });
            })
            .open(recorder.clone())?;
        let idle = recorder.record().watched.len();
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push((hooks.clone(), Arc::downgrade(&recorder)));
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
    /// How many fds an idle ctx watches.
    idle: usize,
}

impl Opened {
    /// Nothing of libxl's is registered any more.
    pub(crate) fn expect_idle(&self) -> anyhow::Result<()> {
        eventually("libxl has deregistered all it had registered", || {
            self.recorder.record().watched.len() == self.idle && self.ctx.census().registered == self.idle
        })
    }

    /// Closes it from this thread while the host runs the loop, and checks what it leaves: nothing.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let mut close = self.ctx.close();
        drop(self.ctx);
        block_on(&mut close);
        self.hooks.seal();
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
    /// The next one; it must have been delivered on the loop's thread (E2).
    pub(crate) fn next(&self) -> anyhow::Result<Event> {
        match self.delivered.recv_timeout(PATIENCE) {
            Ok(Delivered { event, thread }) => {
                ensure!(thread == self.loop_thread, "{event:?} was delivered on another thread than the loop's");
                Ok(event)
            }
            Err(RecvTimeoutError::Timeout) => bail!("no event within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the ctx was closed, no event can come"),
        }
    }

    /// There is none now, and none can come since the ctx is closed.
    pub(crate) fn expect_end(&self) -> anyhow::Result<()> {
        match self.delivered.recv_timeout(PATIENCE) {
            Ok(Delivered { event, .. }) => bail!("unexpected event: {event:?}"),
            Err(RecvTimeoutError::Timeout) => bail!("the callback outlives its closed ctx"),
            Err(RecvTimeoutError::Disconnected) => Ok(()),
        }
    }
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        ensure!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Waits for a message from another thread.
pub(crate) fn receive<T>(what: &str, receiver: &Receiver<T>) -> anyhow::Result<T> {
    receiver.recv_timeout(PATIENCE).with_context(|| format!("not within {PATIENCE:?}: {what}"))
}

/// Each step between libxl and the loop.
#[derive(Default)]
pub(crate) struct Hooks(Mutex<Steps>);

#[derive(Default)]
struct Steps {
    all: Vec<Trace>,
    /// What each thread is inside of, outermost first.
    inside: Vec<(ThreadId, Trace)>,
    /// How many there had been when the ctx was known to be closed.
    sealed: Option<usize>,
}

impl Hooks {
    pub(crate) fn count(&self, wanted: impl Fn(&Trace) -> bool) -> usize {
        self.lock().all.iter().filter(|step| wanted(step)).count()
    }

    /// The occurrence that another thread than this one is making.
    pub(crate) fn occurrence_elsewhere(&self) -> Option<Trace> {
        let me = std::thread::current().id();
        self.lock().inside.iter().find(|(thread, _)| *thread != me).map(|(_, step)| *step)
    }

    /// The ctx is closed: no hook and no occurrence may come any more (X4).
    fn seal(&self) {
        let mut steps = self.lock();
        steps.sealed = Some(steps.all.len());
    }

    fn expect_nothing_late(&self) -> anyhow::Result<()> {
        let steps = self.lock();
        let late = steps.sealed.map_or(&[][..], |sealed| &steps.all[sealed..]);
        ensure!(late.is_empty(), "after the ctx was closed (X4): {late:?}");
        ensure!(steps.inside.is_empty(), "still inside libxl: {:?}", steps.inside);
        Ok(())
    }

    fn record(&self, step: Trace) {
        let me = std::thread::current().id();
        let mut steps = self.lock();
        steps.all.push(step);
        match step {
            Trace::FdOccurrence { .. } | Trace::TimeoutOccurrence => steps.inside.push((me, step)),
            Trace::OccurrenceReturned => {
                let innermost = steps.inside.iter().rposition(|(thread, _)| *thread == me);
                steps.inside.remove(innermost.expect("what returns has begun"));
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
