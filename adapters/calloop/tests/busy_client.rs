//! What a client that is always busy leaves to the event loop's own sources, counted in turns: times are the machine's.

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Mode, PostAction};
use osevent_calloop::LibxlSource;
use osevent_core::{Client, ClientValue, Interest, LockRule, Owner, Readiness, Registry, current_thread};
use osevent_epoll::Reactor;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TURNS: usize = 100;

/// What a dispatch's last round can add to its budget.
const ROUND: usize = 3 * 16;

/// Counts its occurrences. All on one thread, so any ordering does.
struct Counting(AtomicUsize);

impl Client for Counting {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn occurred_timeout(&self, _: ClientValue) {}
    fn release(&self) {}
}

impl Owner for Counting {}

/// The application's data: what this turn has brought.
#[derive(Default)]
struct Turn {
    occurrences: usize,
    own: usize,
    fired: usize,
}

/// Client and event loop, each with something to do in every turn.
struct Busy {
    event_loop: EventLoop<'static, Turn>,
    registry: Arc<Registry<Counting>>,
    _ready: Vec<std::io::PipeReader>,
}

impl Busy {
    fn new() -> Self {
        let event_loop = EventLoop::<Turn>::try_new().expect("fds are free");
        let xen = LibxlSource::new().expect("fds are free");
        let registry =
            Registry::new(xen.event_loop(), LockRule::Concurrent, current_thread, |_| Counting(AtomicUsize::new(0)));
        event_loop.handle().insert_source(xen, |_, _, _| {}).unwrap();
        // More than a dispatch serves. The other ends are closed: ready for ever.
        let ready: Vec<_> = (0..200).map(|_| std::io::pipe().expect("fds are free").0).collect();
        for pipe in &ready {
            registry.register_fd(pipe.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
        }
        let own = Generic::new(std::io::pipe().expect("fds are free").0, calloop::Interest::READ, Mode::Level);
        let counted = event_loop.handle().insert_source(own, |_, _, turn| {
            turn.own += 1;
            Ok(PostAction::Continue)
        });
        counted.unwrap();
        Self { event_loop, registry, _ready: ready }
    }

    fn turn(&mut self) -> Turn {
        let mut turn = Turn::default();
        self.registry.client().0.store(0, Ordering::Relaxed);
        self.event_loop.dispatch(Some(Duration::ZERO), &mut turn).expect("the fds stay open");
        turn.occurrences = self.registry.client().0.load(Ordering::Relaxed);
        turn
    }
}

#[test]
fn o9_between_two_dispatches_of_a_busy_client_each_ready_source_of_calloops_own_has_its_turn() {
    let mut busy = Busy::new();
    for _ in 0..TURNS {
        let turn = busy.turn();
        let one = 1..Reactor::OCCURRENCES + ROUND;
        assert!(one.contains(&turn.occurrences), "{} is not one dispatch", turn.occurrences);
        assert_eq!(turn.own, 1);
    }
}

#[test]
fn o9_a_due_timer_of_calloops_own_fires_in_that_turn_however_busy_the_client() {
    const EVERY: Duration = Duration::from_millis(1);
    let mut busy = Busy::new();
    let mut served = 0;
    while served < 20 {
        let due = Instant::now() + EVERY;
        let timer = busy.event_loop.handle().insert_source(Timer::from_deadline(due), |_, _, turn| {
            turn.fired += 1;
            TimeoutAction::Drop
        });
        timer.unwrap();
        loop {
            let was_due = Instant::now() >= due;
            let turn = busy.turn();
            assert!(turn.occurrences >= 1);
            if turn.fired > 0 {
                served += 1;
                break;
            }
            assert!(!was_due, "it was due before this turn");
        }
    }
}
