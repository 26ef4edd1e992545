//! A libxl ctx on an event loop.

use crate::children::{Children, LiveChildren};
use crate::client::{HOOKS, LINK, QUEUE, WORK};
use crate::closing::{Closing, Waiter};
#[cfg(doc)]
use crate::contract::*;
use crate::domain_id::DomainId;
use crate::error::{Code, Error};
use crate::event::{Event, Events, WatchId};
use crate::hooks::HookState;
use crate::hosted::{DeliverySource, Hosted, RawCtx};
use crate::library::Library;
use crate::link::Link;
use crate::logger::Logger;
use crate::pending::Operations;
use crate::queue::Queue;
use crate::signal::lacks_fds;
use crate::subscribers::{Callback, Subscribers};
use crate::trace::{Trace, Tracer};
use crate::watch::{self, Watch};
use crate::words::{Listener, Words};
use crate::worker::Worker;
use crate::{child_watch, close, inside, lock, reach, work};
use core::ffi::c_void;
use osevent_core::{Census, EventLoop, Exclusion, Interest, LockRule, Registry, current_thread};
use osevent_epoll::Reactor;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use xenlight_sys::{Release, codes};

/// One connection to Xen's toolstack, hosted by an event loop.
///
/// `Send` and `Sync`: any thread may use it at any time. A call can take seconds, because libxl has
/// one lock for a ctx and works while holding it ([O12]).
///
/// Dropping it closes it without waiting for anything to end: what is still in progress is aborted, the loop carries on until it has
/// ended, and frees libxl's ctx then. To abort takes libxl's lock. It is free when that begins, but another thread's
/// occurrence can take it just then, and the drop waits as long as that works ([O12]); a program whose loop runs
/// on one thread, and which drops there, never meets that, nor does one whose ctx has [a thread of its own](Builder::own_thread). Where the loop is gone, a thread of this crate does that.
/// An operation that ignores its abort, or runs in Xen 4.5 and earlier, which have none, puts no
/// bound to how long that takes.
/// A creation that is aborted can leave a half-made domain behind, which is logged ([`Error::Unfinished`]).
pub struct Ctx {
    pub(crate) registry: Arc<Registry<Hosted>>,
}

/// How a [`Ctx`] shall be opened.
#[must_use = "nothing is opened before `open`"]
pub struct Builder {
    library: Library,
    children: Children,
    on_event: Option<Callback>,
    tracer: Option<Tracer>,
    works_on: WorksOn,
}

/// Where libxl registers.
enum WorksOn {
    HostsLoop,
    OwnThread,
    /// On a thread of its own, which turns this.
    Thread(Arc<dyn EventLoop>),
}

impl Builder {
    /// Who learns of the deaths of libxl's children; by pidfd, if this is not called.
    pub fn children(mut self, children: Children) -> Self {
        self.children = children;
        self
    }

