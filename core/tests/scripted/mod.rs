//! A loop in virtual time, and a client that does what the test tells it to.
//!
//! The client asserts what libxl would abort for: an occurrence made from inside a hook (O1). Every
//! wait is bounded.

// Each test file uses its own part of this.
#![allow(dead_code, unused_imports)]

mod client;
mod event_loop;

pub(crate) use client::{Call, ScriptedClient, hook};
pub(crate) use event_loop::{LoopCall, ScriptedLoop};

use osevent_core::{Census, ClientValue, Deadline, Interest, LockRule, OuterLock, Registry, ThreadId, Token};
use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Far longer than anything here takes: reached only by a deadlock.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Names the threads of a test.
pub(crate) fn current_thread() -> ThreadId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static ME: ThreadId = ThreadId(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap());
    }
    ME.with(|me| *me)
}

/// A client, its registry and its loop.
pub(crate) struct World {
    pub(crate) registry: Arc<Registry<ScriptedClient>>,
    pub(crate) event_loop: Arc<ScriptedLoop>,
    pub(crate) outer: Arc<ScriptedLock>,
}

impl World {
    /// As with libxl 4.2.2 and later.
    pub(crate) fn concurrent() -> Self {
        Self::new(LockRule::Concurrent, Arc::default())
    }

    /// As with libxl 4.2.0 and 4.2.1.
    pub(crate) fn serialized() -> Self {
        let outer = Arc::<ScriptedLock>::default();
        Self::new(LockRule::Serialized(Box::new(Shared(outer.clone()))), outer)
    }

    fn new(rule: LockRule, outer: Arc<ScriptedLock>) -> Self {
        let event_loop = Arc::<ScriptedLoop>::default();
        let registry = Registry::new(event_loop.clone(), rule, current_thread, ScriptedClient::new);
        Self { registry, event_loop, outer }
    }

    /// One of each rule, for what holds under both.
    pub(crate) fn both() -> [Self; 2] {
        [Self::concurrent(), Self::serialized()]
    }

    pub(crate) fn client(&self) -> &ScriptedClient {
        self.registry.client()
    }

    /// A call into the client from which it calls the given hooks.
    pub(crate) fn call<T>(&self, hooks: impl FnOnce(&Registry<ScriptedClient>) -> T) -> T {
        let _call = self.registry.enter().expect("the client is open");
        hook(|| hooks(&self.registry))
    }

    /// The client registers an fd.
    pub(crate) fn fd(&self, fd: i32, interest: Interest, value: u64) -> Token {
        self.call(|registry| registry.register_fd(fd, interest, ClientValue(value))).expect("the loop accepts it")
    }

    /// The client registers a timeout.
    pub(crate) fn timeout(&self, micros: i64, value: u64) -> Token {
        self.call(|registry| registry.register_timeout(Deadline::from_micros(micros), ClientValue(value)))
            .expect("the loop accepts it")
    }

    pub(crate) fn census(&self) -> Census {
        self.registry.census()
    }

    /// That nothing is left of anything.
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.event_loop.len(), 0, "the loop keeps a source");
        let census = self.census();
        assert_eq!((census.registered, census.alive, census.in_flight), (0, 0, 0));
    }
}

/// An outer lock that knows its holder: taking it twice or giving back another's fails the test.
#[derive(Default)]
pub(crate) struct ScriptedLock {
    holder: Mutex<Option<ThreadId>>,
    free: Condvar,
    on_wait: Mutex<Option<Signal>>,
}

impl ScriptedLock {
    /// Tells when somebody has found it held, and waits.
    pub(crate) fn on_wait(&self, signal: Signal) {
        *self.on_wait.lock().unwrap() = Some(signal);
    }

    pub(crate) fn is_held_here(&self) -> bool {
        *self.holder.lock().unwrap() == Some(current_thread())
    }

    pub(crate) fn is_free(&self) -> bool {
        self.holder.lock().unwrap().is_none()
    }
}

pub(crate) struct Shared(pub(crate) Arc<ScriptedLock>);

impl OuterLock for Shared {
    fn lock(&self) {
        let holder = self.0.holder.lock().unwrap();
        assert_ne!(*holder, Some(current_thread()), "the outer lock is taken twice");
        if holder.is_some()
            && let Some(signal) = self.0.on_wait.lock().unwrap().take()
        {
            signal.send();
        }
        let (mut holder, waited) = self.0.free.wait_timeout_while(holder, BOUND, |holder| holder.is_some()).unwrap();
        assert!(!waited.timed_out(), "nobody gives back the outer lock");
        *holder = Some(current_thread());
    }

    fn unlock(&self) {
        let mut holder = self.0.holder.lock().unwrap();
        assert_eq!(*holder, Some(current_thread()), "the outer lock is given back by a thread that has not got it");
        *holder = None;
        self.0.free.notify_one();
    }
}

/// One end of a handshake between two threads of a test.
pub(crate) struct Signal(Sender<()>);

/// The other end.
pub(crate) struct Awaited(Mutex<Receiver<()>>);

pub(crate) fn handshake() -> (Signal, Awaited) {
    let (sender, receiver) = mpsc::channel();
    (Signal(sender), Awaited(Mutex::new(receiver)))
}

impl Signal {
    pub(crate) fn send(&self) {
        self.0.send(()).expect("the other thread waits for this");
    }
}

impl Awaited {
    pub(crate) fn wait(&self) {
        self.0.lock().unwrap().recv_timeout(BOUND).expect("the other thread gets there");
    }
}

/// Runs `what` on a thread of its own, and waits for it, but not for ever.
pub(crate) fn on_another_thread<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || sender.send(what()));
    let result = receiver.recv_timeout(BOUND).expect("the other thread is not stuck and does not panic");
    thread.join().expect("it has sent its result").expect("this thread receives it");
    result
}

/// How deep something is on this thread.
pub(crate) struct Depth(&'static std::thread::LocalKey<Cell<u32>>);

impl Depth {
    pub(crate) fn raise(depth: &'static std::thread::LocalKey<Cell<u32>>) -> Self {
        depth.set(depth.get() + 1);
        Self(depth)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
