//! What is seen while nothing happens, with a host that does nothing by itself.

use crate::boundary::{Client, Hooks, Hosting, Integration, Rule, WallTime};
use crate::monitor::{Limits, Monitor};
use crate::record::Record;
use crate::violation::Violation;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

const IN: i16 = libc::POLLIN;

/// Accepts everything and forgets it; `fd_deregister` waits for a word.
struct Forgetful {
    deregisters: Mutex<Receiver<()>>,
    client: Mutex<Option<Arc<dyn Client>>>,
}

struct Forgotten(Arc<Forgetful>);

impl Integration for Forgotten {
    fn host(&self, client: Arc<dyn Client>, _: Rule) -> anyhow::Result<Arc<dyn Hosting>> {
        *self.0.client.lock().expect("no holder panics") = Some(client);
        Ok(self.0.clone())
    }

    fn thread(&self) -> ThreadId {
        std::thread::current().id()
    }
}

impl Hooks for Forgetful {
    fn fd_register(&self, _: RawFd, handle: &mut u64, _: i16, value: u64) -> i32 {
        *handle = value;
        0
    }

    fn fd_modify(&self, _: RawFd, _: &mut u64, _: i16) -> i32 {
        0
    }

    fn fd_deregister(&self, _: RawFd, _: u64) {
        let _ = self.deregisters.lock().expect("no holder panics").recv_timeout(PATIENCE);
    }

    fn timeout_register(&self, handle: &mut u64, _: WallTime, value: u64) -> i32 {
        *handle = value;
        0
    }

    fn timeout_modify(&self, _: &mut u64, _: WallTime) -> i32 {
        0
    }

    fn timeout_deregister(&self, _: u64) {}
}

impl Hosting for Forgetful {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        call();
        true
    }

    fn close(&self) {}
}

/// Calls a function in its occurrences.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync> Client for Calls<F> {
    fn occurred_fd(&self, _: u64, _: RawFd, _: i16, _: i16) {
        (self.0)();
    }

    fn occurred_timeout(&self, _: u64) {
        (self.0)();
    }

    fn free(&self) {}
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

fn clauses(violations: &[Violation]) -> Vec<&str> {
    violations.iter().map(|violation| &*violation.clause).collect()
}

/// With short limits, and a word for `fd_deregister` to wait for.
fn forgetful(
    overdue: Duration,
    stuck: Duration,
    client: impl Fn() + Send + Sync + 'static,
) -> (Arc<Monitor>, Arc<dyn Hosting>, Arc<Forgetful>, std::sync::mpsc::Sender<()>) {
    let monitor = Monitor::new(Limits { overdue, hook: Duration::from_secs(60), stuck });
    let (word, deregisters) = channel();
    let host = Arc::new(Forgetful { deregisters: Mutex::new(deregisters), client: Mutex::default() });
    let client = Arc::new(Calls(client));
    let hosting = monitor.host(&Forgotten(host.clone()), client, Rule::Concurrent).expect("it accepts everything");
    (monitor, hosting, host, word)
}

#[test]
fn r9_o10_r6_an_fd_that_is_ready_in_vain_is_seen_and_no_other() {
    let (monitor, hosting, host, _word) = forgetful(Duration::from_millis(100), PATIENCE, || {});
    let readable = || {
        let (near, far) = UnixStream::pair().expect("a socket pair");
        std::io::Write::write_all(&mut &far, b"x").expect("the near end is open");
        (near, far)
    };
    let [fresh, before, silent] = [readable(), readable(), readable()];
    let idle = UnixStream::pair().expect("a socket pair");
    let hung_up = UnixStream::pair().expect("a socket pair").0;
    let register = |socket: &UnixStream, events, value| {
        assert_eq!(hosting.fd_register(socket.as_raw_fd(), &mut 0, events, value), 0);
    };
    register(&fresh.0, IN, 1);
    register(&before.0, IN, 2);
    register(&silent.0, 0, 3);
    register(&idle.0, IN, 4);
    register(&hung_up, libc::POLLPRI, 5);
    let client = host.client.lock().expect("no holder panics").clone().expect("it is hosted");
    client.occurred_fd(2, before.0.as_raw_fd(), IN, IN);
    monitor.watch(|_| {});
    eventually("three are seen", || monitor.look(|record| record.violations.len() == 3));
    let record = monitor.finish();
    assert_eq!(clauses(&record.violations), ["R9", "O10", "R6"], "{:#?}", record.violations);
}