    /// Called with each event: on the loop's thread, outside every call into libxl, so that it may
    /// do anything, running the loop again or dropping the ctx included ([E2]). A panic in it ends that
    /// turn of the loop, nothing else; what the loop does with it is said there.
    ///
    /// What may not leave its thread, such as a widget, goes into a task that takes [`Ctx::events`]: see
    /// [the crate's documentation](crate#operations-and-widgets-on-glib).
    pub fn on_event(mut self, callback: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(callback));
        self
    }

    /// Called with each step between libxl and the loop, for diagnosis: on any thread, also from
    /// inside a hook, where libxl's lock is held. So it must not wait ([R15]); what it asks of libxl is refused with
    /// [`Error::InsideHook`], and what it drops is let go of later.
    pub fn trace(mut self, tracer: impl Fn(Trace) + Send + Sync + 'static) -> Self {
        self.tracer = Some(Box::new(tracer));
        self
    }

    /// Gives libxl a thread of its own, until the ctx is closed. The host's loop, the one that [`open`](Self::open) is given,
    /// only delivers events and results then.
    ///
    /// For programs whose loop must not stand still: libxl can work for seconds, and builds a whole domain inside
    /// one call ([O12]). What is different:
    /// - Operations begin on that thread, one after the other.
    /// - Watches begin and end there, too. One that libxl refuses is reported as [`EventKind::WatchFailed`](crate::EventKind::WatchFailed).
    /// - [Closing](Ctx::close) goes on there, also when the host's loop has gone.
    ///
    /// Questions such as [`Ctx::domains`] are answered on the calling thread still; libxl's lock is not among what they wait for,
    /// but with Xen 4.2, where nothing may be asked while that thread is inside libxl ([O2]).
    /// [`Ctx::child_exited`] does wait for it.
    ///
    /// The thread has the signal mask of the one that opens the ctx, and so have the programs that libxl starts from it.
    pub fn own_thread(mut self) -> Self {
        self.works_on = WorksOn::OwnThread;
        self
    }

    /// As [`own_thread`](Self::own_thread), on a loop of the caller's, which the thread [turns](EventLoop::turn) and nobody
    /// else dispatches: an `osevent_epoll::Reactor`, or something that observes one. For tests and diagnosis.
    pub fn thread(mut self, works_on: Arc<dyn EventLoop>) -> Self {
        self.works_on = WorksOn::Thread(works_on);
        self
    }

    /// Opens it on this loop, which it keeps until it is closed. From any thread; takes a few milliseconds. The process has to be able to open 16 files more,
    /// because libxl ends the process where it finds none.
    ///
    /// # Errors
    /// [`Error::Open`] with advice where libxl cannot reach Xen; [`Error::Unsupported`] for a way
    /// of owning children that the loaded release does not have, [`Error::SigchldTaken`] for one that this process cannot
    /// have, [`Error::SigchldIgnored`] where it can have none; [`Error::LoopGone`]; [`Error::Io`] and
    /// [`Error::Registration`] where fds have run out or the loop refuses.
    pub fn open(self, event_loop: Arc<dyn EventLoop>) -> Result<Ctx, Error> {
        inside::check()?;
        let release = self.library.release();
        if release < Release::V4_4 && !matches!(self.children, Children::ByPidfd | Children::Host) {
            let what = "having libxl handle SIGCHLD with an event loop of the host's";
            return Err(Error::Unsupported { what, needs: Release::V4_4, loaded: release });
        }
        if self.children.meet_foreign_handler(self.library.path()) {
            return Err(Error::SigchldTaken(self.children));
        }
        if self.children.lose_statuses() {
            return Err(Error::SigchldIgnored);
        }
        let no_fd = |reason| Error::Io { doing: "make an eventfd", reason };
        let queue = Queue::new().map_err(no_fd)?;
        let closing = Closing::new().map_err(no_fd)?;
        let (works_on, worker) = match self.works_on {
            WorksOn::HostsLoop => (event_loop.clone(), None),
            WorksOn::Thread(works_on) => (works_on, Some(Worker::new().map_err(no_fd)?)),
            WorksOn::OwnThread => {
                let works_on = Reactor::new().map_err(|error| Error::Io {
                    doing: "make a loop for libxl's thread",
                    reason: io::Error::other(error),
                })?;
                (works_on as Arc<dyn EventLoop>, Some(Worker::new().map_err(no_fd)?))
            }
        };
        // Earlier ones do not tolerate an occurrence after its deregistration (O3).
        let rule = if release < Release::V4_3 {
            LockRule::Serialized(Box::new(Exclusion::default()))
        } else {
            LockRule::Concurrent
        };
        let registry = Registry::new(works_on, rule, current_thread, |registry| Hosted {
            delivery_source: Registry::new(event_loop, LockRule::Concurrent, current_thread, |_| {
                DeliverySource(registry.clone())
            }),
            gone: Mutex::default(),
            worker,
            ctx: OnceLock::new(),
            registry: registry.clone(),
            keep: Mutex::new(None),
            logger: Logger::new(),
            library: self.library,
            hooks: HookState::new(self.tracer),
            queue,
            link: Link::default(),
            operations: Operations::default(),
            events: Subscribers::new(self.on_event),
            children: LiveChildren::new(self.children),
            closing,
        });
        let ctx = Ctx { registry };
        ctx.registry.client().keep_alive(&ctx.registry);
        if let Some(worker) = &ctx.registry.client().worker {
            // Where there is no thread, or none that hears of work, nobody else would close it.
            ctx.employ(worker).inspect_err(|_| ctx.registry.close())?;
        }
        ctx.connect()?;
        Ok(ctx)
    }
}

impl Ctx {
    /// Opens a ctx with default options and no event callback; see [`events`](Self::events).
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(library: &Library, event_loop: Arc<dyn EventLoop>) -> Result<Self, Error> {
        Self::builder(library).open(event_loop)
    }

