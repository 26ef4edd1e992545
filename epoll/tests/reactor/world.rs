//! A reactor with one client, which logs its occurrences and does what the test told it to do in each.

use osevent_core::{
    Client, ClientValue, Deadline, Interest, LockRule, Owner, Readiness, RegistrationError, Registry, Token,
    current_thread,
};
use osevent_epoll::Reactor;
use osevent_test_kit::is_readable;
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

/// Waits are bounded by this; none comes near it unless something is broken.
pub(crate) const FOREVER: i32 = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Occurrence {
    Fd(u64, i16),
    Timeout(u64),
}

type Act = Arc<dyn Fn(&World) + Send + Sync>;

pub(crate) struct Script {
    log: Mutex<Vec<Occurrence>>,
    acts: Mutex<HashMap<u64, Act>>,
    reactor: Arc<Reactor>,
    registry: Weak<Registry<Self>>,
}

/// Clones are of the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) reactor: Arc<Reactor>,
    pub(crate) registry: Arc<Registry<Script>>,
}

impl Client for Script {
    fn occurred_fd(&self, value: ClientValue, _: i32, _: Interest, readiness: Readiness) {
        self.occurred(value.0, Occurrence::Fd(value.0, readiness.to_poll()));
    }

    fn occurred_timeout(&self, value: ClientValue) {
        self.occurred(value.0, Occurrence::Timeout(value.0));
    }

    fn release(&self) {}
}

impl Owner for Script {}

impl Script {
    fn occurred(&self, value: u64, occurrence: Occurrence) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(occurrence);
        let act = self.acts.lock().unwrap_or_else(PoisonError::into_inner).get(&value).cloned();
        if let (Some(act), Some(registry)) = (act, self.registry.upgrade()) {
            act(&World { reactor: self.reactor.clone(), registry });
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Reactor::new().expect("two fds are free"))
    }

    /// One more client on the same reactor.
    pub(crate) fn on(reactor: Arc<Reactor>) -> Self {
        let registry = Registry::new(reactor.clone(), LockRule::Concurrent, current_thread, |registry| Script {
            log: Mutex::default(),
            acts: Mutex::default(),
            reactor: reactor.clone(),
            registry: registry.clone(),
        });
        Self { reactor, registry }
    }

    /// What the client does in the occurrences of `value`.
    pub(crate) fn act(&self, value: u64, act: impl Fn(&World) + Send + Sync + 'static) {
        self.registry.client().acts.lock().expect("nobody panics with it").insert(value, Arc::new(act));
    }

    pub(crate) fn try_fd(&self, fd: &impl AsRawFd, interest: Interest, value: u64) -> Result<Token, RegistrationError> {
        self.registry.register_fd(fd.as_raw_fd(), interest, ClientValue(value))
    }

    pub(crate) fn fd(&self, fd: &impl AsRawFd, interest: Interest, value: u64) -> Token {
        self.try_fd(fd, interest, value).expect("the fd can be watched")
    }

    pub(crate) fn modify(&self, token: Token, fd: &impl AsRawFd, interest: Interest) {
        self.registry.modify_fd(token.to_handle(), fd.as_raw_fd(), interest).expect("it is registered");
    }

    pub(crate) fn remove(&self, token: Token, fd: &impl AsRawFd) {
        self.registry.deregister_fd(token.to_handle(), fd.as_raw_fd()).expect("it is registered");
    }

    pub(crate) fn timer(&self, deadline: Deadline, value: u64) -> Token {
        self.registry.register_timeout(deadline, ClientValue(value)).expect("a timer can be registered")
    }

    pub(crate) fn hurry(&self, token: Token) {
        self.registry.modify_timeout(token.to_handle(), Deadline::ASAP).expect("modifying cannot fail");
    }

    /// One dispatch; how many occurrences it says it made.
    pub(crate) fn dispatch(&self) -> usize {
        self.reactor.dispatch().expect("the fds are open")
    }

    /// The occurrences since the last call.
    pub(crate) fn log(&self) -> Vec<Occurrence> {
        std::mem::take(&mut self.registry.client().log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One dispatch; what occurred.
    pub(crate) fn turn(&self) -> Vec<Occurrence> {
        let made = self.dispatch();
        let log = self.log();
        assert_eq!(made, log.len(), "dispatch says how many occurrences it made");
        log
    }

    /// Whether the reactor's fd is readable within so many milliseconds.
    pub(crate) fn is_readable(&self, within: i32) -> bool {
        is_readable(&*self.reactor, within)
    }

    /// Nothing is due, and the fd says so, also after a while in which a timer could have fired.
    pub(crate) fn assert_idle(&self) {
        assert!(!self.is_readable(5), "nothing is due, but the fd is readable");
        assert_eq!(self.turn(), []);
    }
}

pub(crate) fn micros_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as i64
}

/// So many milliseconds from now; negative ones are the past.
pub(crate) fn in_ms(millis: i64) -> Deadline {
    Deadline::from_micros(micros_now() + millis * 1_000)
}
