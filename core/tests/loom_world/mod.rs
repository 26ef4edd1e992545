//! A loop and a client of few steps, so that their schedules can be explored to the end.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use osevent_core::{
    Client, ClientValue, Deadline, EventLoop, FdSource, GoneId, Interest, LockRule, LoopError, OuterLock, Owner,
    Readiness, Registry, ThreadId, TimerSource, Token,
};
use std::num::NonZeroU64;
use std::sync::{Arc, Weak};

loom::thread_local! {
    static ME: ThreadId = {
        // Not loom's: a name is only compared.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        ThreadId(NonZeroU64::new(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).unwrap())
    };
    static IN_HOOK: std::cell::Cell<bool> = std::cell::Cell::new(false);
}

fn current_thread() -> ThreadId {
    ME.with(|me| *me)
}

pub(crate) struct World {
    pub(crate) registry: Arc<Registry<LoomClient>>,
    pub(crate) event_loop: Arc<LoomLoop>,
}

impl World {
    pub(crate) fn concurrent() -> Self {
        Self::new(LockRule::Concurrent)
    }

    pub(crate) fn serialized() -> Self {
        Self::new(LockRule::Serialized(Box::new(LoomLock::default())))
    }

    fn new(rule: LockRule) -> Self {
        let event_loop = Arc::new(LoomLoop::default());
        let registry = Registry::new(event_loop.clone(), rule, current_thread, LoomClient::new);
        Self { registry, event_loop }
    }

    pub(crate) fn call<T>(&self, hook: impl FnOnce(&Registry<LoomClient>) -> T) -> T {
        let call = self.registry.enter().unwrap();
        call.client().use_library();
        call.client().in_hook(|| hook(&self.registry))
    }

    /// The fd's number is its value.
    pub(crate) fn fd(&self, fd: i32) -> Token {
        self.call(|registry| registry.register_fd(fd, Interest::IN, ClientValue(fd as u64))).unwrap()
    }

    /// In the far future.
    pub(crate) fn timeout(&self) -> Token {
        let deadline = Deadline::from_micros(1_000_000);
        self.call(|registry| registry.register_timeout(deadline, ClientValue(0))).unwrap()
    }

    /// Closes on this thread, where nothing else is in progress.
    pub(crate) fn finish(&self) {
        self.registry.close();
        self.assert_closed();
    }

    pub(crate) fn assert_closed(&self) {
        let client = self.registry.client();
        assert_eq!(client.releases.load(Ordering::Relaxed), 1, "freed once");
        assert_eq!(client.closes.load(Ordering::Relaxed), 1);
        assert_eq!(self.event_loop.len(), 0, "the loop keeps a source");
        let census = self.registry.census();
        assert_eq!((census.registered, census.in_flight), (0, 0));
        assert!(self.registry.enter().is_err());
    }
}

/// Sources in vectors under a lock, dispatched by whoever asks.
#[derive(Default)]
pub(crate) struct LoomLoop {
    fds: Mutex<Vec<FdSource>>,
    timers: Mutex<Vec<(Deadline, TimerSource)>>,
}

impl LoomLoop {
    pub(crate) fn fd_source(&self, token: Token) -> FdSource {
        self.fds.lock().unwrap().iter().find(|source| source.token() == token).unwrap().clone()
    }

    /// Expires one timer that is due then, if there is one.
    pub(crate) fn expire_due(&self, now: Deadline) {
        let due = {
            let mut timers = self.timers.lock().unwrap();
            let due = timers.iter().position(|(deadline, _)| *deadline <= now);
            due.map(|at| timers.swap_remove(at).1)
        };
        if let Some(due) = due {
            due.expire();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.fds.lock().unwrap().len() + self.timers.lock().unwrap().len()
    }
}

impl EventLoop for LoomLoop {
    fn add_fd(&self, source: FdSource, _interest: Interest) -> Result<(), LoopError> {
        self.fds.lock().unwrap().push(source);
        Ok(())
    }

    fn modify_fd(&self, _token: Token, _interest: Interest) -> Result<(), LoopError> {
        Ok(())
    }

    fn remove_fd(&self, token: Token) {
        self.fds.lock().unwrap().retain(|source| source.token() != token);
    }

    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError> {
        self.timers.lock().unwrap().push((deadline, source));
        Ok(())
    }

    fn modify_timer(&self, token: Token, deadline: Deadline) {
        for (old, source) in self.timers.lock().unwrap().iter_mut() {
            if source.token() == token {
                *old = deadline;
            }
        }
    }

    fn remove_timer(&self, token: Token) {
        self.timers.lock().unwrap().retain(|(_, source)| source.token() != token);
    }

    fn turn(&self, _interrupt: Option<i32>) -> Result<(), LoopError> {
        Err(LoopError::Unsupported("wait"))
    }

    fn on_gone(&self, _gone: Box<dyn FnOnce() + Send>) -> GoneId {
        unreachable!("the core does not ask for it");
    }

    fn forget_gone(&self, _id: GoneId) {
        unreachable!("there is none");
    }
}

#[derive(Default)]
struct LoomLock {
    held: Mutex<bool>,
    free: Condvar,
}

impl OuterLock for LoomLock {
    fn lock(&self) {
        let mut held = self.held.lock().unwrap();
        while *held {
            held = self.free.wait(held).unwrap();
        }
        *held = true;
    }

