use crate::world::{FOREVER, Occurrence::Fd, World};
use osevent_core::{EventLoop, Interest, LoopError, RegistrationError};
use osevent_test_kit::{eventfd, reuse};
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;
const HUP: i16 = libc::POLLHUP;

#[test]
fn o10_an_fd_that_stays_ready_occurs_in_each_dispatch() {
    let world = World::new();
    let (mut reader, mut writer) = pipe().unwrap();
    world.fd(&reader, Interest::IN, 1);
    world.assert_idle();
    writer.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert!(world.is_readable(FOREVER));
        assert_eq!(world.turn(), [Fd(1, IN)]);
    }
    reader.read_exact(&mut [0]).unwrap();
    world.assert_idle();
}

#[test]
fn r4_registrations_of_one_fd_get_each_their_own_readiness() {
    let world = World::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let input = world.fd(&ours, Interest::IN, 1);
    let output = world.fd(&ours, Interest::OUT, 2);
    assert_eq!(world.turn(), [Fd(2, OUT)]);
    theirs.write_all(b"x").unwrap();
    assert_eq!(world.turn(), [Fd(1, IN), Fd(2, OUT)]);

    world.modify(output, &ours, Interest::NONE);
    assert_eq!(world.turn(), [Fd(1, IN)]);
    world.modify(output, &ours, Interest::OUT | Interest::IN);
    assert_eq!(world.turn(), [Fd(1, IN), Fd(2, IN | OUT)]);
    world.remove(input, &ours);
    assert_eq!(world.turn(), [Fd(2, IN | OUT)]);
    world.remove(output, &ours);
    world.assert_idle();
}

#[test]
fn r4_a_registration_that_the_one_before_it_ends_does_not_occur() {
    let world = World::new();
    let ours = Arc::new(eventfd(1));
    let tokens = Arc::new(Mutex::new(vec![]));
    for value in 1..=4 {
        tokens.lock().unwrap().push(world.fd(&*ours, Interest::IN, value));
    }
    world.act(1, {
        let ours = ours.clone();
        move |world| {
            let tokens = tokens.lock().unwrap();
            // Itself, and one that is not the next.
            world.remove(tokens[0], &*ours);
            world.remove(tokens[2], &*ours);
        }
    });
    assert_eq!(world.turn(), [Fd(1, IN), Fd(2, IN), Fd(4, IN)]);
    assert_eq!(world.turn(), [Fd(2, IN), Fd(4, IN)]);
}

#[test]
fn r5_a_hung_up_fd_without_interest_is_silent() {
    let world = World::new();
    let (registered, _) = pipe().unwrap();
    let (modified, _) = pipe().unwrap();
    let never = world.fd(&registered, Interest::NONE, 1);
    let once = world.fd(&modified, Interest::IN, 2);
    assert_eq!(world.turn(), [Fd(2, HUP)]);
    world.modify(once, &modified, Interest::NONE);
    world.assert_idle();
    // Nor does one with interest on the same fd make the other hear of it.
    let other = world.fd(&registered, Interest::IN, 3);
    assert_eq!(world.turn(), [Fd(3, HUP)]);
    world.remove(other, &registered);
    world.assert_idle();
    world.modify(never, &registered, Interest::IN);
    assert_eq!(world.turn(), [Fd(1, HUP)]);
    world.modify(never, &registered, Interest::IN);
    assert_eq!(world.turn(), [Fd(1, HUP)]);
}

#[test]
fn r5_r16_interest_can_be_taken_back_inside_the_occurrence() {
    let world = World::new();
    let ours = Arc::new(eventfd(1));
    let token = world.fd(&*ours, Interest::IN, 1);
    world.act(1, {
        let ours = ours.clone();
        move |world| {
            world.remove(token, &*ours);
            world.fd(&*ours, Interest::NONE, 2);
        }
    });
    assert_eq!(world.turn(), [Fd(1, IN)]);
    world.assert_idle();
}

