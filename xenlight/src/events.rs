//! What libxl reports of domains: watches that ask for it, and events that tell.

use crate::contain::wake;
use crate::ctx::Hosted;
use crate::delivery::{Item, Queue};
use crate::domain;
use crate::inside;
use crate::operation::{ask, check_ready};
use crate::task::{Task, says_missing};
use crate::words::Words;
use crate::{Code, DomainId, Error, Release, lock};
use core::ffi::{c_char, c_int, c_uint, c_void};
use futures_core::Stream;
use osevent_core::{Registry, is_in_hook};
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, CString};
use std::fmt;
use std::pin::Pin;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use xenlight_sys::codes;
use xenlight_sys::event::{Event as RawEvent, EventHooks, EvgenDiskEject, EvgenDomainDeath};

/// Something happened that a [`Watch`] asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The domain; 0 for a [`Disaster`](EventKind::Disaster).
    pub domid: DomainId,
    /// The watch that asked. `None` where libxl reports without being asked.
    pub watch: Option<WatchId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The domain has shut down and is still there. A save does that, too, with
    /// [`ShutdownReason::Suspend`], which is not its end; a watch reports it once only, so make a
    /// new one after a save and resume (E11).
    Shutdown(ShutdownReason),
    /// The domain has come to its end. Xen may list it a little longer, as dying (E11).
    Death,
    /// The domain ejected the disk.
    Eject {
        /// The virtual device, for instance `hdc`.
        vdev: String,
        /// The whole event as libxl's JSON, with the disk's configuration.
        json: String,
    },
    /// Libxl lost track: events of the type, or all of them, may be missing from now on. Ask for
    /// the state of the domains, or open another ctx. Where xenstored has gone, which libxl does not notice, this crate tells so.
    Disaster {
        /// Libxl's words.
        message: String,
        /// The errno, if there is one.
        errno: i32,
    },
    /// The watch reports nothing, because libxl refused it. Only where the ctx has [a thread of its own](crate::Builder::own_thread):
    /// otherwise making the watch fails.
    WatchFailed {
        /// What libxl returned.
        code: Code,
        /// What it said in its log.
        words: Words,
    },
    /// A type that this crate does not know, as libxl's JSON.
    Other {
        /// Libxl's number of the type.
        number: u32,
        /// The whole event.
        json: String,
    },
}

/// Why a domain has shut down (Xen's `SHUTDOWN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It powered itself off.
    Poweroff,
    /// It wants to be started again.
    Reboot,
    /// It was suspended, for a save or a migration: not its end.
    Suspend,
    /// It crashed.
    Crash,
    /// Its watchdog ran out.
    Watchdog,
    /// It wants to be made anew in place.
    SoftReset,
    /// A number that this crate does not know.
    Other(u8),
}

/// As xl writes it; the number of one that this crate does not know.
impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Crash => "crash",
            Self::Watchdog => "watchdog",
            Self::SoftReset => "soft_reset",
            Self::Other(number) => return write!(f, "reason {number}"),
        })
    }
}

impl From<u8> for ShutdownReason {
    fn from(reason: u8) -> Self {
        match c_int::from(reason) {
            codes::SHUTDOWN_REASON_POWEROFF => Self::Poweroff,
            codes::SHUTDOWN_REASON_REBOOT => Self::Reboot,
            codes::SHUTDOWN_REASON_SUSPEND => Self::Suspend,
            codes::SHUTDOWN_REASON_CRASH => Self::Crash,
            codes::SHUTDOWN_REASON_WATCHDOG => Self::Watchdog,
            codes::SHUTDOWN_REASON_SOFT_RESET => Self::SoftReset,
            _ => Self::Other(reason),
        }
    }
}

/// Names a watch of one ctx, for ever (E10). It is the `for_user` that libxl is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId(u64);

