use crate::world::{FOREVER, Occurrence::*, World};
use osevent_core::{
    Client, ClientValue, Deadline, EventLoop, Interest, LockRule, Owner, Readiness, Registry, current_thread,
};
use osevent_epoll::{CreateError, Reactor};
use osevent_test_kit::{eventfd, reuse};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

fn counter() -> (Arc<AtomicUsize>, impl Fn() -> Box<dyn FnOnce() + Send>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let handler = move || {
        let counted = counted.clone();
        Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)) as Box<dyn FnOnce() + Send>
    };
    (count, handler)
}

#[test]
fn detaching_tells_everybody_once() {
    let reactor = Reactor::new().unwrap();
    let (count, handler) = counter();
    reactor.on_gone(handler());
    reactor.on_gone(handler());
    assert!(!reactor.is_detached());
    assert_eq!(count.load(Ordering::Relaxed), 0);
    reactor.detach();
    assert!(reactor.is_detached());
    assert_eq!(count.load(Ordering::Relaxed), 2);
    reactor.detach();
    assert_eq!(count.load(Ordering::Relaxed), 2);
    reactor.on_gone(handler());
    assert_eq!(count.load(Ordering::Relaxed), 3, "at once, when it is so already");
}

#[test]
fn r15_a_gone_handler_may_use_the_reactor() {
    let world = World::new();
    let (count, handler) = counter();
    let inside = world.clone();
    world.reactor.on_gone(Box::new(move || {
        inside.timer(Deadline::ASAP, 1);
        inside.reactor.on_gone(handler());
        assert_eq!(inside.dispatch(), 1);
    }));
    world.reactor.detach();
    assert_eq!(world.log(), [Timeout(1)]);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_in_a_gone_handler_leaves_the_others_to_the_next_call() {
    let reactor = Reactor::new().unwrap();
    let (count, handler) = counter();
    reactor.on_gone(Box::new(|| std::panic::resume_unwind(Box::new("planted"))));
    reactor.on_gone(handler());
    catch_unwind(AssertUnwindSafe(|| reactor.detach())).expect_err("it panics");
    reactor.detach();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

/// Calls the reactor at its end, as user code may, and leaves it alive.
struct UsesTheReactor(Arc<Reactor>);

impl Drop for UsesTheReactor {
    fn drop(&mut self) {
        self.0.dispatch().unwrap();
    }
}

#[test]
fn a_forgotten_gone_handler_is_dropped_at_once_without_the_lock_and_never_called() {
    let reactor = Reactor::new().unwrap();
    let mut kept = vec![];
    let mut standing = Vec::from_iter((0..3).map(|_| {
        let held = Arc::new(UsesTheReactor(reactor.clone()));
        kept.push(Arc::downgrade(&held));
        reactor.on_gone(Box::new(move || panic!("called: {:p}", held)))
    }));
    let alive = || Vec::from_iter(kept.iter().map(|handler| handler.strong_count() > 0));
    reactor.forget_gone(standing.remove(1));
    assert_eq!(alive(), [true, false, true]);
    standing.into_iter().for_each(|id| reactor.forget_gone(id));
    assert_eq!(alive(), [false; 3]);
    reactor.detach();
}

#[test]
fn one_that_was_called_is_forgotten_already() {
    let reactor = Reactor::new().unwrap();
    let (count, handler) = counter();
    let before = reactor.on_gone(handler());
    reactor.detach();
    let after = reactor.on_gone(handler());
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_ne!(before, after, "no number is used twice");
    reactor.forget_gone(before);
    reactor.forget_gone(after);
    reactor.detach();
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn r15_forgetting_waits_for_no_handler_and_spares_those_that_have_not_begun() {
    let reactor = Reactor::new().unwrap();
    let (count, handler) = counter();
    let (begin, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let counted = handler();
    let first = reactor.on_gone(Box::new(move || {
        begin.send(()).unwrap();
        may_go_on.recv().unwrap();
        counted();
    }));
    let second = reactor.on_gone(handler());
    std::thread::scope(|scope| {
        scope.spawn(|| reactor.detach());
        // The loop is ending, and is in the first handler.
        begun.recv().unwrap();
        reactor.forget_gone(second);
        reactor.forget_gone(first);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        go_on.send(()).unwrap();
    });
    assert_eq!(count.load(Ordering::Relaxed), 1, "the first was called in full, the second not at all");
}

#[test]
fn r15_a_gone_handler_may_forget_itself_and_others() {
    let reactor = Reactor::new().unwrap();
    let (count, handler) = counter();
    let ids = Arc::new(Mutex::new(vec![]));
    let (inside, known) = (reactor.clone(), ids.clone());
    let counted = handler();
    let first = reactor.on_gone(Box::new(move || {
        known.lock().unwrap().drain(..).for_each(|id| inside.forget_gone(id));
        counted();
    }));
    *ids.lock().unwrap() = vec![first, reactor.on_gone(handler())];
    reactor.on_gone(handler());
    reactor.detach();
    assert_eq!(count.load(Ordering::Relaxed), 2, "the second was forgotten in time");
}

#[test]
fn s6_a_detached_reactor_still_takes_and_serves_registrations() {
    let world = World::new();
    let before = eventfd(1);
    world.fd(&before, Interest::IN, 1);
    world.reactor.detach();
    let after = eventfd(1);
    world.fd(&after, Interest::IN, 2);
    world.timer(Deadline::ASAP, 3);
    let mut log = vec![];
    while log.len() < 3 {
        world.reactor.turn(None).unwrap();
        log.extend(world.log());
    }
    log.sort();
    assert_eq!(log, [Fd(1, libc::POLLIN), Fd(2, libc::POLLIN), Timeout(3)]);
}

#[test]
fn x2_x6_a_closed_client_leaves_nothing_behind() {
    let world = World::new();
    let ready = eventfd(1);
    world.fd(&ready, Interest::IN, 1);
    world.fd(&ready, Interest::OUT, 2);
    world.timer(Deadline::ASAP, 3);
    world.timer(Deadline::from_micros(i64::MAX), 4);
    world.registry.close();
    world.assert_idle();
    assert_eq!(world.registry.census().alive, 0);
    // Only the world itself and the script refer to it.
    assert_eq!(Arc::strong_count(&world.reactor), 3);
}

#[test]
fn two_clients_share_a_reactor() {
    let one = World::new();
    let two = World::on(one.reactor.clone());
    let ready = eventfd(1);
    let of_one = one.fd(&ready, Interest::IN, 1);
    two.fd(&ready, Interest::IN, 2);
    assert_eq!(one.dispatch(), 2);
    assert_eq!((one.log(), two.log()), (vec![Fd(1, libc::POLLIN)], vec![Fd(2, libc::POLLIN)]));
    one.remove(of_one, &ready);
    one.registry.close();
    assert_eq!(two.turn(), [Fd(2, libc::POLLIN)]);
}

/// A client that its owner lets go of in an occurrence, and whose end calls the reactor, as user code may.
struct LastWords {
    reactor: Arc<Reactor>,
    owner: Arc<Mutex<Option<Arc<Registry<Self>>>>>,
}

impl Client for LastWords {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {}
    fn occurred_timeout(&self, _: ClientValue) {}
    fn release(&self) {}
}

impl Owner for LastWords {
    fn own_timeout(&self, _: ClientValue) {
        drop(self.owner.lock().unwrap().take());
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.reactor.on_gone(Box::new(|| {}));
    }
}

#[test]
fn r15_a_client_that_ends_in_a_dispatch_may_use_the_reactor() {
    let reactor = Reactor::new().unwrap();
    let owner = Arc::new(Mutex::new(None));
    let registry = Registry::new(reactor.clone(), LockRule::Concurrent, current_thread, |_| LastWords {
        reactor: reactor.clone(),
        owner: owner.clone(),
    });
    registry.watch_deadline(Deadline::ASAP, ClientValue(1)).unwrap();
    let weak = Arc::downgrade(&registry);
    *owner.lock().unwrap() = Some(registry);
    assert_eq!(reactor.dispatch(), Ok(1));
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_stolen_fd_is_an_error_not_a_crash() {
    let world = World::new();
    let ready = eventfd(1);
    world.fd(&ready, Interest::IN, 1);
    assert!(world.is_readable(FOREVER));
    // Something else replaces the epoll fd.
    reuse(world.reactor.as_fd().as_raw_fd(), &eventfd(0));
    assert_eq!(world.reactor.dispatch(), Err(osevent_core::LoopError::Os(libc::EINVAL)));
}

#[test]
fn errors_say_what_to_do() {
    let text = |errno| CreateError::new("epoll_create1", &std::io::Error::from_raw_os_error(errno)).to_string();
    assert!(text(libc::EMFILE).contains("ulimit -n"));
    assert!(text(libc::ENFILE).contains("file-nr"));
    assert!(text(libc::EPERM).contains("epoll_create1"));
}

#[test]
fn a_reactor_is_printed_with_its_fd() {
    let reactor = Reactor::new().unwrap();
    let printed = format!("{reactor:?}");
    assert!(printed.starts_with("Reactor") && printed.contains(&reactor.as_raw_fd().to_string()), "{printed}");
}
