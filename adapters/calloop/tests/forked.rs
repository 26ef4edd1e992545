//! A forked child that drops what it inherited leaves the parent's alone (X7).

use calloop::RegistrationToken;
use osevent_calloop::LibxlSource;
use osevent_core::{Client, ClientValue, Deadline, Interest, LockRule, Owner, Readiness, Registry, current_thread};
use osevent_test_kit::in_forked_child;
use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Waits are bounded by this; none comes near it unless something is broken.
const FOREVER: Duration = Duration::from_secs(20);

/// Counts its occurrences. All on one thread, so any ordering does.
struct Counting(PipeReader, AtomicUsize);

impl Client for Counting {
    fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {
        (&self.0).read_exact(&mut [0]).unwrap();
        self.1.fetch_add(1, Ordering::Relaxed);
    }
    fn occurred_timeout(&self, _: ClientValue) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
    fn release(&self) {}
}

impl Owner for Counting {}

struct Program {
    calloop: calloop::EventLoop<'static, ()>,
    token: RegistrationToken,
    registry: Arc<Registry<Counting>>,
    writer: PipeWriter,
    gone: Arc<AtomicUsize>,
}

impl Program {
    fn new() -> Self {
        let calloop = calloop::EventLoop::try_new().unwrap();
        let xen = LibxlSource::new().unwrap();
        let gone = Arc::new(AtomicUsize::new(0));
        let counted = gone.clone();
        xen.event_loop().on_gone(Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)));
        let (reader, writer) = pipe().unwrap();
        let fd = reader.as_raw_fd();
        let registry = Registry::new(xen.event_loop(), LockRule::Concurrent, current_thread, |_| {
            Counting(reader, AtomicUsize::new(0))
        });
        registry.register_fd(fd, Interest::IN, ClientValue(1)).unwrap();
        let token = calloop.handle().insert_source(xen, |_, _, _| {}).unwrap();
        let mut program = Self { calloop, token, registry, writer, gone };
        program.assert_served();
        program
    }

    /// The fd and a timeout occur, and then nothing is left to do.
    fn assert_served(&mut self) {
        self.writer.write_all(b"x").unwrap();
        self.registry.register_timeout(Deadline::ASAP, ClientValue(2)).unwrap();
        self.calloop.dispatch(Some(FOREVER), &mut ()).unwrap();
        self.calloop.dispatch(Some(Duration::ZERO), &mut ()).unwrap();
        assert_eq!(self.registry.client().1.swap(0, Ordering::Relaxed), 2);
        assert_eq!(self.gone.load(Ordering::Relaxed), 0);
    }
}

/// Has a child do something to its copy of the program.
fn child(act: impl FnOnce(Program)) {
    let mut program = Some(Program::new());
    in_forked_child(|| act(program.take().unwrap()));
    program.unwrap().assert_served();
}

#[test]
fn an_event_loop_and_a_registry_that_a_child_drops_go_on_in_the_parent() {
    child(|program| {
        let Program { calloop, registry, gone, .. } = program;
        let event_loop = registry.event_loop().clone();
        drop((registry, calloop));
        assert_eq!(gone.load(Ordering::Relaxed), 0, "it is not the child's to end");
        assert_eq!(Arc::strong_count(&event_loop), 1, "its fds can be closed there");
    });
}

#[test]
fn a_loop_that_a_child_removes_goes_on_in_the_parent() {
    child(|program| {
        program.calloop.handle().disable(&program.token).unwrap();
        program.calloop.handle().remove(program.token);
        assert_eq!(program.gone.load(Ordering::Relaxed), 0, "it is not the child's to end");
    });
}

#[test]
fn a_loop_in_a_thread_local_goes_on_in_the_parent_when_a_child_exits() {
    thread_local!(static HELD: RefCell<Option<Program>> = const { RefCell::new(None) });
    HELD.set(Some(Program::new()));
    // exit(3) drops it there.
    in_forked_child(|| {});
    HELD.take().unwrap().assert_served();
}
