use crate::world::{FOREVER, Occurrence::*, World, in_ms};
use osevent_core::{Deadline, Interest};
use osevent_test_kit::eventfd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const IN: i16 = libc::POLLIN;

#[test]
fn a_dispatch_inside_an_occurrence_serves_everything_else() {
    let world = World::new();
    let [outer, other] = [eventfd(1), eventfd(1)].map(Arc::new);
    let token = world.fd(&*outer, Interest::IN, 1);
    world.fd(&*other, Interest::IN, 2);
    world.timer(Deadline::ASAP, 3);
    let inner = Arc::new(AtomicUsize::new(0));
    world.act(1, {
        let (outer, inner) = (outer.clone(), inner.clone());
        move |world| {
            // What a callback does before it runs a main loop: take away the reason for its own call.
            world.modify(token, &*outer, Interest::NONE);
            inner.store(world.dispatch(), Ordering::Relaxed);
        }
    });
    let log = {
        world.dispatch();
        world.log()
    };
    assert_eq!(inner.load(Ordering::Relaxed), 2, "both others were served inside");
    assert_eq!(log.iter().filter(|one| **one == Fd(1, IN)).count(), 1);
    assert_eq!(log.iter().filter(|one| **one == Timeout(3)).count(), 1, "O5");
    assert!(log.contains(&Fd(2, IN)));
    assert_eq!(world.turn(), [Fd(2, IN)]);
}

#[test]
fn a_deep_nesting_of_dispatches_ends_well() {
    // Fewer than a round's timers, so that each dispatch is one round.
    const DEPTH: usize = 10;
    let world = World::new();
    let ready = eventfd(1);
    let depth = Arc::new(AtomicUsize::new(0));
    world.fd(&ready, Interest::IN, 1);
    world.act(1, move |world| {
        if depth.fetch_add(1, Ordering::Relaxed) < DEPTH {
            world.timer(in_ms(-1), 2);
            world.dispatch();
        }
    });
    world.dispatch();
    let log = world.log();
    assert_eq!(log.iter().filter(|one| **one == Timeout(2)).count(), DEPTH);
    assert_eq!(log.iter().filter(|one| **one == Fd(1, IN)).count(), DEPTH + 1);
}

#[test]
fn a_panic_comes_out_of_the_dispatch_and_costs_only_its_own_occurrence() {
    let world = World::new();
    let [panics, fine] = [eventfd(1), eventfd(1)];
    world.fd(&panics, Interest::IN, 1);
    world.fd(&fine, Interest::IN, 2);
    world.timer(Deadline::ASAP, 3);
    world.timer(Deadline::ASAP, 4);
    let armed = Arc::new(AtomicBool::new(true));
    for value in [1, 3] {
        let armed = armed.clone();
        world.act(value, move |_| {
            if armed.load(Ordering::Relaxed) {
                // Without the panic hook's output.
                std::panic::resume_unwind(Box::new("planted"));
            }
        });
    }
    // Once for the fd; once for the timer, when the fd does not panic any more.
    for value in [1, 3] {
        if value == 3 {
            world.act(1, |_| {});
        }
        let panic = catch_unwind(AssertUnwindSafe(|| world.dispatch())).expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"planted"));
        let log = world.log();
        assert!(log.last().is_some_and(|last| matches!(last, Fd(v, _) | Timeout(v) if *v == value)), "{log:?}");
    }
    assert!(world.is_readable(FOREVER), "the second timer is still due");
    let mut log = world.turn();
    log.sort();
    assert_eq!(log, [Fd(1, IN), Fd(2, IN), Timeout(4)]);
    armed.store(false, Ordering::Relaxed);
}
