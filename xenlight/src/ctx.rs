//! A libxl ctx on an event loop.

use crate::children::{Children, LiveChildren};
use crate::client::{HOOKS, LINK, QUEUE, WORK};
use crate::closing::{Closing, Waiter};
#[cfg(doc)]
use crate::contract::*;
use crate::error::{Code, Error};
use crate::event::{Event, Events, WatchId};
use crate::follow::{self, Domains};
use crate::followers::Followers;
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
use xenlight_types::DomainId;

/// A connection to Xen's toolstack, hosted by an event loop.
///
/// It is `Send` and `Sync`: any thread may use it at any time. A call can take seconds, because libxl has one lock for each
/// ctx and works while holding it ([O12]).
///
/// # Dropping
/// A drop closes the ctx and does not wait for the end. Operations are aborted. When they have ended, the loop frees libxl's
/// ctx; if the loop is gone, a thread of this crate does it. There is no time limit if an operation ignores its abort, or if
/// Xen is 4.5 or earlier and has no abort. An aborted creation can leave an unfinished domain behind, which is logged
/// ([`Error::Unfinished`]).
///
/// Aborting takes libxl's lock. If an occurrence on another thread takes the lock at this moment, the drop waits for the
/// occurrence ([O12]). This cannot happen if the loop runs on a single thread and the ctx is dropped there, or if the ctx has
/// [a thread of its own](Builder::own_thread).
pub struct Ctx {
    pub(crate) registry: Arc<Registry<Hosted>>,
}

