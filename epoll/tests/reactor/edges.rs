//! A host loop that reports changes only, as tokio's does: it dispatches until nothing is left.

use crate::world::{FOREVER, World, micros_now};
use osevent_core::{Deadline, Interest};
use osevent_test_kit::eventfd;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An epoll set that tells of each change of `fd` once.
fn edge_triggered(fd: &impl AsRawFd) -> OwnedFd {
    // SAFETY: takes no pointers.
    let outer = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(outer >= 0, "{}", std::io::Error::last_os_error());
    let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
    // SAFETY: the event outlives the call.
    assert_eq!(unsafe { libc::epoll_ctl(outer, libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) }, 0);
    // SAFETY: the kernel has just made it for us.
    unsafe { OwnedFd::from_raw_fd(outer) }
}

/// Whether there was a change within [`FOREVER`].
fn changes(outer: &OwnedFd) -> bool {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: one event, exclusively ours for the call.
    unsafe { libc::epoll_wait(outer.as_raw_fd(), &raw mut event, 1, FOREVER) == 1 }
}

fn write(fd: RawFd) {
    // SAFETY: the buffer is 8 bytes long and outlives the call.
    assert_eq!(unsafe { libc::write(fd, 1u64.to_ne_bytes().as_ptr().cast(), 8) }, 8);
}

fn read(fd: RawFd) {
    // SAFETY: the buffer is 8 bytes long and outlives the call.
    assert_eq!(unsafe { libc::read(fd, [0u8; 8].as_mut_ptr().cast(), 8) }, 8);
}

#[test]
fn o10_a_loop_that_reports_changes_misses_nothing_if_it_dispatches_until_nothing_is_left() {
    const ROUNDS: usize = 3_000;
    /// More than one dispatch makes.
    const BURST: usize = 150;
    let world = World::new();
    let served = Arc::new(AtomicUsize::new(0));
    // Relaxed, here and below: the number alone matters.
    let serve = |act: fn(&World, RawFd), fd: RawFd| {
        let served = served.clone();
        move |world: &World| {
            act(world, fd);
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    let fds: Vec<OwnedFd> = (0..BURST).map(|_| eventfd(0)).collect();
    for (fd, value) in fds.iter().zip(1_000..) {
        world.act(value, serve(|_, fd| read(fd), fd.as_raw_fd()));
        world.fd(fd, Interest::IN, value);
    }
    world.act(1, serve(|_, _| (), -1));

    let outer = edge_triggered(&*world.reactor);
    let expected: usize = (0..ROUNDS).map(|round| if round % 4 == 0 { BURST } else { 1 }).sum();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut due = 0;
            for round in 0..ROUNDS {
                match round % 4 {
                    0 => fds.iter().for_each(|fd| write(fd.as_raw_fd())),
                    1 => _ = world.timer(Deadline::ASAP, 1),
                    2 => _ = world.timer(Deadline::from_micros(micros_now() + 100), 1),
                    _ => write(fds[round % BURST].as_raw_fd()),
                }
                due += if round % 4 == 0 { BURST } else { 1 };
                // Each round needs a change of its own.
                let started = Instant::now();
                while served.load(Ordering::Relaxed) < due {
                    assert!(started.elapsed() < Duration::from_millis(FOREVER as u64), "round {round} is not served");
                    std::thread::yield_now();
                }
            }
        });
        while served.load(Ordering::Relaxed) < expected {
            assert!(changes(&outer), "something is due, and there was no change");
            while world.dispatch() > 0 {}
        }
    });
}
