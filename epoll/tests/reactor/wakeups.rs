use crate::world::{FOREVER, Occurrence, Occurrence::*, World, in_ms};
use osevent_core::{Deadline, EventLoop, Interest, LoopError};
use osevent_test_kit::{eventfd, is_readable};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Lets another thread fall asleep in poll(2) on the reactor, makes the change, and says what occurs.
fn change_while_asleep(world: &World, change: impl FnOnce(&World)) -> Vec<Occurrence> {
    assert!(!world.is_readable(0));
    let (asleep, about_to_sleep) = mpsc::channel();
    thread::scope(|scope| {
        let sleeper = scope.spawn(move || {
            // SAFETY: takes no arguments.
            asleep.send(unsafe { libc::gettid() }).expect("the test waits for it");
            world.is_readable(FOREVER).then(|| world.turn())
        });
        let thread = about_to_sleep.recv().expect("it says so before anything else");
        wait_until_asleep(thread);
        change(world);
        sleeper.join().expect("it does not panic").expect("woken by the change (R9)")
    })
}

/// The kernel says so: nothing else can tell a thread about to sleep from one that does.
fn wait_until_asleep(thread: i32) {
    let started = std::time::Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).expect("the thread lives");
        let state = stat.rsplit(')').next().expect("the name ends there").trim_start().chars().next();
        let call = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap_or_default();
        let polls = call.is_empty() || call.starts_with(&format!("{} ", libc::SYS_poll));
        if state == Some('S') && polls {
            return;
        }
        assert!(started.elapsed().as_secs() < 20, "thread {thread} does not sleep");
        thread::yield_now();
    }
}

#[test]
fn r9_a_registration_from_another_thread_wakes() {
    let world = World::new();
    let ready = eventfd(1);
    let log = change_while_asleep(&world, |world| _ = world.fd(&ready, Interest::IN, 1));
    assert_eq!(log, [Fd(1, libc::POLLIN)]);
}

#[test]
fn r9_interest_added_from_another_thread_wakes() {
    let world = World::new();
    let ready = eventfd(1);
    let token = world.fd(&ready, Interest::NONE, 1);
    let log = change_while_asleep(&world, |world| world.modify(token, &ready, Interest::IN));
    assert_eq!(log, [Fd(1, libc::POLLIN)]);
}

#[test]
fn r7_r9_an_always_ready_file_from_another_thread_wakes() {
    let world = World::new();
    let null = File::options().write(true).open("/dev/null").unwrap();
    let log = change_while_asleep(&world, |world| _ = world.fd(&null, Interest::OUT, 1));
    assert_eq!(log, [Fd(1, libc::POLLOUT)]);
}

#[test]
fn r9_an_earlier_timer_from_another_thread_wakes() {
    let world = World::new();
    world.timer(in_ms(3_600_000), 1);
    let log = change_while_asleep(&world, |world| _ = world.timer(in_ms(2), 2));
    assert_eq!(log, [Timeout(2)]);
    let log = change_while_asleep(&world, |world| _ = world.timer(Deadline::ASAP, 3));
    assert_eq!(log, [Timeout(3)]);
}

#[test]
fn r9_a_timer_hurried_from_another_thread_wakes() {
    let world = World::new();
    let token = world.timer(in_ms(3_600_000), 1);
    let log = change_while_asleep(&world, |world| world.hurry(token));
    assert_eq!(log, [Timeout(1)]);
}

#[test]
fn an_idle_reactor_wakes_nobody() {
    let world = World::new();
    world.assert_idle();
    let quiet = eventfd(0);
    let fd = world.fd(&quiet, Interest::IN, 1);
    let timer = world.timer(in_ms(10), 2);
    world.registry.deregister_timeout(timer.to_handle()).unwrap();
    // Past the deadline: the timer fd is not armed any more.
    assert!(!world.is_readable(30));
    world.remove(fd, &quiet);
    world.assert_idle();
}

#[test]
fn a_turn_waits_and_dispatches_what_is_due() {
    let world = World::new();
    let interrupt = eventfd(0);
    world.timer(in_ms(5), 1);
    while world.log().is_empty() {
        world.reactor.turn(Some(interrupt.as_raw_fd())).unwrap();
    }
    world.timer(in_ms(5), 2);
    while world.log().is_empty() {
        world.reactor.turn(None).unwrap();
    }
}

#[test]
fn a_turn_ends_when_its_interrupt_is_readable() {
    let world = World::new();
    let interrupt = eventfd(1);
    world.reactor.turn(Some(interrupt.as_raw_fd())).unwrap();
    assert_eq!(world.log(), []);
    assert!(is_readable(&interrupt, 0), "it is the caller's to read");
}

#[test]
fn a_turn_refuses_a_closed_interrupt() {
    let world = World::new();
    for not_open in [1_000_000, -1] {
        assert_eq!(world.reactor.turn(Some(not_open)), Err(LoopError::BadFd(not_open)));
    }
}

/// How many signals were handled. SeqCst, since nothing else orders it.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_signal_does_not_end_a_turn() {
    // SAFETY: all zeros is a sigaction without flags, of which SA_RESTART would be one, and with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as extern "C" fn(i32) as usize;
    // SAFETY: the handler does what a handler may; no other test uses this signal.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) }, 0);

    let world = World::new();
    let timer = world.timer(in_ms(3_600_000), 1);
    let (asleep, about_to_sleep) = mpsc::channel();
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            // SAFETY: takes no arguments.
            asleep.send(unsafe { libc::gettid() }).expect("the test waits for it");
            world.reactor.turn(None)
        });
        let thread = about_to_sleep.recv().expect("it says so before anything else");
        wait_until_asleep(thread);
        // SAFETY: takes numbers; the thread is ours, and lives until it is joined.
        assert_eq!(unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) }, 0);
        let sent = std::time::Instant::now();
        while HANDLED.load(Ordering::SeqCst) == 0 {
            assert!(sent.elapsed().as_secs() < 20, "the signal is not handled");
            thread::yield_now();
        }
        world.hurry(timer);
        assert_eq!(sleeper.join().expect("it does not panic"), Ok(()));
    });
    assert_eq!(world.log(), [Timeout(1)]);
}
