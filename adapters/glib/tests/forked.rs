//! A forked child that drops what it inherited leaves the parent's alone (X7).

use glib::MainContext;
use osevent_core::{Client, ClientValue, Deadline, Interest, LockRule, Owner, Readiness, Registry, current_thread};
use osevent_glib::LibxlSource;
use osevent_test_kit::{alone, in_forked_child};
use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    attached: LibxlSource,
    registry: Arc<Registry<Counting>>,
    context: MainContext,
    writer: PipeWriter,
    gone: Arc<AtomicUsize>,
}

impl Program {
    fn new() -> Self {
        let context = MainContext::new();
        let attached = LibxlSource::builder().attach(&context).unwrap();
        let gone = Arc::new(AtomicUsize::new(0));
        let counted = gone.clone();
        attached.event_loop().on_gone(Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)));
        let (reader, writer) = pipe().unwrap();
        let fd = reader.as_raw_fd();
        let registry = Registry::new(attached.event_loop(), LockRule::Concurrent, current_thread, |_| {
            Counting(reader, AtomicUsize::new(0))
        });
        registry.register_fd(fd, Interest::IN, ClientValue(1)).unwrap();
        let mut program = Self { attached, registry, context, writer, gone };
        program.assert_served();
        program
    }

    /// The fd and a timeout occur, and then the context is at rest.
    fn assert_served(&mut self) {
        let count = || self.registry.client().1.swap(0, Ordering::Relaxed);
        self.writer.write_all(b"x").unwrap();
        self.registry.register_timeout(Deadline::ASAP, ClientValue(2)).unwrap();
        let busy = (0..100).take_while(|_| self.context.iteration(false)).count();
        assert!(busy < 100, "the context is not at rest");
        assert_eq!(count(), 2);
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
fn what_a_child_drops_goes_on_in_the_parent() {
    let _alone = alone();
    child(|program| {
        let Program { attached, registry, context, gone, .. } = program;
        let open_fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open_fds();
        attached.detach();
        drop((registry, attached, context));
        assert_eq!(gone.load(Ordering::Relaxed), 0, "it is not the child's to end");
        // The reactor's three, two sockets, the context's own, the client's.
        assert_eq!(before - open_fds(), 7, "its fds are closed there");
    });
}

#[test]
fn a_context_that_a_child_drops_first_goes_on_in_the_parent() {
    let _alone = alone();
    child(|program| {
        let Program { attached, context, gone, .. } = program;
        drop(context);
        assert_eq!(gone.load(Ordering::Relaxed), 0, "it is not the child's to end");
        drop(attached);
    });
}

#[test]
fn a_context_that_a_child_iterates_serves_the_parents_client_in_the_parent_only() {
    let _alone = alone();
    let mut program = Program::new();
    program.writer.write_all(b"x").unwrap();
    in_forked_child(|| {
        while program.context.iteration(false) {}
        assert_eq!(program.registry.client().1.load(Ordering::Relaxed), 0);
    });
    while program.context.iteration(false) {}
    assert_eq!(program.registry.client().1.swap(0, Ordering::Relaxed), 1);
    program.assert_served();
}

#[test]
fn a_loop_in_a_thread_local_goes_on_in_the_parent_when_a_child_exits() {
    let _alone = alone();
    thread_local!(static HELD: RefCell<Option<Program>> = const { RefCell::new(None) });
    HELD.set(Some(Program::new()));
    // exit(3) drops it there.
    in_forked_child(|| {});
    HELD.take().unwrap().assert_served();
}
