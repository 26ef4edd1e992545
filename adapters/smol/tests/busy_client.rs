//! What a client that is always busy leaves to the executor's other tasks, counted in turns: times are the machine's.
//! Alone in its process: async-io is one for all threads, and tests beside this one would wake its tasks.

use osevent_smol::LibxlSource;
use osevent_test_kit::busy::BusyClient;
use smol::{Async, LocalExecutor, Timer};
use std::cell::Cell;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

const DISPATCHES: usize = 2_000;

/// One of the others.
#[derive(Default)]
struct Waiting {
    /// How many dispatches of the client it has waited for, in all.
    dispatches: Cell<usize>,
    /// How many turns it has had.
    turns: Cell<usize>,
}

fn count(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

#[test]
fn o9_a_busy_client_leaves_tasks_and_timers_their_turns() {
    let (task, timer) = (Waiting::default(), Waiting::default());
    let due = Cell::new(Instant::now());
    let mut xen = LibxlSource::new().expect("fds are free");
    let _client = BusyClient::on(xen.event_loop());

    let mut dispatches = 0;
    let own = Async::new_nonblocking(OwnedFd::from(std::io::pipe().expect("fds are free").0)).unwrap();

    let executor = LocalExecutor::new();
    // Each poll is one dispatch.
    let dispatching = poll_fn(|context| {
        dispatches += 1;
        if dispatches == DISPATCHES {
            return Poll::Ready(());
        }
        count(&task.dispatches);
        if Instant::now() >= due.get() {
            count(&timer.dispatches);
        }
        Pin::new(&mut xen).poll(context).map(|gone| panic!("{gone}"))
    });
    executor
        .spawn(async {
            loop {
                own.readable().await.expect("it stays open");
                count(&task.turns);
            }
        })
        .detach();
    executor
        .spawn(async {
            loop {
                due.set(Instant::now() + Duration::from_millis(1));
                Timer::at(due.get()).await;
                count(&timer.turns);
            }
        })
        .detach();
    smol::block_on(executor.run(executor.spawn(dispatching)));
    // Async-io can go round in vain once in a while, and its own thread can be quicker: so in all, not each time.
    let per_turn = |waiting: &Waiting| waiting.dispatches.get() as f64 / waiting.turns.get() as f64;
    assert!(per_turn(&task) < 2.0, "a ready task waits for {} dispatches", per_turn(&task));
    assert!(per_turn(&timer) < 4.0, "a due timer waits for {} dispatches", per_turn(&timer));
}
