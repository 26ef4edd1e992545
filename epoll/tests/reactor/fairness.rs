use crate::world::{FOREVER, Occurrence, Occurrence::*, World};
use osevent_core::{Deadline, Interest};
use osevent_epoll::Reactor;
use osevent_test_kit::busy::ROUND;
use osevent_test_kit::eventfd;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

fn never_ending_timer(world: &World, value: u64) {
    world.act(value, move |world| _ = world.timer(Deadline::ASAP, value));
    world.timer(Deadline::ASAP, value);
}

#[test]
fn o9_everything_that_is_ready_is_served_within_a_few_dispatches() {
    let world = World::new();
    let mut all = vec![];
    let busy: Vec<OwnedFd> = (0..100).map(|_| eventfd(1)).collect();
    for (fd, value) in busy.iter().zip(0..) {
        world.fd(fd, Interest::IN, value);
        all.push(Fd(value, libc::POLLIN));
    }
    let files: Vec<File> = (0..40).map(|_| File::options().write(true).open("/dev/null").unwrap()).collect();
    for (file, value) in files.iter().zip(1_000..) {
        world.fd(file, Interest::OUT, value);
        all.push(Fd(value, libc::POLLOUT));
    }
    for value in 2_000..2_010 {
        never_ending_timer(&world, value);
        all.push(Timeout(value));
    }
    // Each dispatch makes two rounds or one, of 16 of each kind at least.
    const DISPATCHES: usize = 7;
    for _ in 0..5 {
        let mut served: HashMap<Occurrence, usize> = HashMap::new();
        for _ in 0..DISPATCHES {
            assert!(world.is_readable(FOREVER));
            for occurrence in world.turn() {
                *served.entry(occurrence).or_default() += 1;
            }
        }
        for one in &all {
            assert!(served.contains_key(one), "{one:?} starves");
        }
    }
}

#[test]
fn o9_a_dispatch_ends_though_more_is_ready() {
    let world = World::new();
    let busy: Vec<OwnedFd> = (0..200).map(|_| eventfd(1)).collect();
    for (fd, value) in busy.iter().zip(0..) {
        world.fd(fd, Interest::IN, value);
    }
    // The best of many, because a busy machine can use up the time of a dispatch.
    let mut best = 0;
    for _ in 0..50 {
        let made = world.turn().len();
        assert!(made < Reactor::OCCURRENCES + ROUND, "{made}");
        assert!(world.is_readable(FOREVER), "the rest is still due");
        best = best.max(made);
    }
    assert!(best >= Reactor::OCCURRENCES, "a dispatch makes more than one round, but {best} were all");
}

#[test]
fn o9_a_timer_that_renews_itself_ends_no_dispatch_late_and_starves_no_fd() {
    let world = World::new();
    never_ending_timer(&world, 1);
    let ready = eventfd(1);
    world.fd(&ready, Interest::IN, 2);
    let log = world.turn();
    assert!(log.len() < Reactor::OCCURRENCES + ROUND, "{}", log.len());
    assert!(log.contains(&Fd(2, libc::POLLIN)));
    assert!(world.is_readable(FOREVER));
}

#[test]
fn o9_slow_occurrences_end_a_dispatch_after_a_round() {
    let world = World::new();
    let busy: Vec<OwnedFd> = (0..100).map(|_| eventfd(1)).collect();
    for (fd, value) in busy.iter().zip(0..) {
        world.fd(fd, Interest::IN, value);
        world.act(value, |_| {
            let started = Instant::now();
            while started.elapsed() < Reactor::TIME / 8 {
                std::hint::spin_loop();
            }
        });
    }
    assert_eq!(world.turn().len(), 16);
}

#[test]
fn o9_all_quick_occurrences_of_a_dispatch_are_two_rounds_and_others_16_a_round() {
    // Where in a dispatch the second round has its file that is always ready.
    let second_round_ends = |act: fn(&World)| {
        let world = World::new();
        let null = File::options().write(true).open("/dev/null").unwrap();
        world.fd(&null, Interest::OUT, 1_000);
        let busy: Vec<OwnedFd> = (0..100).map(|_| eventfd(1)).collect();
        for (fd, value) in busy.iter().zip(0..) {
            world.fd(fd, Interest::IN, value);
            world.act(value, act);
        }
        let ends = |log: Vec<Occurrence>| {
            let is_file = |one: &Occurrence| *one == Fd(1_000, libc::POLLOUT);
            (0..).zip(&log).filter(|(_, one)| is_file(one)).nth(1).map(|(at, _)| at)
        };
        // The most of many, because a busy machine makes a quick one slow.
        (0..50).filter_map(|_| ends(world.turn())).max()
    };
    assert_eq!(second_round_ends(|_| ()), Some(Reactor::OCCURRENCES));
    let slow = second_round_ends(|_| {
        let started = Instant::now();
        while started.elapsed() < Reactor::TIME / 8 / 8 {
            std::hint::spin_loop();
        }
    });
    assert!(slow.is_none_or(|at| at <= 16 + 1 + 16), "{slow:?}");
}

#[test]
fn what_the_occurrence_of_an_fd_makes_due_is_made_in_the_same_dispatch() {
    let world = World::new();
    let ready = eventfd(1);
    world.fd(&ready, Interest::IN, 1);
    world.act(1, |world| _ = world.timer(Deadline::ASAP, 2));
    assert_eq!(world.turn(), [Fd(1, libc::POLLIN), Timeout(2)]);
}

#[test]
fn o9_a_slow_occurrence_ends_a_dispatch_after_a_round_whatever_it_makes_due() {
    let world = World::new();
    let ready = eventfd(1);
    world.fd(&ready, Interest::IN, 1);
    world.act(1, |world| {
        let started = Instant::now();
        (0..40).for_each(|_| _ = world.timer(Deadline::ASAP, 2));
        while started.elapsed() < Reactor::TIME {
            std::hint::spin_loop();
        }
    });
    assert_eq!(world.turn().len(), 1 + 16);
}

#[test]
fn a_small_dispatch_is_one_round() {
    // One always ready file does not keep a dispatch going until its budget is spent.
    let world = World::new();
    let null = File::options().write(true).open("/dev/null").unwrap();
    world.fd(&null, Interest::OUT, 1);
    let started = Instant::now();
    assert_eq!(world.turn().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn o9_as_many_always_ready_files_as_a_round_serves_are_one_round_and_one_more_is_another() {
    for (files, is_one_round) in [(16, true), (17, false)] {
        let world = World::new();
        let files: Vec<File> = (0..files).map(|_| File::options().write(true).open("/dev/null").unwrap()).collect();
        for (file, value) in files.iter().zip(0..) {
            world.fd(file, Interest::OUT, value);
        }
        // The most of many, because a busy machine can use up the time of a dispatch.
        let most = (0..50).map(|_| world.turn().len()).max();
        assert_eq!(most == Some(16), is_one_round, "{most:?} occurrences for {} files", files.len());
    }
}
