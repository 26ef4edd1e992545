//! What a client that is always busy leaves to the main context's own sources, counted in turns: times are the machine's.

use glib::{ControlFlow, MainContext, Priority};
use osevent_epoll::Reactor;
use osevent_glib::LibxlSource;
use osevent_test_kit::Count;
use osevent_test_kit::busy::{
    BusyClient, BusyLoop, TURNS, a_due_timer_fires_in_that_turn, each_ready_source_has_its_turn,
};
use std::time::{Duration, Instant};

/// Client and context, each with something to do in every turn.
struct Busy {
    context: MainContext,
    _attached: LibxlSource,
    client: BusyClient,
    own: Count,
}

impl Busy {
    fn new(priority: Priority) -> Self {
        let context = MainContext::new();
        let attached = LibxlSource::builder().priority(priority).attach(&context).expect("fds are free");
        let client = BusyClient::on(attached.event_loop());
        let own = Count::default();
        let counted = own.clone();
        // Ready for ever, too.
        let source = glib::idle_source_new(None, Priority::DEFAULT, move || {
            counted.add();
            ControlFlow::Continue
        });
        source.attach(Some(&context));
        Self { context, _attached: attached, client, own }
    }
}

impl BusyLoop for Busy {
    fn turn(&mut self) -> (usize, usize) {
        assert!(self.context.iteration(false));
        (self.client.take_occurrences(), self.own.take())
    }

    fn set_timer(&mut self, after: Duration, fired: Count) -> Instant {
        let timer = glib::timeout_source_new(after, None, Priority::DEFAULT, move || {
            fired.add();
            ControlFlow::Break
        });
        timer.attach(Some(&self.context));
        Instant::now() + after
    }
}

#[test]
fn o9_between_two_dispatches_of_a_busy_client_each_ready_source_of_glibs_own_has_its_turn() {
    each_ready_source_has_its_turn(Busy::new(Priority::DEFAULT), Reactor::OCCURRENCES);
}

#[test]
fn o9_a_due_timer_of_glibs_own_fires_in_that_turn_however_busy_the_client() {
    a_due_timer_fires_in_that_turn(Busy::new(Priority::DEFAULT));
}

#[test]
fn the_hosts_priorities_apply_to_a_busy_client_and_to_busy_sources_of_glibs_own() {
    let mut last = Busy::new(Priority::LOW);
    for _ in 0..TURNS {
        assert_eq!(last.turn(), (0, 1), "a client of lower priority waits");
    }
    let mut first = Busy::new(Priority::HIGH);
    for _ in 0..TURNS {
        let (occurrences, own) = first.turn();
        assert!(occurrences >= 1 && own == 0, "a client of higher priority goes first, always: {occurrences}, {own}");
    }
}