impl WatchId {
    /// Of no watch: what carries it is not delivered.
    pub(crate) const NOBODYS: Self = Self(u64::MAX);

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// Asks libxl for events for as long as it lives. No event of it is delivered after its drop, on the thread that delivers.
///
/// Dropping it calls libxl, which may wait for libxl's lock (O12); where the ctx has a thread of its own, that one does.
#[must_use = "dropping a watch ends it; `keep` leaves it on until the ctx is closed"]
pub struct Watch {
    registry: Weak<Registry<Hosted>>,
    id: WatchId,
}

impl Watch {
    /// What its events carry in [`Event::watch`].
    pub fn id(&self) -> WatchId {
        self.id
    }

    /// Leaves it on until the ctx is closed (E7).
    pub fn keep(mut self) -> WatchId {
        self.registry = Weak::new();
        self.id
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(registry) = self.registry.upgrade() else { return };
        let hosted = registry.client();
        // Not libxl's in a forked child (X7); see `close::begin`.
        if hosted.children.is_forked() {
            return;
        }
        // From here on nothing of it is delivered. Not there: the close has disabled it.
        let Some(watched) = lock(&hosted.events.watches).standing.remove(&self.id.0) else { return };
        let disable = move |registry: &Arc<Registry<Hosted>>| {
            // Refused: the close has freed it (E7).
            let Ok(call) = registry.enter() else { return };
            disable(registry.client(), registry.client().raw(&call), watched.evgen);
        };
        match &hosted.worker {
            Some(worker) => worker.post(&registry, disable),
            None if is_in_hook() => {
                lock(&hosted.events.watches).dropped.push(watched.evgen);
                inside::when_idle(&registry);
            }
            None => disable(&registry),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.id.0).finish()
    }
}

/// The events of a ctx, from when this was made. It ends when the ctx is closed.
///
/// Poll it from any task on any thread. It holds what has not been taken, without a bound.
///
/// ```no_run
/// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
/// use futures_lite::StreamExt;
/// use xenlight::EventKind;
///
/// // The stream before the watch: a domain that is dead already is reported at once.
/// let mut events = ctx.events();
/// let watch = ctx.watch_death(domid)?;
/// while let Some(event) = events.next().await {
///     if event.watch == Some(watch.id()) && event.kind == EventKind::Death {
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream that is not polled collects events"]
pub struct Events(Arc<Mutex<Buffer>>);

#[derive(Default)]
struct Buffer {
    events: VecDeque<Event>,
    ended: bool,
    waker: Option<Waker>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        // The application's code, as its drop: not under the lock.
        let waker = context.waker().clone();
        let _replaced;
        let mut buffer = lock(&self.0);
        if let Some(event) = buffer.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if buffer.ended {
            return Poll::Ready(None);
        }
        _replaced = buffer.waker.replace(waker);
        Poll::Pending
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &lock(&self.0).events.len()).finish()
    }
}

pub(crate) type Callback = Arc<dyn Fn(Event) + Send + Sync>;

/// One ctx's watches, and who is told.
pub(crate) struct Subscribers {
    callback: Option<Callback>,
    watches: Mutex<Watches>,
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    listening: Vec<Weak<Mutex<Buffer>>>,
    ended: bool,
}

#[derive(Default)]
struct Watches {
    last: u64,
    standing: HashMap<u64, Watched>,
    /// Of watches that were dropped inside a hook: to be disabled.
    dropped: Vec<Evgen>,
}

struct Watched {
    domid: DomainId,
    told: Told,
    /// Of a watch for ejects: libxl leaves it out of the event.
    vdev: Option<String>,
    evgen: Evgen,
}

/// What a watch has reported of its domain.
#[derive(Clone, Copy, Default)]
struct Told {
    shutdown: bool,
    death: bool,
}

impl Told {
    /// Whether it is news.
    fn is_news(&mut self, kind: &EventKind) -> bool {
        let told = match kind {
            EventKind::Shutdown(_) => &mut self.shutdown,
            EventKind::Death => &mut self.death,
            _ => return true,
        };
        !std::mem::replace(told, true)
    }
}

#[derive(Clone, Copy)]
enum Evgen {
    /// Being enabled, or about to be; whoever does that disables it again if it is not standing any more.
    Starting,
    Death(*mut EvgenDomainDeath),
    Eject(*mut EvgenDiskEject),
}

// SAFETY: libxl takes an evgen on any thread; it is freed once, by whoever removed it from the table.
unsafe impl Send for Evgen {}

