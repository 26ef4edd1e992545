//! What a client that is always busy leaves to the main context's own sources, counted in turns: times are the machine's.

use glib::{ControlFlow, MainContext, Priority};
use osevent_core::{Client, ClientValue, Interest, LockRule, Owner, Readiness, Registry, current_thread};
use osevent_epoll::Reactor;
use osevent_glib::LibxlSource;
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

/// Client and context, each with something to do in every turn.
struct Busy {
    context: MainContext,
    _attached: LibxlSource,
    registry: Arc<Registry<Counting>>,
    _ready: Vec<std::io::PipeReader>,
    own: Arc<AtomicUsize>,
}

impl Busy {
    fn new(priority: Priority) -> Self {
        let context = MainContext::new();
        let attached = LibxlSource::builder().priority(priority).attach(&context).expect("fds are free");
        let registry = Registry::new(attached.event_loop(), LockRule::Concurrent, current_thread, |_| {
            Counting(AtomicUsize::new(0))
        });
        // More than a dispatch serves. The other ends are closed: ready for ever.
        let ready: Vec<_> = (0..200).map(|_| std::io::pipe().expect("fds are free").0).collect();
        for pipe in &ready {
            registry.register_fd(pipe.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
        }
        let own = Arc::new(AtomicUsize::new(0));
        let counted = own.clone();
        // Ready for ever, too.
        let source = glib::idle_source_new(None, Priority::DEFAULT, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue
        });
        source.attach(Some(&context));
        Self { context, _attached: attached, registry, _ready: ready, own }
    }

    /// One turn; what the client and the context's own source got.
    fn turn(&self) -> (usize, usize) {
        let before = self.counts();
        assert!(self.context.iteration(false));
        let after = self.counts();
        (after.0 - before.0, after.1 - before.1)
    }

    fn counts(&self) -> (usize, usize) {
        (self.registry.client().0.load(Ordering::Relaxed), self.own.load(Ordering::Relaxed))
    }
}

#[test]
fn o9_between_two_dispatches_of_a_busy_client_each_ready_source_of_glibs_own_has_its_turn() {
    let busy = Busy::new(Priority::DEFAULT);
    for _ in 0..TURNS {
        let (occurrences, own) = busy.turn();
        assert!((1..Reactor::OCCURRENCES + ROUND).contains(&occurrences), "{occurrences} is not one dispatch");
        assert_eq!(own, 1);
    }
}

#[test]
fn o9_a_due_timer_of_glibs_own_fires_in_that_turn_however_busy_the_client() {
    const EVERY: Duration = Duration::from_millis(1);
    let busy = Busy::new(Priority::DEFAULT);
    let mut served = 0;
    while served < 20 {
        let fired = Arc::new(AtomicUsize::new(0));
        let counted = fired.clone();
        let timer = glib::timeout_source_new(EVERY, None, Priority::DEFAULT, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Break
        });
        timer.attach(Some(&busy.context));
        let due = Instant::now() + EVERY;
        loop {
            let was_due = Instant::now() >= due;
            assert!(busy.turn().0 >= 1);
            if fired.load(Ordering::Relaxed) > 0 {
                served += 1;
                break;
            }
            assert!(!was_due, "it was due before this turn");
        }
    }
}

#[test]
fn the_hosts_priorities_apply_to_a_busy_client_and_to_busy_sources_of_glibs_own() {
    let last = Busy::new(Priority::LOW);
    for _ in 0..TURNS {
        assert_eq!(last.turn(), (0, 1), "a client of lower priority waits");
    }
    let first = Busy::new(Priority::HIGH);
    for _ in 0..TURNS {
        let (occurrences, own) = first.turn();
        assert!(occurrences >= 1 && own == 0, "a client of higher priority goes first, always: {occurrences}, {own}");
    }
}
