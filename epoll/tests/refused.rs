//! `dispatch` says 0 only when nothing is left, which is when a loop that learns of changes only goes to sleep. Here a
//! client that is being closed refuses its occurrences, each so slowly that a dispatch ends after one round.
//!
//! A program of its own, because the slowness is the process's.

use osevent_core::{
    Client, ClientValue, Closed, Deadline, Interest, LockRule, Owner, Readiness, Registry, ThreadId, current_thread,
};
use osevent_epoll::Reactor;
use osevent_test_kit::{eventfd, is_readable};
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// More than two rounds.
const MANY: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Fd,
    AlwaysReady,
    Past,
    Asap,
}

const KINDS: [Kind; 4] = [Kind::Fd, Kind::AlwaysReady, Kind::Past, Kind::Asap];

#[derive(Default)]
struct Counting(AtomicUsize);

impl Client for Counting {
    fn occurred_fd(&self, _: ClientValue, fd: i32, _: Interest, _: Readiness) {
        let mut count = 0u64;
        // SAFETY: reads eight bytes into eight. An eventfd is not ready any more then; `/dev/null` refuses.
        unsafe { libc::read(fd, (&raw mut count).cast(), 8) };
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn occurred_timeout(&self, _: ClientValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self) {}
}

impl Owner for Counting {}

/// Something that is due, of one kind, registered by `client`. What it returns keeps it open.
fn due(client: &Registry<Counting>, kind: Kind) -> Option<OwnedFd> {
    let fd = match kind {
        Kind::Fd => eventfd(1),
        Kind::AlwaysReady => File::options().write(true).open("/dev/null").unwrap().into(),
        Kind::Past | Kind::Asap => {
            let deadline = if kind == Kind::Asap { Deadline::ASAP } else { Deadline::from_micros(1) };
            client.register_timeout(deadline, ClientValue(1)).unwrap();
            return None;
        }
    };
    let interest = if kind == Kind::Fd { Interest::IN } else { Interest::OUT };
    client.register_fd(fd.as_raw_fd(), interest, ClientValue(1)).unwrap();
    Some(fd)
}

type Act = Box<dyn FnMut()>;

thread_local! {
    /// What this thread does when it comes to a gate.
    static AT_THE_GATE: RefCell<Option<Act>> = const { RefCell::new(None) };
}

/// `current_thread`, which each way through a gate asks.
fn who_is_at_the_gate() -> ThreadId {
    // Taken out meanwhile: it may come to a gate itself.
    if let Some(mut act) = AT_THE_GATE.take() {
        act();
        AT_THE_GATE.set(Some(act));
    }
    current_thread()
}

fn use_up_the_time() {
    let started = Instant::now();
    while started.elapsed() < Reactor::TIME {
        thread::yield_now();
    }
}

fn client(reactor: &Arc<Reactor>) -> Arc<Registry<Counting>> {
    Registry::new(reactor.clone(), LockRule::Concurrent, who_is_at_the_gate, |_| Counting::default())
}

/// Runs `test` while `client` is closed but not freed, because somebody is inside.
fn while_it_closes(client: &Arc<Registry<Counting>>, test: impl FnOnce()) {
    let (is_inside, inside) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || -> Result<(), Closed> {
            let _call = client.enter()?;
            is_inside.send(()).unwrap();
            // Until `go` is dropped.
            let _ = may_go.recv();
            Ok(())
        });
        inside.recv().unwrap();
        client.close();
        test();
        AT_THE_GATE.set(None);
        drop(go);
    });
}

/// As such a loop does after a change. How many dispatches it took.
fn dispatch_until_nothing_is_left(reactor: &Reactor) -> usize {
    let started = Instant::now();
    let mut dispatches = 1;
    while reactor.dispatch().unwrap() > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "it never ends");
        dispatches += 1;
    }
    assert!(!is_readable(reactor, 0), "dispatch said 0 with something left");
    dispatches
}

#[test]
fn o10_what_a_closing_client_refuses_hides_nobody_elses() {
    for refused in KINDS {
        for wanted in KINDS {
            let reactor = Reactor::new().unwrap();
            let (closing, other) = (client(&reactor), client(&reactor));
            let open: Vec<_> = (0..MANY).map(|_| due(&closing, refused)).collect();
            while_it_closes(&closing, || {
                let _open = due(&other, wanted);
                // Always ready means never done; once is enough here.
                let done = other.clone();
                let served = move || done.client().0.load(Ordering::Relaxed);
                AT_THE_GATE.set(Some(Box::new(use_up_the_time)));
                let started = Instant::now();
                while served() == 0 {
                    let made = reactor.dispatch().unwrap();
                    assert!(made > 0 || served() > 0, "{refused:?} before {wanted:?}: 0 with something left");
                    assert!(started.elapsed() < Duration::from_secs(20), "{refused:?} before {wanted:?}: it starves");
                }
            });
            drop(open);
        }
    }
}

#[test]
fn o10_zero_means_that_the_fd_is_not_readable() {
    for refused in KINDS {
        let reactor = Reactor::new().unwrap();
        let closing = client(&reactor);
        let _open: Vec<_> = (0..MANY).map(|_| due(&closing, refused)).collect();
        while_it_closes(&closing, || {
            AT_THE_GATE.set(Some(Box::new(use_up_the_time)));
            assert!(dispatch_until_nothing_is_left(&reactor) >= 3, "{refused:?}: each dispatch has one round");
        });
    }
}

#[test]
fn r7_a_file_that_comes_while_another_one_is_refused_is_not_slept_through() {
    let reactor = Reactor::new().unwrap();
    let (closing, other) = (client(&reactor), client(&reactor));
    let _open = due(&closing, Kind::AlwaysReady);
    while_it_closes(&closing, || {
        let newcomers = other.clone();
        let mut newcomer = None;
        AT_THE_GATE.set(Some(Box::new(move || {
            newcomer.get_or_insert_with(|| due(&newcomers, Kind::AlwaysReady));
        })));
        assert!(reactor.dispatch().unwrap() > 0 || !is_readable(&*reactor, 0), "dispatch said 0 with something left");
        assert!(reactor.dispatch().unwrap() > 0);
        assert!(other.client().0.load(Ordering::Relaxed) > 0);
    });
}
