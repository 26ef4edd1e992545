use osevent_core::{
    Client, ClientValue, Deadline, EventLoop, Interest, LockRule, Owner, Readiness, Registry, current_thread,
};
use std::mem;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

type Act = Box<dyn Fn(u64) + Send + Sync>;

/// A client that logs each occurrence with its thread, then does what the test told it to.
pub struct Script {
    log: Mutex<Vec<(u64, ThreadId)>>,
    act: Act,
}

impl Script {
    fn occurred(&self, value: u64) {
        self.logged().push((value, thread::current().id()));
        (self.act)(value);
    }

    fn logged(&self) -> MutexGuard<'_, Vec<(u64, ThreadId)>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values of what has occurred, in order.
    pub fn log(&self) -> Vec<u64> {
        self.logged().iter().map(|(value, _)| *value).collect()
    }
}

impl Client for Script {
    fn occurred_fd(&self, value: ClientValue, _: i32, _: Interest, _: Readiness) {
        self.occurred(value.0);
    }
    fn occurred_timeout(&self, value: ClientValue) {
        self.occurred(value.0);
    }
    fn release(&self) {}
}

impl Owner for Script {}

/// A [`Script`] on a loop.
pub struct Hosted {
    /// Where it has its registrations.
    pub registry: Arc<Registry<Script>>,
}

impl Hosted {
    /// One that does `act`, with the value, in each occurrence.
    pub fn new(event_loop: Arc<dyn EventLoop>, act: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let script = Script { log: Mutex::default(), act: Box::new(act) };
        Self { registry: Registry::new(event_loop, LockRule::Concurrent, current_thread, |_| script) }
    }

    /// One that only logs.
    pub fn logging(event_loop: Arc<dyn EventLoop>) -> Self {
        Self::new(event_loop, |_| {})
    }

    /// One that panics in the occurrence of 1.
    pub fn panicking(event_loop: Arc<dyn EventLoop>) -> Self {
        Self::new(event_loop, |value| {
            if value == 1 {
                // Without the panic hook's output.
                resume_unwind(Box::new("planted"));
            }
        })
    }

    /// One whose occurrence of 1 has 2 due, and then `turn` serve the loop inside of it: until what it is given says that 2
    /// has occurred.
    pub fn nesting(event_loop: Arc<dyn EventLoop>, turn: impl Fn(&dyn Fn() -> bool) + Send + Sync + 'static) -> Self {
        let script = |registry: &Weak<Registry<Script>>| {
            let registry = registry.clone();
            let act = move |value| {
                if value == 1 {
                    let registry = registry.upgrade().expect("it is there while something occurs");
                    registry.register_timeout(Deadline::ASAP, ClientValue(2)).unwrap();
                    turn(&|| registry.client().log() == [1, 2]);
                    assert_eq!(registry.client().log(), [1, 2], "it was served inside");
                }
            };
            Script { log: Mutex::default(), act: Box::new(act) }
        };
        Self { registry: Registry::new(event_loop, LockRule::Concurrent, current_thread, script) }
    }

    /// A timeout that has passed.
    pub fn due(&self, value: u64) {
        self.registry.register_timeout(Deadline::ASAP, ClientValue(value)).unwrap();
    }

    /// The values of what has occurred, in order.
    pub fn log(&self) -> Vec<u64> {
        self.registry.client().log()
    }

    /// The same, forgotten afterwards.
    pub fn take_log(&self) -> Vec<u64> {
        mem::take(&mut *self.registry.client().logged()).into_iter().map(|(value, _)| value).collect()
    }

    /// Whether all has occurred on that thread.
    pub fn is_served_by(&self, thread: ThreadId) -> bool {
        self.registry.client().logged().iter().all(|(_, occurred_on)| *occurred_on == thread)
    }
}
