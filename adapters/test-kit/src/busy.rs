//! What a client that is always busy leaves to its host loop's own sources, counted in turns: times are the machine's.

use crate::{Count, Counting};
use osevent_core::{ClientValue, EventLoop, Interest, Registry};
use std::io::PipeReader;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many turns are looked at.
pub const TURNS: usize = 100;

/// What a dispatch's last round can add to its budget: a chunk each of fds, timers and always ready fds.
pub const ROUND: usize = 3 * 16;

/// A client with more to do in every turn than a dispatch serves.
pub struct BusyClient {
    registry: Arc<Registry<Counting>>,
    _ready: Vec<PipeReader>,
}

impl BusyClient {
    /// One on `event_loop`.
    pub fn on(event_loop: Arc<dyn EventLoop>) -> Self {
        let registry = Counting::on(event_loop);
        // The other ends are closed: ready for ever.
        let ready: Vec<_> = (0..200).map(|_| std::io::pipe().expect("fds are free").0).collect();
        for pipe in &ready {
            registry.register_fd(pipe.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
        }
        Self { registry, _ready: ready }
    }

    /// How many occurrences it has had since it was last asked.
    pub fn take_occurrences(&self) -> usize {
        self.registry.client().occurrences.take()
    }
}

/// A loop that hosts a busy client, beside a source of its own that is always ready, too.
pub trait BusyLoop {
    /// One turn, without waiting: how often the client's occurrences were made in it, and how often the own source ran.
    fn turn(&mut self) -> (usize, usize);

    /// Has a timer of the loop's own count `fired` up, once, so much later than now. By when it is due.
    fn set_timer(&mut self, after: Duration, fired: Count) -> Instant;
}

/// O9: between two dispatches of the client each ready source has its turn. A dispatch ends when it has made `budget`
/// occurrences, and a round.
pub fn each_ready_source_has_its_turn(mut busy: impl BusyLoop, budget: usize) {
    for _ in 0..TURNS {
        let (occurrences, own) = busy.turn();
        assert!((1..budget + ROUND).contains(&occurrences), "{occurrences} is not one dispatch");
        assert_eq!(own, 1);
    }
}

/// O9: a due timer fires in that turn.
pub fn a_due_timer_fires_in_that_turn(mut busy: impl BusyLoop) {
    for _ in 0..20 {
        let fired = Count::default();
        let due = busy.set_timer(Duration::from_millis(1), fired.clone());
        while fired.get() == 0 {
            let was_due = Instant::now() >= due;
            assert!(busy.turn().0 >= 1);
            assert!(fired.get() > 0 || !was_due, "it was due before this turn");
        }
    }
}
