//! Alone in its process, because it counts what all of the process's threads do.

use osevent_core::{ClientValue, Deadline, Interest};
use osevent_smol::LibxlSource;
use osevent_test_kit::{FOREVER, Hosted, KernelThread};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// How often each thread but this one has gone to sleep, once all sleep: the executor's and async-io's.
fn sleeps() -> Vec<(KernelThread, u64)> {
    let me = KernelThread::current();
    let others = KernelThread::all().into_iter().filter(|thread| *thread != me);
    let mut sleeps: Vec<_> = others.map(|thread| (thread, thread.sleeps())).collect();
    sleeps.sort();
    sleeps
}

#[test]
fn an_idle_loop_wakes_nobody() {
    let (occurred, told) = channel();
    let xen = LibxlSource::new().expect("fds are free");
    let event_loop = xen.event_loop();
    let driving = thread::spawn(move || smol::block_on(xen));
    let hosted = Hosted::new(event_loop, move |value| _ = occurred.send(value));
    let (quiet, _writer) = std::io::pipe().expect("fds are free");
    hosted.registry.register_fd(quiet.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
    hosted.registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(2)).unwrap();
    hosted.due(3);
    assert_eq!(told.recv_timeout(FOREVER), Ok(3), "it is at work");
    // async-io's own thread takes a few tries, 10 ms apart at most, before it leaves the waiting to ours.
    let started = Instant::now();
    let mut before = sleeps();
    loop {
        thread::sleep(Duration::from_millis(500));
        let now = sleeps();
        if now == before {
            break;
        }
        assert!(started.elapsed() < FOREVER, "something wakes it again and again: {before:?}, then {now:?}");
        before = now;
    }
    assert!(told.try_recv().is_err());
    hosted.due(4);
    assert_eq!(told.recv_timeout(FOREVER), Ok(4), "it was asleep, not dead");
    assert!(sleeps() > before, "the count counts");
    assert!(!driving.is_finished());
}