/// Options for opening a [`Ctx`].
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
    /// Sets how the exits of libxl's child processes are noticed. The default is [`Children::ByPidfd`].
    pub fn children(mut self, children: Children) -> Self {
        self.children = children;
        self
    }

    /// Sets a callback for events. It is called on the thread of the loop, outside of libxl, and may run the loop again or drop
    /// the ctx ([E2]). A panic in it ends only that iteration of the loop; the documentation of the adapter says what the loop
    /// does with a panic.
    ///
    /// Values that must stay on their thread, such as widgets, cannot be used here. Use them in a task that reads
    /// [`Ctx::events`]: see [the crate's documentation](crate#operations-and-widgets-on-glib).
    pub fn on_event(mut self, callback: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(callback));
        self
    }

    /// Sets a callback for each step between libxl and the loop, for diagnosis. It is called on any thread, also inside hooks,
    /// where libxl's lock is held. It must not wait ([R15]). Calls into libxl fail there with [`Error::InsideHook`], and what it
    /// drops is released later.
    pub fn trace(mut self, tracer: impl Fn(Trace) + Send + Sync + 'static) -> Self {
        self.tracer = Some(Box::new(tracer));
        self
    }

    /// Runs libxl on a thread of its own until the ctx is closed. The host's loop, which is passed to [`open`](Self::open),
    /// then only delivers events and results.
    ///
    /// This is for programs whose loop must not block: libxl can work for seconds, and builds a whole domain inside one call
    /// ([O12]). The differences are:
    /// - Operations begin on that thread, one after the other.
    /// - Watches begin and end there, too. If libxl refuses a watch, an
    ///   [`EventKind::WatchFailed`](crate::EventKind::WatchFailed) reports it.
    /// - [Closing](Ctx::close) continues there, also when the host's loop is gone.
    ///
    /// Queries such as [`Ctx::domains`] still run on the calling thread. They do not wait for libxl's lock, except with
    /// Xen 4.2, where no query may run while that thread is inside libxl ([O2]). [`Ctx::child_exited`] does wait for the lock.
    ///
    /// The thread inherits the signal mask of the thread that opens the ctx. So do the programs that libxl starts.
    pub fn own_thread(mut self) -> Self {
        self.works_on = WorksOn::OwnThread;
        self
    }

    /// The same as [`own_thread`](Self::own_thread), but the thread [runs](EventLoop::turn) a given loop, which nothing else
    /// may dispatch: an `osevent_epoll::Reactor` or a wrapper of one. For tests and diagnosis.
    pub fn thread(mut self, works_on: Arc<dyn EventLoop>) -> Self {
        self.works_on = WorksOn::Thread(works_on);
        self
    }

    /// Opens the ctx on `event_loop`, and keeps the loop until the ctx is closed. May be called on any thread; takes a few
    /// milliseconds. The process must be able to open 16 more files, because libxl ends the process if it gets no fd.
    ///
    /// # Errors
    /// - [`Error::Open`], with advice: libxl cannot reach Xen.
    /// - [`Error::Unsupported`]: the loaded release does not have the chosen [`Children`].
    /// - [`Error::SigchldTaken`]: the chosen [`Children`] needs a SIGCHLD handler, and the process already has one.
    /// - [`Error::SigchldIgnored`]: the process ignores SIGCHLD.
    /// - [`Error::LoopGone`]: the loop has ended.
    /// - [`Error::Io`], [`Error::Registration`]: no fds are left, or the loop refuses.
    pub fn open(self, event_loop: Arc<dyn EventLoop>) -> Result<Ctx, Error> {
        inside::check()?;
        let release = self.library.release();
        if release < Release::V4_4 && !matches!(self.children, Children::ByPidfd | Children::Host) {
            let what = "having libxl handle SIGCHLD with an event loop of the host's";
            return Err(self.library.lacks(what, Release::V4_4));
        }
        if self.children.meet_foreign_handler(self.library.path()) {
            return Err(Error::SigchldTaken(self.children));
        }
        if self.children.lose_statuses() {
            return Err(Error::SigchldIgnored);
        }
        let no_fd = |reason| Error::Io { doing: "make an eventfd", reason };
        let queue = Arc::new(Queue::new().map_err(no_fd)?);
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
            logger: Logger::new(queue.clone()),
            library: self.library,
            hooks: HookState::new(self.tracer),
            queue,
            link: Link::default(),
            operations: Operations::default(),
            events: Subscribers::new(self.on_event),
            followers: Followers::default(),
            children: LiveChildren::new(self.children),
            closing,
            version: Mutex::default(),
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
    /// Opens a ctx with default options and without an event callback; see [`events`](Self::events).
    ///
    /// # Errors
    /// The same as for [`Builder::open`].
    pub fn open(library: &Library, event_loop: Arc<dyn EventLoop>) -> Result<Self, Error> {
        Self::builder(library).open(event_loop)
    }

    /// Creates a builder with default options.
    pub fn builder(library: &Library) -> Builder {
        Builder {
            library: library.clone(),
            children: Children::default(),
            on_event: None,
            tracer: None,
            works_on: WorksOn::HostsLoop,
        }
    }

    /// The library of this ctx.
    pub fn library(&self) -> &Library {
        &self.registry.client().library
    }

    /// Reports the shutdown and the death of a domain, once each, while the watch exists. It also reports what has happened
    /// before: that the domain has shut down, is dying, or does not exist ([E11]).
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::LoopGone`].
    pub fn watch_death(&self, domid: DomainId) -> Result<Watch, Error> {
        watch::watch_death(&self.registry, domid)
    }

    /// Reports that the domain ejects the medium of a disk. `vdev` is the name in the configuration, for instance `hdc`.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::LoopGone`].
    pub fn watch_eject(&self, domid: DomainId, vdev: &str) -> Result<Watch, Error> {
        watch::watch_eject(&self.registry, domid, vdev)
    }

    /// A stream of the events from now on. Each stream gets all events, and so does the callback, if there is one.
    pub fn events(&self) -> Events {
        self.registry.client().events.stream()
    }

    /// The domains of the host, and every change of them from now on: none is lost in between, and nothing is polled for while the host is
    /// at rest. Each stream gets all changes; all of a ctx share one connection to xenstored, of their own.
    ///
    /// The first reading is made here, on the calling thread, which waits for xenstored several times for each domain: 30 to 400 ms were
    /// measured for 200 domains on a busy machine. Later readings are made where libxl works: on the thread that runs the loop, or on
    /// [a thread of its own](Builder::own_thread). A change of one of 200 domains was told after 1.7 ms, of a single one after 0.4 ms
    /// (medians). While libxl builds a domain there, nothing is told; a program that minds follows the domains with another ctx.
    ///
    /// A domain that another program pauses or unpauses shows with the next change of any domain, or by [`Domains::refresh`]. What
    /// operations of this ctx do, shows by itself.
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx) -> Result<(), xenlight::Error> {
    /// use futures_lite::StreamExt;
    /// use xenlight::{DomainChange, DomainState};
    ///
    /// let mut domains = ctx.follow_domains()?;
    /// for domain in domains.list() {
    ///     println!("{}: {:?} is {:?}", domain.domid(), domain.name, domain.state);
    /// }
    /// while let Some(change) = domains.next().await {
    ///     match change {
    ///         DomainChange::Appeared(domain) => println!("{} is new", domain.domid()),
    ///         DomainChange::Changed { now, .. } => println!("{} is {:?}", now.domid(), now.state),
    ///         DomainChange::Gone(domain) if domain.state == DomainState::Making => println!("a creation has failed"),
    ///         DomainChange::Gone(domain) => println!("{} is gone", domain.domid()),
    ///         DomainChange::Stale(error) => println!("the list may be outdated: {error}"),
    ///         other => println!("{other:?}"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::XenstoredLost`] if xenstored cannot be reached; [`Error::Io`] if there are no fds (16 have to be free); those of [`domains`](Self::domains);
    /// [`Error::Registration`], [`Error::LoopGone`], [`Error::Closed`], [`Error::InsideHook`].
    pub fn follow_domains(&self) -> Result<Domains, Error> {
        follow::begin(&self.registry)
    }

    /// As [`Domains::refresh`], for whoever does not have the stream. Nothing is done if nobody follows the domains.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn refresh_domains(&self) -> Result<(), Error> {
        follow::refresh(&self.registry)
    }

    /// Reports that a child of the process has exited, with its wait status; for [`Children::Host`]. Returns true if it was a
    /// child of this ctx. If there are several ctxs, report the child to each of them ([S2]). Must not be called in a signal
    /// handler. Report children until [`close`](Self::close) has ended, because the close may wait for one.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::ChildrenOf`] if libxl handles SIGCHLD itself.
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

    /// Begins to close: new work is refused and operations are aborted. The future resolves when the operations have ended,
    /// libxl's ctx is freed and nothing is registered. Any thread may await it; the loop must run meanwhile. It resolves after
    /// the last callback has returned, so a callback must not wait for it, nor for a thread that waits for it.
    pub fn close(&self) -> Close {
        close::begin(&self.registry);
        Close { registry: self.registry.clone(), waiter: self.registry.client().closing.waiter() }
    }

    /// Closes the ctx, and runs the loop on this thread until that is done. This is for programs whose loop does not run, or no
    /// longer runs, or runs on this thread. Other ctxs on the same loop are served meanwhile, and their events are delivered on
    /// this thread. A panic in one of their callbacks ends this call, but not the close.
    ///
    /// # Errors
    /// [`Error::InsideCallback`] or [`Error::InsideHook`] if it would wait for its own caller; nothing has changed then. [`Error::Loop`] if the loop, or
    /// the loop of the ctx's own thread, cannot wait; the close continues by itself. It also fails with [`Error::Loop`] in a
    /// forked child, where nothing is closed ([X7]).
    pub fn close_blocking(&self) -> Result<(), Error> {
        inside::check()?;
        let hosted = self.registry.client();
        let on_own_thread = hosted.worker.as_ref().is_some_and(Worker::is_current);
        if self.registry.is_inside() || hosted.queue.is_delivering() || on_own_thread {
            return Err(Error::InsideCallback("close_blocking"));
        }
        Ok(close::run(&self.registry)?)
    }

    /// Counts what is registered with the loop and what is in progress, for diagnosis and tests.
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

/// A future that resolves when a ctx is closed. Dropping it does not stop the close.
#[must_use = "the ctx closes without being awaited, but nobody learns when"]
pub struct Close {
    registry: Arc<Registry<Hosted>>,
    waiter: Waiter,
}

impl Close {
    /// Counts what is still registered and in progress.
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