impl Subscribers {
    pub(crate) fn new(callback: Option<Callback>) -> Self {
        Self { callback, watches: Mutex::default(), streams: Mutex::default() }
    }

    pub(crate) fn stream(&self) -> Events {
        let buffer = Arc::new(Mutex::new(Buffer::default()));
        let mut streams = lock(&self.streams);
        streams.listening.retain(|stream| stream.strong_count() > 0);
        if streams.ended {
            lock(&buffer).ended = true;
        } else {
            streams.listening.push(Arc::downgrade(&buffer));
        }
        Events(buffer)
    }

    /// On the loop's thread, with no lock held.
    pub(crate) fn deliver(&self, event: Event) {
        if let Some(watch) = event.watch
            && !lock(&self.watches).standing.contains_key(&watch.0)
        {
            return;
        }
        let streams: Vec<_> = lock(&self.streams).listening.iter().filter_map(Weak::upgrade).collect();
        for stream in streams {
            let waker = {
                let mut buffer = lock(&stream);
                buffer.events.push_back(event.clone());
                buffer.waker.take()
            };
            waker.into_iter().for_each(wake);
        }
        if let Some(callback) = &self.callback {
            callback(event);
        }
    }

    /// Leaves an event for the loop's thread, unless its watch has reported that already: libxl and [`look`] may both have found it.
    fn push(&self, queue: &Queue, event: Event) {
        let mut watches = lock(&self.watches);
        let watched = event.watch.and_then(|watch| watches.standing.get_mut(&watch.0));
        if watched.is_none_or(|watched| watched.told.is_news(&event.kind)) {
            // Under the lock, so that a shutdown that one thread finds stays before the death that another does.
            queue.push(Item::Event(event));
        }
    }

    pub(crate) fn end(&self) {
        let streams = {
            let mut streams = lock(&self.streams);
            streams.ended = true;
            std::mem::take(&mut streams.listening)
        };
        for stream in streams.iter().filter_map(Weak::upgrade) {
            let waker = {
                let mut buffer = lock(&stream);
                buffer.ended = true;
                buffer.waker.take()
            };
            waker.into_iter().for_each(wake);
        }
    }

    pub(crate) fn disable_all(&self, registry: &Registry<Hosted>) {
        let Ok(call) = registry.enter() else { return };
        let hosted = registry.client();
        let (standing, dropped) = {
            let mut watches = lock(&self.watches);
            (std::mem::take(&mut watches.standing), std::mem::take(&mut watches.dropped))
        };
        for evgen in standing.into_values().map(|watched| watched.evgen).chain(dropped) {
            disable(hosted, hosted.raw(&call), evgen);
        }
    }

    /// Those of watches that were dropped inside a hook. Outside of any.
    pub(crate) fn disable_dropped(&self, registry: &Registry<Hosted>) {
        let dropped = std::mem::take(&mut lock(&self.watches).dropped);
        if dropped.is_empty() {
            return;
        }
        // Refused: the close has freed them (E7).
        let Ok(call) = registry.enter() else { return };
        for evgen in dropped {
            disable(registry.client(), registry.client().raw(&call), evgen);
        }
    }
}

fn disable(hosted: &Hosted, ctx: *mut xenlight_sys::Ctx, evgen: Evgen) {
    match evgen {
        Evgen::Starting => {}
        // SAFETY: the caller is inside the gate, and took the evgen out of the table, so it is
        // enabled and nobody else disables it.
        Evgen::Death(evgen) => unsafe { hosted.library().evdisable_domain_death(ctx, evgen) },
        // SAFETY: as above.
        Evgen::Eject(evgen) => unsafe { hosted.library().evdisable_disk_eject(ctx, evgen) },
    }
}

/// Asks for the shutdown and death of a domain.
pub(crate) fn watch_death(registry: &Arc<Registry<Hosted>>, domid: DomainId) -> Result<Watch, Error> {
    watch(registry, domid, None, Task::without("watch a domain's death"), move |hosted, ctx, id| {
        let mut evgen = null_mut();
        // SAFETY: the ctx lives while the gate is held, `evgen` is written during the call.
        let rc = unsafe { hosted.library().evenable_domain_death(ctx, domid.get(), id, &mut evgen) };
        (rc, Evgen::Death(evgen))
    })
}

