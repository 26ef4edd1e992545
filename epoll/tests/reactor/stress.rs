//! Seeded disorder on many threads. What must hold whatever the interleaving: no occurrence after a deregistration has
//! returned, where one outer lock makes that strong form possible (O2, O3), and each timer exactly once (O5).

use crate::world::in_ms;
use osevent_core::{
    Client, ClientValue, Deadline, Interest, LockRule, OuterLock, Owner, Readiness, Registry, current_thread,
};
use osevent_epoll::Reactor;
use osevent_test_kit::{eventfd, is_readable};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const DISPATCHERS: usize = 4;
const REGISTRARS: u64 = 2;
const SECONDS: u64 = 2;
const VALUES: usize = 1 << 20;

struct Ledger {
    /// By value: set when its deregistration has returned.
    ended: Vec<AtomicBool>,
    /// By value: how often its timeout has occurred.
    expired: Vec<AtomicU8>,
    late: AtomicU64,
    occurrences: AtomicU64,
}

impl Client for Ledger {
    fn occurred_fd(&self, value: ClientValue, _: i32, _: Interest, _: Readiness) {
        self.occurrences.fetch_add(1, Ordering::Relaxed);
        if self.ended[value.0 as usize].load(Ordering::SeqCst) {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn occurred_timeout(&self, value: ClientValue) {
        self.occurrences.fetch_add(1, Ordering::Relaxed);
        self.expired[value.0 as usize].fetch_add(1, Ordering::SeqCst);
    }

    fn release(&self) {}
}

impl Owner for Ledger {}

#[derive(Default)]
struct Outer {
    taken: Mutex<bool>,
    free: Condvar,
}

impl OuterLock for Outer {
    fn lock(&self) {
        let taken = self.taken.lock().unwrap();
        *self.free.wait_while(taken, |taken| *taken).unwrap() = true;
    }

    fn unlock(&self) {
        *self.taken.lock().unwrap() = false;
        self.free.notify_one();
    }
}

/// Knuth's, good enough to make disorder, and the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn registrar(registry: &Registry<Ledger>, seed: u64, values: std::ops::Range<usize>, until: Instant) -> Vec<usize> {
    let mut random = Random(seed);
    let files: Vec<OwnedFd> = (0..8).map(|n| eventfd(n % 2)).collect();
    let mut fds = vec![];
    let mut timers = vec![];
    let mut all_timers = vec![];
    for value in values {
        if Instant::now() >= until {
            break;
        }
        // As libxl calls its hooks: inside a call into it.
        let _call = registry.enter().expect("it is open");
        let interests = [Interest::NONE, Interest::IN, Interest::OUT, Interest::IN | Interest::OUT];
        match random.below(6) {
            0 | 1 => {
                let fd = files[random.below(8) as usize].as_raw_fd();
                let interest = interests[random.below(4) as usize];
                let token = registry.register_fd(fd, interest, ClientValue(value as u64)).unwrap();
                fds.push((token, fd, value));
            }
            2 if !fds.is_empty() => {
                let (token, fd, _) = fds[random.below(fds.len() as u64) as usize];
                registry.modify_fd(token.to_handle(), fd, interests[random.below(4) as usize]).unwrap();
            }
            3 if !fds.is_empty() => {
                let (token, fd, value) = fds.swap_remove(random.below(fds.len() as u64) as usize);
                registry.deregister_fd(token.to_handle(), fd).unwrap();
                registry.client().ended[value].store(true, Ordering::SeqCst);
            }
            4 => {
                let deadline = [Deadline::ASAP, in_ms(1), in_ms(3_600_000)][random.below(3) as usize];
                timers.push(registry.register_timeout(deadline, ClientValue(value as u64)).unwrap());
                all_timers.push(value);
            }
            5 if !timers.is_empty() => {
                // Often one that has occurred already (R14).
                let token = timers[random.below(timers.len() as u64) as usize];
                registry.modify_timeout(token.to_handle(), Deadline::ASAP).unwrap();
            }
            _ => {}
        }
        while fds.len() > 64 {
            let (token, fd, value) = fds.swap_remove(random.below(fds.len() as u64) as usize);
            registry.deregister_fd(token.to_handle(), fd).unwrap();
            registry.client().ended[value].store(true, Ordering::SeqCst);
        }
    }
    let _call = registry.enter().expect("it is open");
    for (token, fd, value) in fds {
        registry.deregister_fd(token.to_handle(), fd).unwrap();
        registry.client().ended[value].store(true, Ordering::SeqCst);
    }
    for token in timers {
        registry.modify_timeout(token.to_handle(), Deadline::ASAP).unwrap();
    }
    all_timers
}

fn run(rule: LockRule) -> Arc<Registry<Ledger>> {
    let reactor = Reactor::new().unwrap();
    let registry = Registry::new(reactor.clone(), rule, current_thread, |_| Ledger {
        ended: std::iter::repeat_with(AtomicBool::default).take(VALUES).collect(),
        expired: std::iter::repeat_with(AtomicU8::default).take(VALUES).collect(),
        late: AtomicU64::new(0),
        occurrences: AtomicU64::new(0),
    });
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let over = AtomicBool::new(false);
    let mut timers = thread::scope(|scope| {
        for _ in 0..DISPATCHERS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if is_readable(&*reactor, 10) {
                        reactor.dispatch().unwrap();
                    }
                }
            });
        }
        let share = VALUES / REGISTRARS as usize;
        let registrars: Vec<_> = (0..REGISTRARS)
            .map(|n| {
                let registry = &registry;
                let values = n as usize * share..(n as usize + 1) * share;
                scope.spawn(move || registrar(registry, n + 1, values, until))
            })
            .collect();
        let timers: Vec<usize> =
            registrars.into_iter().flat_map(|registrar| registrar.join().expect("it does not panic")).collect();
        over.store(true, Ordering::Relaxed);
        timers
    });
    while reactor.dispatch().unwrap() > 0 {}
    let ledger = registry.client();
    timers.retain(|value| ledger.expired[*value].load(Ordering::SeqCst) != 1);
    assert_eq!(timers, [], "each timer occurs exactly once (O5)");
    assert!(ledger.occurrences.load(Ordering::Relaxed) > 1_000, "it was no stress");
    assert_eq!((registry.census().registered, registry.census().alive), (0, 0));
    registry
}

#[test]
fn o3_under_an_outer_lock_nothing_occurs_after_its_deregistration() {
    let registry = run(LockRule::Serialized(Box::<Outer>::default()));
    assert_eq!(registry.client().late.load(Ordering::Relaxed), 0);
}

#[test]
fn o5_without_an_outer_lock_each_timer_occurs_once_and_nothing_is_left() {
    run(LockRule::Concurrent);
}
