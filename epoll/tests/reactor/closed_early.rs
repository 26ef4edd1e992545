//! Clients that close an fd before they say so: whatever the number names when they do, nothing is lost afterwards.

use crate::world::{FOREVER, Occurrence::Fd, World};
use osevent_core::Interest;
use osevent_test_kit::{eventfd, reuse};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;

#[test]
fn r5_r8_deregistering_and_losing_interest_work_after_the_close() {
    for reused in [false, true] {
        let world = World::new();
        let [gone, going] = [eventfd(1), eventfd(1)];
        let numbers = [gone.as_raw_fd(), going.as_raw_fd()];
        let deregistered = world.fd(&gone, Interest::IN, 1);
        let modified = world.fd(&going, Interest::IN, 2);
        if reused {
            // The numbers name files that the set never had.
            reuse(numbers[0], &eventfd(0));
            reuse(numbers[1], &eventfd(0));
        } else {
            drop((gone, going));
        }
        world.registry.deregister_fd(deregistered.to_handle(), numbers[0]).unwrap();
        world.registry.modify_fd(modified.to_handle(), numbers[1], Interest::NONE).unwrap();
        world.assert_idle();
        world.registry.deregister_fd(modified.to_handle(), numbers[1]).unwrap();
        world.assert_idle();
    }
}

#[test]
fn r8_modifying_finds_the_file_that_the_number_names_now() {
    let world = World::new();
    let ours = eventfd(1);
    let token = world.fd(&ours, Interest::IN, 1);
    let other = eventfd(0);
    reuse(ours.as_raw_fd(), &other);
    world.assert_idle();
    // Even with the same interest.
    world.modify(token, &ours, Interest::IN);
    world.assert_idle();
    reuse(ours.as_raw_fd(), &eventfd(1));
    world.modify(token, &ours, Interest::IN);
    assert!(world.is_readable(FOREVER));
    assert_eq!(world.turn(), [Fd(1, IN)]);
}

#[test]
fn r4_r8_a_second_registration_of_a_reused_number_is_watched() {
    let world = World::new();
    let ours = eventfd(0);
    world.fd(&ours, Interest::IN, 1);
    reuse(ours.as_raw_fd(), &eventfd(1));
    world.fd(&ours, Interest::IN, 2);
    assert!(world.is_readable(FOREVER));
    // Both registrations are of this number.
    assert_eq!(world.turn(), [Fd(1, IN), Fd(2, IN)]);
}

#[test]
fn r8_a_file_that_a_duplicate_kept_in_the_set_is_adopted_when_its_number_returns() {
    let world = World::new();
    let ours = eventfd(1);
    let number = ours.as_raw_fd();
    let duplicate = ours.try_clone().unwrap();
    let token = world.fd(&ours, Interest::IN, 1);
    drop(ours);
    world.registry.deregister_fd(token.to_handle(), number).unwrap();
    assert!(world.is_readable(FOREVER), "the set still has the file, or this test shows nothing");
    assert_eq!(world.turn(), [], "its events are nobody's");

    reuse(number, &duplicate);
    // SAFETY: dup3 has just made it, and the fd that had this number was closed.
    let back = unsafe { OwnedFd::from_raw_fd(number) };
    let token = world.fd(&back, Interest::IN, 2);
    assert_eq!(world.turn(), [Fd(2, IN)]);
    world.remove(token, &back);
    world.assert_idle();
}

#[test]
fn r7_a_number_can_pass_between_files_that_epoll_takes_and_those_it_refuses() {
    let world = World::new();
    let ours = eventfd(0);
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let token = world.fd(&ours, Interest::IN, 1);
    world.assert_idle();
    reuse(ours.as_raw_fd(), &null);
    world.modify(token, &ours, Interest::IN | Interest::OUT);
    assert!(world.is_readable(FOREVER));
    assert_eq!(world.turn(), [Fd(1, IN | OUT)]);

    reuse(ours.as_raw_fd(), &eventfd(0));
    world.modify(token, &ours, Interest::IN);
    world.assert_idle();
    reuse(ours.as_raw_fd(), &null);
    let second = world.fd(&ours, Interest::OUT, 2);
    assert_eq!(world.turn(), [Fd(1, IN), Fd(2, OUT)]);
    world.remove(token, &ours);
    world.remove(second, &ours);
    world.assert_idle();
}