/// Asks for the ejects of a disk.
pub(crate) fn watch_eject(registry: &Arc<Registry<Hosted>>, domid: DomainId, vdev: &str) -> Result<Watch, Error> {
    let name = CString::new(vdev).map_err(|_| Error::Nul("the virtual device's name"))?;
    let task = Task::on("watch a disk's ejects", domid);
    // At once, also where libxl has a thread: it tells nobody of what is missing.
    ask(registry, task, |_| Ok(()))?;
    watch(registry, domid, Some(vdev), task, move |hosted, ctx, id| {
        let mut evgen = null_mut();
        // SAFETY: as above; `name` is copied.
        let rc = unsafe { hosted.library().evenable_disk_eject(ctx, domid.get(), name.as_ptr(), id, &mut evgen) };
        (rc, Evgen::Eject(evgen))
    })
}

fn watch(
    registry: &Arc<Registry<Hosted>>,
    domid: DomainId,
    vdev: Option<&str>,
    task: Task,
    enable: impl FnOnce(&Hosted, *mut xenlight_sys::Ctx, u64) -> (c_int, Evgen) + Send + 'static,
) -> Result<Watch, Error> {
    let hosted = registry.client();
    check_ready(hosted)?;
    let id = {
        let mut watches = lock(&hosted.events.watches);
        watches.last += 1;
        let id = watches.last;
        // Before it is enabled: the first event can come at once, on another thread.
        watches.standing.insert(
            id,
            Watched { domid, told: Told::default(), vdev: vdev.map(str::to_owned), evgen: Evgen::Starting },
        );
        id
    };
    let enable = move |registry: &Arc<Registry<Hosted>>| begin(registry, task, domid, id, enable);
    match &hosted.worker {
        Some(worker) => worker.post(registry, move |registry| {
            // A ctx that is being closed tells nothing any more.
            let (code, words) = match enable(registry) {
                Err(Error::Libxl { code, words, .. }) => (code, words),
                Err(Error::NoSuchDomain { .. }) => (Code(codes::ERROR_DOMAIN_NOTFOUND), Words::default()),
                _ => return,
            };
            let event = Event { domid, watch: Some(WatchId(id)), kind: EventKind::WatchFailed { code, words } };
            registry.client().queue.push(Item::Event(event));
        }),
        None => enable(registry).inspect_err(|_| _ = lock(&hosted.events.watches).standing.remove(&id))?,
    }
    Ok(Watch { registry: Arc::downgrade(registry), id: WatchId(id) })
}

fn begin(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    domid: DomainId,
    id: u64,
    enable: impl FnOnce(&Hosted, *mut xenlight_sys::Ctx, u64) -> (c_int, Evgen),
) -> Result<(), Error> {
    let hosted = registry.client();
    let call = inside::enter(registry)?;
    check_ready(hosted)?;
    if !lock(&hosted.events.watches).standing.contains_key(&id) {
        return Ok(());
    }
    let (ctx, listener) = (hosted.raw(&call), task.listener());
    let (rc, evgen) = {
        let _attending = hosted.hearing().attend(Some(listener.clone()));
        enable(hosted, ctx, id)
    };
    if rc != 0 {
        return Err(task.error(hosted, ctx, rc, &listener));
    }
    let stands = {
        let mut watches = lock(&hosted.events.watches);
        watches.standing.get_mut(&id).map(|watched| watched.evgen = evgen).is_some()
    };
    if !stands {
        disable(hosted, hosted.raw(&call), evgen);
    } else if let Evgen::Death(_) = evgen {
        look(hosted, ctx, domid, WatchId(id));
    }
    Ok(())
}

