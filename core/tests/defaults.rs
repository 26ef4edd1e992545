//! A client and a loop that have only what they have to have.
#![cfg(not(loom))]

use osevent_core::{
    Client, ClientValue, Deadline, EventLoop, FdSource, GoneId, Interest, LockRule, LoopError, OuterLock, Owner,
    Readiness, Registry, ThreadId, TimerSource, Token,
};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Counting(AtomicUsize);

impl Client for Counting {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, readiness: Readiness) {
        assert_eq!(readiness, Readiness::IN);
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn occurred_timeout(&self, _: ClientValue) {}

    fn release(&self) {}
}

impl Owner for Counting {}

#[derive(Default)]
struct Listing(Mutex<Vec<FdSource>>);

impl EventLoop for Listing {
    fn add_fd(&self, source: FdSource, _: Interest) -> Result<(), LoopError> {
        self.0.lock().unwrap().push(source);
        Ok(())
    }

    fn modify_fd(&self, _: Token, _: Interest) -> Result<(), LoopError> {
        Ok(())
    }

    fn remove_fd(&self, _: Token) {}

    fn add_timer(&self, _: TimerSource, _: Deadline) -> Result<(), LoopError> {
        Ok(())
    }

    fn modify_timer(&self, _: Token, _: Deadline) {}

    fn remove_timer(&self, _: Token) {}

    fn turn(&self, _: Option<i32>) -> Result<(), LoopError> {
        Ok(())
    }

    fn on_gone(&self, _: Box<dyn FnOnce() + Send>) -> GoneId {
        GoneId::new(0)
    }

    fn forget_gone(&self, _: GoneId) {}
}

struct NoLock;

impl OuterLock for NoLock {
    fn lock(&self) {}
    fn unlock(&self) {}
}

fn only_thread() -> ThreadId {
    ThreadId(NonZeroU64::MIN)
}

#[test]
fn what_such_a_loop_reports_is_taken_for_true_and_such_a_client_is_in_no_hook_o1_o4() {
    for rule in [LockRule::Concurrent, LockRule::Serialized(Box::new(NoLock))] {
        let listing = Arc::new(Listing::default());
        let registry = Registry::new(listing.clone(), rule, only_thread, |_| Counting::default());
        let call = registry.enter().unwrap();
        registry.register_fd(3, Interest::IN, ClientValue(1)).unwrap();
        drop(call);
        let source = listing.0.lock().unwrap()[0].clone();
        assert!(source.ready(Readiness::IN));
        assert_eq!(registry.client().0.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_handler_has_the_number_that_its_loop_gave() {
    assert_eq!(GoneId::new(5).number(), 5);
}

#[cfg(feature = "std")]
#[test]
fn a_thread_has_a_name_of_its_own() {
    use osevent_core::current_thread;
    let here = current_thread();
    assert_eq!(here, current_thread());
    assert_ne!(here, std::thread::spawn(current_thread).join().expect("it does not panic"));
}
