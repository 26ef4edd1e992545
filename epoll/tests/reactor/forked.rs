use crate::world::{Occurrence::*, World};
use osevent_core::{ClientValue, Deadline, EventLoop, Interest, LoopError, RegistrationError};
use osevent_test_kit::forked::in_forked_child;
use osevent_test_kit::{eventfd, flags};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// A world where an fd, a file that epoll refuses and a distant timer are registered, and what shows that they still are.
fn world() -> (World, impl Fn(&World)) {
    let world = World::new();
    let ready = eventfd(1);
    let file = std::fs::File::open("/dev/null").unwrap();
    let fd = world.fd(&ready, Interest::IN, 1);
    world.fd(&file, Interest::IN, 2);
    let timer = world.timer(Deadline::from_micros(i64::MAX), 3);
    let unharmed = move |world: &World| {
        assert_eq!(world.turn(), [Fd(1, libc::POLLIN), Fd(2, libc::POLLIN)]);
        world.modify(fd, &ready, Interest::NONE);
        world.hurry(timer);
        assert_eq!(world.turn(), [Timeout(3), Fd(2, libc::POLLIN)]);
        assert_eq!(world.turn(), [Fd(2, libc::POLLIN)], "{file:?}");
    };
    (world, unharmed)
}

#[test]
fn x7_what_a_child_drops_stays_registered_in_the_parent() {
    let (world, unharmed) = world();
    let handler = Arc::new(());
    let (called, kept) = (handler.clone(), Arc::downgrade(&handler));
    let id = world.reactor.on_gone(Box::new(move || panic!("called: {called:?}")));
    drop(handler);
    let mut world = Some(world);
    in_forked_child(|| {
        let World { reactor, registry } = world.take().unwrap();
        let fd = reactor.as_raw_fd();
        registry.close();
        // The script refers to it.
        drop(registry);
        reactor.detach();
        assert_eq!(Arc::strong_count(&reactor), 1);
        drop(reactor);
        assert_eq!(kept.strong_count(), 1, "what a handler refers to is not the child's to end");
        assert_eq!(flags(fd), -1, "the child's fd is closed");
    });
    let world = world.unwrap();
    unharmed(&world);
    world.reactor.forget_gone(id);
    assert_eq!(kept.strong_count(), 0);
}

#[test]
fn x7_what_a_child_asks_for_is_refused_or_ignored() {
    let (world, unharmed) = world();
    let (reactor, registry) = (&world.reactor, &world.registry);
    let other = eventfd(1);
    let of_other = world.fd(&other, Interest::NONE, 4);
    let soon = world.timer(Deadline::from_micros(i64::MAX), 5);
    in_forked_child(|| {
        let forked = Err(RegistrationError::Loop(LoopError::Forked));
        assert!(reactor.is_forked() && reactor.is_detached());
        assert_eq!(reactor.dispatch(), Err(LoopError::Forked));
        assert_eq!(reactor.turn(None), Err(LoopError::Forked));
        assert_eq!(registry.register_fd(other.as_raw_fd(), Interest::IN, ClientValue(6)), forked);
        assert_eq!(registry.register_timeout(Deadline::ASAP, ClientValue(7)), forked);
        assert_eq!(registry.modify_fd(of_other.to_handle(), other.as_raw_fd(), Interest::IN), forked.map(drop));
        registry.modify_timeout(soon.to_handle(), Deadline::ASAP).unwrap();
        registry.deregister_timeout(soon.to_handle()).unwrap();
        reactor.forget_gone(reactor.on_gone(Box::new(|| panic!("called"))));
        assert_eq!(world.log(), []);
    });
    assert!(!reactor.is_forked() && !reactor.is_detached());
    unharmed(&world);
    world.hurry(soon);
    world.modify(of_other, &other, Interest::IN);
    assert_eq!(world.turn(), [Fd(4, libc::POLLIN), Timeout(5), Fd(2, libc::POLLIN)]);
}

#[test]
fn x7_a_child_may_have_a_reactor_of_its_own() {
    let (world, unharmed) = world();
    in_forked_child(|| {
        let own = World::new();
        own.timer(Deadline::ASAP, 1);
        assert_eq!(own.turn(), [Timeout(1)]);
        in_forked_child(|| assert!(own.reactor.is_forked() && world.reactor.is_forked()));
        own.timer(Deadline::ASAP, 2);
        assert_eq!(own.turn(), [Timeout(2)]);
    });
    unharmed(&world);
}