#[test]
fn r6_urgent_data_is_priority() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    world.fd(&ours, Interest::PRI, 1);
    world.fd(&ours, Interest::IN | Interest::PRI, 2);
    world.assert_idle();
    // SAFETY: one byte of a static.
    let sent = unsafe { libc::send(theirs.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    assert!(world.is_readable(FOREVER));
    assert_eq!(world.turn(), [Fd(1, libc::POLLPRI), Fd(2, libc::POLLPRI)]);
}

#[test]
fn r7_files_that_epoll_refuses_are_always_ready_beside_others() {
    let world = World::new();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let regular = File::open(std::env::current_exe().unwrap()).unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let on_null = world.fd(&null, Interest::IN | Interest::OUT, 1);
    let on_regular = world.fd(&regular, Interest::OUT, 2);
    world.fd(&reader, Interest::IN, 3);
    for _ in 0..3 {
        assert!(world.is_readable(FOREVER));
        let mut log = world.turn();
        log.sort();
        assert_eq!(log, [Fd(1, IN | OUT), Fd(2, OUT)]);
    }
    writer.write_all(b"x").unwrap();
    assert_eq!(world.turn().len(), 3);

    // Two registrations of one such file (R4), one of which wants what never comes.
    let urgent = world.fd(&null, Interest::PRI, 4);
    let input = world.fd(&null, Interest::IN, 5);
    let mut log = world.turn();
    log.sort();
    assert_eq!(log, [Fd(1, IN | OUT), Fd(2, OUT), Fd(3, IN), Fd(5, IN)]);

    world.remove(on_null, &null);
    world.remove(input, &null);
    world.modify(on_regular, &regular, Interest::NONE);
    (&reader).read_exact(&mut [0]).unwrap();
    world.assert_idle();
    world.modify(on_regular, &regular, Interest::IN);
    assert!(world.is_readable(FOREVER));
    assert_eq!(world.turn(), [Fd(2, IN)]);
    world.remove(on_regular, &regular);
    world.remove(urgent, &null);
    world.assert_idle();
}

#[test]
fn r8_a_number_reused_before_its_event_is_worked_off_inherits_nothing() {
    let world = World::new();
    let pair = Arc::new([eventfd(1), eventfd(1)]);
    let quiet = Arc::new(eventfd(0));
    let tokens = [world.fd(&pair[0], Interest::IN, 0), world.fd(&pair[1], Interest::IN, 1)];
    let reused = Arc::new(AtomicBool::new(false));
    // Whichever comes first replaces the other, whose event is in the same chunk.
    for me in 0..2 {
        let (pair, quiet, reused) = (pair.clone(), quiet.clone(), reused.clone());
        world.act(me, move |world| {
            let other = 1 - me as usize;
            world.remove(tokens[other], &pair[other]);
            reuse(pair[other].as_raw_fd(), &*quiet);
            world.fd(&pair[other], Interest::IN, 2);
            reused.store(true, Ordering::Relaxed);
        });
    }
    let log = world.turn();
    assert!(reused.load(Ordering::Relaxed));
    assert!(log == [Fd(0, IN)] || log == [Fd(1, IN)], "{log:?}");
}

#[test]
fn r8_r16_the_same_file_registered_again_in_its_occurrence_goes_on() {
    let world = World::new();
    let ours = Arc::new(eventfd(1));
    let token = world.fd(&*ours, Interest::IN, 1);
    world.act(1, {
        let ours = ours.clone();
        move |world| {
            world.remove(token, &*ours);
            world.fd(&*ours, Interest::IN, 2);
        }
    });
    assert_eq!(world.turn(), [Fd(1, IN)]);
    assert_eq!(world.turn(), [Fd(2, IN)]);
}

#[test]
fn bad_fds_are_refused_and_nothing_else_is_touched() {
    let world = World::new();
    let open = eventfd(1);
    // Above any fd of this process.
    let closed = 1_000_000;
    let refused = world.registry.register_fd(closed, Interest::IN, osevent_core::ClientValue(1));
    assert_eq!(refused, Err(RegistrationError::Loop(LoopError::BadFd(closed))));
    let refused = world.registry.register_fd(-1, Interest::IN, osevent_core::ClientValue(1));
    assert_eq!(refused, Err(RegistrationError::NegativeFd(-1)));
    // The set cannot watch itself.
    let refused = world.try_fd(&*world.reactor, Interest::IN, 1);
    assert_eq!(refused, Err(RegistrationError::Loop(LoopError::Os(libc::EINVAL))));
    assert_eq!(world.registry.census().alive, 0, "what is refused is let go");
    world.fd(&open, Interest::IN, 2);
    assert_eq!(world.turn(), [Fd(2, IN)]);
}

#[test]
fn r3_a_refused_modification_leaves_the_old_interest() {
    let world = World::new();
    let ours = eventfd(1);
    let number = ours.as_raw_fd();
    let duplicate = ours.try_clone().unwrap();
    let token = world.fd(&ours, Interest::IN, 1);
    drop(ours);
    let refused = world.registry.modify_fd(token.to_handle(), number, Interest::OUT);
    assert_eq!(refused, Err(RegistrationError::Loop(LoopError::BadFd(number))));
    // Only the duplicate keeps the file, and with it the old watch.
    assert_eq!(world.turn(), [Fd(1, IN)]);
    drop(duplicate);
    world.assert_idle();
}

#[test]
fn unknown_tokens_are_told_or_ignored() {
    let world = World::new();
    let ours = eventfd(1);
    let token = world.fd(&ours, Interest::IN, 1);
    world.reactor.remove_fd(token);
    world.reactor.remove_fd(token);
    world.reactor.remove_timer(token);
    world.reactor.modify_timer(token, osevent_core::Deadline::ASAP);
    assert_eq!(world.reactor.modify_fd(token, Interest::IN), Err(LoopError::UnknownToken(token)));
    world.assert_idle();
}
