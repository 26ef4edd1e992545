//! Watches: what asks libxl for events, and what takes them from it.

#[cfg(doc)]
use crate::contract::*;
use crate::error::{Code, Error};
use crate::event::{Event, EventKind, WatchId};
use crate::hosted::Hosted;
use crate::question::ask;
use crate::queue::Item;
use crate::subscribers::{Evgen, Told, Watched};
use crate::task::{Task, says_missing};
use crate::words::Words;
use crate::{inside, inventory, lock};
use core::ffi::{c_char, c_int, c_uint, c_void};
use osevent_core::{Registry, is_in_hook};
use std::ffi::{CStr, CString};
use std::fmt;
use std::ptr::null_mut;
use std::sync::{Arc, Weak};
use xenlight_sys::event::{Event as RawEvent, EventHooks};
use xenlight_sys::{Release, codes};
use xenlight_types::DomainId;

/// A request to libxl for events. It ends when it is dropped. If it is dropped on the thread that delivers events, none of its
/// events is delivered afterwards.
///
/// Dropping it calls libxl, which may wait for libxl's lock ([O12]). If the ctx has a thread of its own, that thread makes the
/// call.
#[must_use = "dropping a watch ends it; `keep` leaves it on until the ctx is closed"]
pub struct Watch {
    registry: Weak<Registry<Hosted>>,
    id: WatchId,
}

impl Watch {
    /// The id that its events have in [`Event::watch`].
    pub fn id(&self) -> WatchId {
        self.id
    }

    /// Keeps the watch until the ctx is closed ([E7]).
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

/// For the close.
pub(crate) fn disable_all(registry: &Registry<Hosted>) {
    let Ok(call) = registry.enter() else { return };
    let hosted = registry.client();
    let (standing, dropped) = {
        let mut watches = lock(&hosted.events.watches);
        (std::mem::take(&mut watches.standing), std::mem::take(&mut watches.dropped))
    };
    for evgen in standing.into_values().map(|watched| watched.evgen).chain(dropped) {
        disable(hosted, hosted.raw(&call), evgen);
    }
}

/// Those of watches that were dropped inside a hook. Outside of any.
pub(crate) fn disable_dropped(registry: &Registry<Hosted>) {
    let dropped = std::mem::take(&mut lock(&registry.client().events.watches).dropped);
    if dropped.is_empty() {
        return;
    }
    // Refused: the close has freed them (E7).
    let Ok(call) = registry.enter() else { return };
    for evgen in dropped {
        disable(registry.client(), registry.client().raw(&call), evgen);
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
    hosted.check_ready()?;
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
    hosted.check_ready()?;
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

/// Reports what became of the domain before it was watched: libxl looks by itself for the ctx's first watch only ([E11]).
///
/// Nothing falls between: what happens once the evgen is enabled has libxl look, and what happened before is seen here.
fn look(hosted: &Hosted, ctx: *mut xenlight_sys::Ctx, domid: DomainId, id: WatchId) {
    let report = |kind| hosted.events.push(&hosted.queue, Event { domid, watch: Some(id), kind });
    let found = match Task::on("watch a domain's death", domid).check() {
        // SAFETY: the caller is inside the gate, so the ctx is alive.
        Ok(()) => unsafe { inventory::info(hosted, ctx, domid) },
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

/// On any thread inside libxl, with the ctx unlocked ([E1]).
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
        unsafe { Hosted::take_string(hosted.library().event_to_json(hosted.raw_inside(), event)) }.unwrap_or_default()
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

/// Libxl may not be called from here ([E4]).
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
