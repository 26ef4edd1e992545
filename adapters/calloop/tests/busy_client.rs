//! What a client that is always busy leaves to the event loop's own sources, counted in turns: times are the machine's.

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, Mode, PostAction};
use osevent_calloop::LibxlSource;
use osevent_epoll::Reactor;
use osevent_test_kit::Count;
use osevent_test_kit::busy::{BusyClient, BusyLoop, a_due_timer_fires_in_that_turn, each_ready_source_has_its_turn};
use std::time::{Duration, Instant};

/// Client and event loop, each with something to do in every turn.
struct Busy {
    /// Its data: how often the own source has run in this turn.
    event_loop: EventLoop<'static, usize>,
    client: BusyClient,
}

impl Busy {
    fn new() -> Self {
        let event_loop = EventLoop::<usize>::try_new().expect("fds are free");
        let xen = LibxlSource::new().expect("fds are free");
        let client = BusyClient::on(xen.event_loop());
        event_loop.handle().insert_source(xen, |_, _, _| {}).unwrap();
        // The other end is closed: ready for ever, too.
        let own = Generic::new(std::io::pipe().expect("fds are free").0, Interest::READ, Mode::Level);
        let counted = event_loop.handle().insert_source(own, |_, _, own| {
            *own += 1;
            Ok(PostAction::Continue)
        });
        counted.unwrap();
        Self { event_loop, client }
    }
}

impl BusyLoop for Busy {
    fn turn(&mut self) -> (usize, usize) {
        let mut own = 0;
        self.event_loop.dispatch(Some(Duration::ZERO), &mut own).expect("the fds stay open");
        (self.client.take_occurrences(), own)
    }

    fn set_timer(&mut self, after: Duration, fired: Count) -> Instant {
        let due = Instant::now() + after;
        let timer = self.event_loop.handle().insert_source(Timer::from_deadline(due), move |_, _, _| {
            fired.add();
            TimeoutAction::Drop
        });
        timer.unwrap();
        due
    }
}

#[test]
fn o9_between_two_dispatches_of_a_busy_client_each_ready_source_of_calloops_own_has_its_turn() {
    each_ready_source_has_its_turn(Busy::new(), Reactor::OCCURRENCES);
}

#[test]
fn o9_a_due_timer_of_calloops_own_fires_in_that_turn_however_busy_the_client() {
    a_due_timer_fires_in_that_turn(Busy::new());
}