    /// A ctx with options.
    pub fn builder(library: &Library) -> Builder {
        Builder {
            library: library.clone(),
            children: Children::default(),
            on_event: None,
            tracer: None,
            works_on: WorksOn::HostsLoop,
        }
    }

    /// The library it belongs to.
    pub fn library(&self) -> &Library {
        &self.registry.client().library
    }

    /// Reports the shutdown and death of a domain, once each, for as long as the watch lives. What has happened already is
    /// reported, too: a domain that has shut down, is dying, or is not there ([E11]).
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::LoopGone`].
    pub fn watch_death(&self, domid: DomainId) -> Result<Watch, Error> {
        watch::watch_death(&self.registry, domid)
    }

    /// Reports that the domain ejects the medium of a disk; `vdev` as in its configuration, for instance `hdc`.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::LoopGone`].
    pub fn watch_eject(&self, domid: DomainId, vdev: &str) -> Result<Watch, Error> {
        watch::watch_eject(&self.registry, domid, vdev)
    }

    /// The events from now on, as a stream; each stream gets all. Beside the callback, if there is one.
    pub fn events(&self) -> Events {
        self.registry.client().events.stream()
    }

    /// Reports that a child of the process has exited, with its wait status; for [`Children::Host`].
    /// Tell each of them, if there are several ([S2]). True if it was a child of this ctx's. Never from
    /// a signal handler. Until [`close`](Self::close) has ended, it may be waiting for a child.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::ChildrenOf`] where libxl handles SIGCHLD itself.
    pub fn child_exited(&self, pid: i32, status: i32) -> Result<bool, Error> {
        let hosted = self.registry.client();
        let children = hosted.children.owner();
        if !matches!(children, Children::Host | Children::ByPidfd) {
            return Err(Error::ChildrenOf(children));
        }
        let call = inside::enter(&self.registry)?;
        // SAFETY: the ctx lives while `call` does, and this is no signal handler (S2).
        let rc = unsafe { hosted.library().childproc_reaped(hosted.raw(&call), pid, status) };
        hosted.progressed(&self.registry);
        Ok(rc == 0)
    }

    /// Begins to close: no new work is taken, operations are aborted, the loop carries on until
    /// they have ended, and the future resolves when libxl's ctx is freed and nothing is registered.
    /// Any thread may await it; the loop must run meanwhile. It ends after the last callback has returned, so a callback must
    /// not wait for it, nor for a thread that does.
    pub fn close(&self) -> Close {
        close::begin(&self.registry);
        Close { registry: self.registry.clone(), waiter: self.registry.client().closing.waiter() }
    }

    /// Closes, and turns the loop itself on this thread until that is done. For programs whose loop does not run (any more),
    /// or whose loop this thread is to run: other ctxs on the same loop are served, and their events delivered, here
    /// meanwhile. A panic in a callback of theirs ends this call, and not the close.
    ///
    /// # Errors
    /// [`Error::InsideCallback`] where it would wait for its caller; nothing has changed then.
    /// [`Error::Loop`] if the loop cannot wait, or that of the ctx's own thread; the close goes on by itself. So it is in
    /// a forked child, where nothing is closed ([X7]).
    pub fn close_blocking(&self) -> Result<(), Error> {
        inside::check()?;
        let hosted = self.registry.client();
        let on_own_thread = hosted.worker.as_ref().is_some_and(Worker::is_current);
        if self.registry.is_inside() || hosted.queue.is_delivering() || on_own_thread {
            return Err(Error::InsideCallback("close_blocking"));
        }
        Ok(close::run(&self.registry)?)
    }

    /// What is registered with the loop and in progress, for diagnosis and tests.
    pub fn census(&self) -> Census {
        census(&self.registry)
    }

    fn employ(&self, worker: &Worker<Registry<Hosted>>) -> Result<(), Error> {
        self.registry.watch_fd(worker.fd(), Interest::IN, WORK)?;
        work::start(&self.registry).map_err(|reason| Error::Io { doing: "start libxl's thread", reason })
    }

    fn connect(&self) -> Result<(), Error> {
        let registry = &self.registry;
        let hosted = registry.client();
        hosted.delivery_source().watch_fd(hosted.queue.fd(), Interest::IN, QUEUE)?;
        // The loop keeps this, and with it the memory of what it refers to, for longer than the ctx: the smaller of the two.
        let delivery_source = Arc::downgrade(&hosted.delivery_source);
        let gone = hosted.delivery_source().event_loop().on_gone(Box::new(move || {
            let registry = delivery_source.upgrade().and_then(|delivery_source| delivery_source.client().0.upgrade());
            if let Some(registry) = registry {
                close::loop_gone(&registry);
            }
        }));
        // Nothing closes the ctx before its opener has it, so it is there when the end looks for it.
        *lock(&hosted.gone) = Some(gone);
        if hosted.closing.loop_is_gone() {
            return Err(Error::LoopGone);
        }
        let cannot = |advice| Error::Open { code: Code(codes::ERROR_FAIL), words: Words::default(), advice };
        if let Some(connection) = reach::xenstored().map_err(cannot)? {
            hosted.link.watch(connection, hosted.delivery_source(), LINK)?;
        }
        let library = hosted.library();
        let call = inside::enter(registry)?;
        let listener = Listener::new(None);
        let _attending = hosted.hearing().attend(Some(listener.clone()));
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is written during the call; the logger is part of the registry, which
        // outlives the ctx (X1).
        let rc = unsafe { library.ctx_alloc(&mut raw, codes::LIBXL_VERSION, 0, hosted.logger()) };
        let Some(raw) = NonNull::new(raw).filter(|_| rc == 0) else {
            let advice = if lacks_fds() { reach::TOO_MANY_FILES } else { reach::advice() };
            return Err(Error::Open { code: Code(rc), words: listener.words(), advice });
        };
        let set = hosted.ctx.set(RawCtx(raw));
        debug_assert!(set.is_ok(), "a ctx is connected once");
        let ctx = hosted.raw(&call);
        let user = Arc::as_ptr(registry).cast_mut().cast::<c_void>();
        // SAFETY: the hooks are static and the registry outlives the ctx (X1). Nothing is
        // registered yet, and nobody else has the ctx: these come first, in this order (X1, E5).
        unsafe {
            library.osevent_register_hooks(ctx, &HOOKS, user);
            library.event_register_callbacks(ctx, &watch::HOOKS, user);
            library.childproc_setmode(ctx, child_watch::hooks(hosted.children.owner()), user);
        }
        // The first watch in xenstore takes two fds for the life of the ctx, and libxl ends the process where there are none
        // (`xs_fileno` and the assertion in `libxl__ev_fd_register`). So it is made now, where it can be refused.
        if lacks_fds() {
            return Err(cannot(reach::TOO_MANY_FILES));
        }
        let mut evgen = ptr::null_mut();
        // SAFETY: the ctx lives while `call` does; `evgen` is written during the call.
        let rc = unsafe { library.evenable_domain_death(ctx, 0, WatchId::NOBODYS.as_u64(), &mut evgen) };
        if rc != 0 {
            return Err(hosted.error("watch domains", rc, listener.words()));
        }
        hosted.hearing().opened();
        // SAFETY: just enabled, and nobody else has it.
        unsafe { library.evdisable_domain_death(ctx, evgen) };
        Ok(())
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        close::begin(&self.registry);
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("library", self.library()).field("census", &self.census()).finish()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("library", &self.library)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

/// A ctx that is being closed: resolves when that is done. Dropping it changes nothing.
#[must_use = "the ctx closes without being awaited, but nobody learns when"]
pub struct Close {
    registry: Arc<Registry<Hosted>>,
    waiter: Waiter,
}

impl Close {
    /// What is still registered and in progress.
    pub fn census(&self) -> Census {
        census(&self.registry)
    }
}

impl Drop for Close {
    fn drop(&mut self) {
        self.registry.client().closing.forget(&self.waiter);
    }
}

impl Future for Close {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.registry.client().closing.poll(&self.waiter, context.waker())
    }
}

impl fmt::Debug for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Close").field("census", &self.census()).finish()
    }
}

/// On the host's loop and on libxl's, which may be the same.
fn census(registry: &Registry<Hosted>) -> Census {
    let (here, there) = (registry.client().delivery_source().census(), registry.census());
    Census {
        registered: here.registered + there.registered,
        alive: here.alive + there.alive,
        in_flight: there.in_flight,
    }
}
