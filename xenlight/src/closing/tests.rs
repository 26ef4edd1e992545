use super::*;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// The last operation ends on one thread while another begins the close.
#[test]
fn x3_whoever_sees_the_last_of_what_a_close_waits_for_end_has_it_closed() {
    loom::model(|| {
        let state = Arc::new(Mutex::new(State::new()));
        let (at_work, closed) = (Arc::new(Mutex::new(1)), Arc::new(AtomicBool::new(false)));
        let looking = Arc::new(AtomicBool::new(false));
        let step = {
            let (state, at_work, closed) = (state.clone(), at_work.clone(), closed.clone());
            move || {
                step_by_step(&*state, || {
                    assert!(!looking.swap(true, Ordering::Relaxed), "two threads take the steps");
                    // Relaxed: what it tells is ordered by the threads' ends.
                    if at_work.with(|at_work| *at_work) == 0 {
                        closed.store(true, Ordering::Relaxed);
                    }
                    looking.store(false, Ordering::Relaxed);
                });
            }
        };
        let ending = {
            let step = step.clone();
            thread::spawn(move || {
                at_work.with(|at_work| *at_work -= 1);
                step();
            })
        };
        assert!(state.with(State::begin));
        step();
        ending.join().expect("it does not panic");
        assert!(closed.load(Ordering::Relaxed), "nobody closes it");
        assert!(state.with(|state| state.turns.are_over()));
    });
}

#[test]
fn x3_nothing_is_stepped_before_the_close_begins_and_it_begins_once() {
    let state = std::sync::Mutex::new(State::new());
    step_by_step(&state, || unreachable!("it is open"));
    assert!(state.with(State::begin));
    assert!(!state.with(State::begin));
    state.with(|state| state.phase = Phase::Closed);
    step_by_step(&state, || unreachable!("it is closed"));
    assert!(!state.with(State::begin));
}

#[test]
fn x3_a_close_whose_loop_is_gone_is_driven_by_one_thread_whichever_came_first() {
    let steps: [fn(&mut State); 2] = [|state| state.loop_gone = true, |state| _ = state.begin()];
    for order in [[0, 1], [1, 0]] {
        let mut state = State::new();
        let driven: Vec<_> = order
            .into_iter()
            .map(|step| {
                steps[step](&mut state);
                state.is_to_be_driven()
            })
            .collect();
        assert_eq!(driven, [false, true]);
        assert!(!state.is_to_be_driven());
    }
}

#[test]
fn a_future_of_a_close_has_one_waker_at_a_time_and_none_when_it_is_dropped() {
    use std::task::Wake;
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    let closing = Closing::new().expect("an eventfd");
    let (one, other) = (closing.waiter(), closing.waiter());
    let wakers: Vec<_> = (0..3).map(|_| std::sync::Arc::new(Nobody)).collect();
    let held = || wakers.iter().map(|waker| std::sync::Arc::strong_count(waker) - 1).collect::<Vec<_>>();
    for (waiter, waker, expected) in [(&one, 0, [1, 0, 0]), (&other, 1, [1, 1, 0]), (&one, 2, [0, 1, 1])] {
        assert!(closing.poll(waiter, &Waker::from(wakers[waker].clone())).is_pending());
        assert_eq!(held(), expected);
    }
    closing.forget(&one);
    assert_eq!(held(), [0, 1, 0]);
    closing.forget(&one);
    closing.forget(&other);
    assert_eq!(held(), [0, 0, 0]);
}
