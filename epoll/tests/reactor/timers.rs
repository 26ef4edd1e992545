use crate::world::{FOREVER, Occurrence::Timeout, World, in_ms, micros_now};
use osevent_core::Deadline;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

#[test]
fn r12_a_timer_is_never_early_and_close_at_its_best() {
    let world = World::new();
    let occurred = Arc::new(AtomicI64::new(0));
    world.act(1, {
        let occurred = occurred.clone();
        move |_| occurred.store(micros_now(), Ordering::Relaxed)
    });
    let mut best = i64::MAX;
    for round in 0..1_000 {
        let deadline = micros_now() + round * 7 % 2_000;
        world.timer(Deadline::from_micros(deadline), 1);
        while world.log().is_empty() {
            assert!(world.is_readable(FOREVER));
            world.dispatch();
        }
        let late = occurred.load(Ordering::Relaxed) - deadline;
        assert!(late >= 0, "{} µs early in round {round}", -late);
        best = best.min(late);
    }
    assert!(best < 1_000, "the best of 1,000 was {best} µs late");
    world.assert_idle();
}

#[test]
fn r11_the_past_is_due_at_once_but_not_within_the_hook() {
    let world = World::new();
    for (value, deadline) in [Deadline::ASAP, Deadline::from_micros(1), in_ms(-1)].into_iter().enumerate() {
        world.timer(deadline, value as u64);
    }
    assert_eq!(world.log(), [], "O1");
    assert!(world.is_readable(FOREVER));
    assert_eq!(world.turn(), [Timeout(0), Timeout(1), Timeout(2)]);
    world.assert_idle();
}

#[test]
fn r11_the_far_future_is_not_now() {
    let world = World::new();
    let far = [i64::MAX, i64::MAX / 1_000, i64::MAX / 1_000 + 1, micros_now() + 3_600_000_000];
    let tokens = far.map(|micros| world.timer(Deadline::from_micros(micros), 1));
    world.assert_idle();
    for token in tokens {
        world.hurry(token);
    }
    assert_eq!(world.turn().len(), far.len());
}

#[test]
fn o7_due_timers_occur_by_deadline_and_ties_by_registration() {
    let world = World::new();
    let now = micros_now();
    let mut expected = vec![];
    for value in 0..200 {
        // Twenty deadlines, a microsecond apart, in no order, ten timers each.
        let rank = value * 7 % 20;
        world.timer(Deadline::from_micros(now - 1_000 + rank as i64), value);
        expected.push((rank, value));
    }
    expected.sort();
    let mut log = vec![];
    while log.len() < expected.len() {
        assert!(world.is_readable(FOREVER));
        log.extend(world.turn());
    }
    assert_eq!(log, expected.iter().map(|(_, value)| Timeout(*value)).collect::<Vec<_>>());
}

#[test]
fn o7_an_occurrence_can_register_or_hurry_one_that_then_comes_next() {
    let world = World::new();
    let now = micros_now();
    world.timer(Deadline::from_micros(now - 9_000), 1);
    world.timer(Deadline::from_micros(now - 5_000), 2);
    let far = world.timer(in_ms(3_600_000), 4);
    world.act(1, move |world| {
        world.timer(Deadline::from_micros(now - 7_000), 3);
        world.hurry(far);
    });
    assert_eq!(world.turn(), [Timeout(1), Timeout(4), Timeout(3), Timeout(2)]);
}

#[test]
fn o5_r14_hurrying_a_taken_timer_does_nothing() {
    let world = World::new();
    let token = Arc::new(Mutex::new(None));
    *token.lock().unwrap() = Some(world.timer(Deadline::ASAP, 1));
    world.act(1, {
        let token = token.clone();
        move |world| {
            let token = token.lock().unwrap().expect("it is there before the dispatch");
            world.hurry(token);
            world.hurry(token);
        }
    });
    assert_eq!(world.turn(), [Timeout(1)]);
    world.hurry(token.lock().unwrap().expect("as above"));
    world.assert_idle();
}

#[test]
fn o5_a_timer_hurried_twice_occurs_once() {
    let world = World::new();
    let token = world.timer(in_ms(3_600_000), 1);
    world.hurry(token);
    world.hurry(token);
    assert_eq!(world.turn(), [Timeout(1)]);
    world.assert_idle();
}

#[test]
fn r13_a_deregistered_timer_does_not_occur() {
    let world = World::new();
    let due = world.timer(Deadline::ASAP, 1);
    let pending = world.timer(in_ms(3), 2);
    world.registry.deregister_timeout(due.to_handle()).unwrap();
    world.registry.deregister_timeout(pending.to_handle()).unwrap();
    world.assert_idle();
}

#[test]
fn a_timer_moved_later_waits() {
    let world = World::new();
    let token = world.timer(in_ms(-1), 1);
    world.registry.modify_timeout(token.to_handle(), in_ms(3_600_000)).unwrap();
    world.assert_idle();
    let later = in_ms(30);
    world.registry.modify_timeout(token.to_handle(), later).unwrap();
    assert!(world.is_readable(FOREVER));
    assert!(micros_now() >= later.as_micros());
    assert_eq!(world.turn(), [Timeout(1)]);
}

#[test]
fn o6_an_occurrence_can_register_its_successor() {
    let world = World::new();
    let left = Arc::new(AtomicU32::new(5));
    world.act(1, move |world| {
        if left.fetch_sub(1, Ordering::Relaxed) > 1 {
            world.timer(in_ms(1), 1);
        }
    });
    world.timer(in_ms(1), 1);
    let mut occurred = 0;
    while occurred < 5 {
        assert!(world.is_readable(FOREVER));
        occurred += world.turn().len();
    }
    world.assert_idle();
}