    fn unlock(&self) {
        let mut held = self.held.lock().unwrap();
        assert!(*held, "given back by nobody who has it");
        *held = false;
        self.free.notify_one();
    }
}

/// The hosted library's memory: read by each call into it, written when it is freed.
///
/// Loom fails the test if the two are not ordered, whichever comes first.
struct Library(UnsafeCell<()>);

// SAFETY: the cell holds no data. Loom itself checks each access to it for races, which is what it
// is here for.
unsafe impl Sync for Library {}
// SAFETY: as above; it owns nothing of the thread that made it.
unsafe impl Send for Library {}

pub(crate) struct LoomClient {
    registry: Weak<Registry<LoomClient>>,
    library: Library,
    freed: AtomicBool,
    fds_over: AtomicBool,
    closing_fd: AtomicI32,
    timeouts: AtomicU32,
    own_timeouts: AtomicU32,
    idles: AtomicU32,
    releases: AtomicU32,
    closes: AtomicU32,
    owner: Mutex<Option<Arc<Registry<LoomClient>>>>,
    dropped: Arc<AtomicU32>,
}

impl LoomClient {
    fn new(registry: &Weak<Registry<Self>>) -> Self {
        Self {
            registry: registry.clone(),
            library: Library(UnsafeCell::new(())),
            freed: AtomicBool::new(false),
            fds_over: AtomicBool::new(false),
            closing_fd: AtomicI32::new(-1),
            timeouts: AtomicU32::new(0),
            own_timeouts: AtomicU32::new(0),
            idles: AtomicU32::new(0),
            releases: AtomicU32::new(0),
            closes: AtomicU32::new(0),
            owner: Mutex::new(None),
            dropped: Arc::new(AtomicU32::new(0)),
        }
    }

    /// What any call into the library does.
    pub(crate) fn use_library(&self) {
        assert!(!IN_HOOK.with(|in_hook| in_hook.get()), "called from inside a hook (O1)");
        self.library.0.with(|_| assert!(!self.freed.load(Ordering::Relaxed), "used after it was freed (X4)"));
    }

    pub(crate) fn in_hook<T>(&self, hook: impl FnOnce() -> T) -> T {
        IN_HOOK.with(|in_hook| in_hook.set(true));
        let result = hook();
        IN_HOOK.with(|in_hook| in_hook.set(false));
        result
    }

    /// An occurrence of an fd from now on would be a use after free.
    pub(crate) fn no_more_fds(&self) {
        self.fds_over.store(true, Ordering::Relaxed);
    }

    /// The occurrence of this fd closes.
    pub(crate) fn close_in_fd(&self, fd: i32) {
        self.closing_fd.store(fd, Ordering::Relaxed);
    }

    pub(crate) fn owner_lets_go_in_closed(&self, owner: Arc<Registry<Self>>) {
        *self.owner.lock().unwrap() = Some(owner);
    }

    /// How often it was dropped; outlives it.
    pub(crate) fn dropped(&self) -> Arc<AtomicU32> {
        self.dropped.clone()
    }

    pub(crate) fn timeouts(&self) -> u32 {
        self.timeouts.load(Ordering::Relaxed)
    }

    pub(crate) fn own_timeouts(&self) -> u32 {
        self.own_timeouts.load(Ordering::Relaxed)
    }

    pub(crate) fn releases(&self) -> u32 {
        self.releases.load(Ordering::Relaxed)
    }

    pub(crate) fn idles(&self) -> u32 {
        self.idles.load(Ordering::Relaxed)
    }
}

impl Client for LoomClient {
    fn occurred_fd(&self, _value: ClientValue, fd: i32, _asked: Interest, _readiness: Readiness) {
        self.use_library();
        assert!(!self.fds_over.load(Ordering::Relaxed), "an occurrence of what is deregistered (O3)");
        if self.closing_fd.load(Ordering::Relaxed) == fd {
            self.registry.upgrade().unwrap().close();
            // Libxl goes on using the ctx when the callback returns (X5).
            self.use_library();
        }
    }

    fn occurred_timeout(&self, _value: ClientValue) {
        self.use_library();
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self) {
        self.library.0.with_mut(|_| self.freed.store(true, Ordering::Relaxed));
        self.releases.fetch_add(1, Ordering::Relaxed);
    }
}

impl Owner for LoomClient {
    fn closed(&self) {
        assert_eq!(self.releases.load(Ordering::Relaxed), 1);
        self.closes.fetch_add(1, Ordering::Relaxed);
        let owner = self.owner.lock().unwrap().take();
        drop(owner);
    }

    fn idle(&self) {
        self.idles.fetch_add(1, Ordering::Relaxed);
    }

    fn own_timeout(&self, _value: ClientValue) {
        self.own_timeouts.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for LoomClient {
    fn drop(&mut self) {
        assert!(!IN_HOOK.with(|in_hook| in_hook.get()), "the client dies in a hook");
        self.dropped.fetch_add(1, Ordering::Release);
    }
}