#[test]
fn r9_an_fd_that_waits_for_a_busy_loop_is_not_in_vain() {
    let (busy, idle) = (channel::<()>(), channel());
    let (began, ends) = (busy.0, Mutex::new(idle.1));
    let limit = Duration::from_millis(20);
    let (monitor, hosting, host, _word) = forgetful(limit, PATIENCE, move || {
        let _ = began.send(());
        let _: Result<(), _> = ends.lock().expect("no holder panics").recv_timeout(PATIENCE);
    });
    let (near, far) = UnixStream::pair().expect("a socket pair");
    std::io::Write::write_all(&mut &far, b"x").expect("the near end is open");
    assert_eq!(hosting.fd_register(near.as_raw_fd(), &mut 0, IN, 1), 0);
    assert_eq!(hosting.timeout_register(&mut 0, (0, 0), 2), 0);
    let client = host.client.lock().expect("no holder panics").clone().expect("it is hosted");
    std::thread::scope(|scope| {
        scope.spawn(|| client.occurred_timeout(2));
        busy.1.recv_timeout(PATIENCE).expect("it begins");
        monitor.watch(|_| {});
        // Long enough to be seen, were it not for the occurrence.
        std::thread::sleep(limit * 5);
        assert_eq!(monitor.look(|record| record.violations.clone()), []);
        idle.0.send(()).expect("it waits");
    });
    eventually("it is seen", || monitor.look(|record| record.violations.len() == 1));
}

#[test]
fn r15_o2_a_hook_that_does_not_return_is_seen_and_where_everybody_is() {
    let (began, begun) = channel();
    let (released, release) = channel();
    let release = Mutex::new(release);
    let (monitor, hosting, host, word) = forgetful(PATIENCE, Duration::from_millis(100), move || {
        let _ = began.send(());
        let _: Result<(), _> = release.lock().expect("no holder panics").recv_timeout(PATIENCE);
    });
    let (near, _far) = UnixStream::pair().expect("a socket pair");
    let (fd, mut handle) = (near.as_raw_fd(), 0);
    assert_eq!(hosting.fd_register(fd, &mut handle, IN, 1), 0);
    let client = host.client.lock().expect("no holder panics").clone().expect("it is hosted");
    let (sender, stuck) = channel::<Record>();
    std::thread::scope(|scope| {
        scope.spawn(|| client.occurred_fd(1, fd, IN, IN));
        begun.recv_timeout(PATIENCE).expect("it begins");
        scope.spawn(|| hosting.fd_deregister(fd, handle));
        eventually("the hook has been called", || monitor.inside().len() == 2);
        monitor.watch(move |record| sender.send(record).expect("it is waited for"));
        let record = stuck.recv_timeout(PATIENCE).expect("it is seen");
        assert!(record.violations.iter().all(|violation| violation.text.contains("is inside an occurrence of fd")));
        // The occurrence began earlier, so it may have been seen alone.
        let of_hook = |record: &Record| {
            let hook = record.violations.iter().filter(|violation| violation.text.starts_with("fd_deregister"));
            hook.map(|violation| violation.clause.clone()).collect::<Vec<_>>()
        };
        eventually("the hook is seen", || monitor.look(of_hook) == ["R15", "O2"]);
        word.send(()).expect("it waits");
        released.send(()).expect("it waits");
    });
}