/// Reports what became of the domain before it was watched: libxl looks by itself for the ctx's first watch only (E11).
///
/// Nothing falls between: what happens once the evgen is enabled has libxl look, and what happened before is seen here.
fn look(hosted: &Hosted, ctx: *mut xenlight_sys::Ctx, domid: DomainId, id: WatchId) {
    let report = |kind| hosted.events.push(&hosted.queue, Event { domid, watch: Some(id), kind });
    let found = match Task::on("watch a domain's death", domid).check() {
        // SAFETY: the caller is inside the gate, so the ctx is alive.
        Ok(()) => unsafe { domain::info(hosted, ctx, domid) },
        Err(_) => Ok(Err(codes::ERROR_DOMAIN_NOTFOUND)),
    };
    match found {
        Ok(Ok(info)) => {
            if let Some(reason) = info.shutdown {
                report(EventKind::Shutdown(reason));
            }
            if info.dying {
                report(EventKind::Death);
            }
        }
        Ok(Err(rc)) if says_missing(hosted, rc) => {
            report(EventKind::Death);
            // The evgen stays enabled, and what it would report from now on is another domain's.
            if let Some(watched) = lock(&hosted.events.watches).standing.get_mut(&id.0) {
                watched.told.shutdown = true;
            }
        }
        _ => {}
    }
}

/// For `libxl_event_register_callbacks`; the user pointer is the registry.
pub(crate) static HOOKS: EventHooks =
    EventHooks { event_occurs_mask: codes::EVENTMASK_ALL, event_occurs: Some(event_occurs), disaster: Some(disaster) };

/// On any thread inside libxl, with the ctx unlocked (E1).
unsafe extern "C" fn event_occurs(user: *mut c_void, event: *mut RawEvent) {
    // SAFETY: `user` is the registry, which outlives the ctx (X1).
    let hosted = unsafe { &*user.cast::<Registry<Hosted>>() }.client();
    // SAFETY: libxl passes an event that is the application's until it frees it (E3).
    let ours = read(hosted, unsafe { &mut *event });
    // SAFETY: freed once, and before the ctx: this call is inside the gate (E3).
    unsafe { hosted.library().event_free(hosted.raw_inside(), event) };
    hosted.events.push(&hosted.queue, ours);
}

fn read(hosted: &Hosted, event: &mut RawEvent) -> Event {
    let json = |event: &mut RawEvent| {
        // SAFETY: ctx and event are alive; the string is ours to free.
        unsafe { hosted.take_string(hosted.library().event_to_json(hosted.raw_inside(), event)) }.unwrap_or_default()
    };
    let kind = match event.kind {
        // SAFETY: the type says which field of the union counts.
        codes::EVENT_TYPE_DOMAIN_SHUTDOWN => EventKind::Shutdown(unsafe { event.detail.shutdown_reason }.into()),
        codes::EVENT_TYPE_DOMAIN_DEATH => EventKind::Death,
        codes::EVENT_TYPE_DISK_EJECT => {
            let vdev =
                lock(&hosted.events.watches).standing.get(&event.for_user).and_then(|watched| watched.vdev.clone());
            EventKind::Eject { vdev: vdev.unwrap_or_default(), json: json(event) }
        }
        number => EventKind::Other { number, json: json(event) },
    };
    let watch = match event.for_user {
        // 4.2.0 does not fill it in (E3): the domain tells then, as far as it is watched once only. Where it is not watched, it was.
        0 if hosted.library().release() == Release::V4_2 => {
            let watches = lock(&hosted.events.watches);
            let of_domain = watches.standing.iter().find(|(_, watched)| watched.domid.get() == event.domid);
            Some(of_domain.map_or(WatchId::NOBODYS, |(id, _)| WatchId(*id)))
        }
        0 => None,
        id => Some(WatchId(id)),
    };
    Event { domid: DomainId::new(event.domid), watch, kind }
}

/// Libxl may not be called from here (E4).
unsafe extern "C" fn disaster(user: *mut c_void, _: c_uint, message: *const c_char, errno: c_int) {
    // SAFETY: `user` is the registry, which outlives the ctx (X1).
    let hosted = unsafe { &*user.cast::<Registry<Hosted>>() }.client();
    let message = if message.is_null() {
        String::new()
    } else {
        // SAFETY: libxl passes a string that lasts for the call.
        unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
    };
    hosted.queue.push(Item::Event(Event {
        domid: DomainId::DOM0,
        watch: None,
        kind: EventKind::Disaster { message, errno },
    }));
}
