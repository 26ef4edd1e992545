//! A forked child that drops what it inherited leaves the parent's alone (X7).

use futures_lite::future::{block_on, or, poll_once};
use osevent_core::{
    Client, ClientValue, Deadline, Interest, LockRule, LoopError, Owner, Readiness, Registry, current_thread,
};
use osevent_smol::LibxlSource;
use osevent_test_kit::in_forked_child;
use smol::channel::{Receiver, Sender, unbounded};
use smol::{LocalExecutor, Task, Timer};
use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Waits are bounded by this; none comes near it unless something is broken.
const FOREVER: Duration = Duration::from_secs(20);

/// Tells of its occurrences.
struct Telling(PipeReader, Sender<u64>);

impl Client for Telling {
    fn occurred_fd(&self, value: ClientValue, _: i32, _: Interest, _: Readiness) {
        (&self.0).read_exact(&mut [0]).unwrap();
        self.1.try_send(value.0).unwrap();
    }
    fn occurred_timeout(&self, value: ClientValue) {
        self.1.try_send(value.0).unwrap();
    }
    fn release(&self) {}
}

impl Owner for Telling {}

struct Program {
    task: Task<LoopError>,
    executor: LocalExecutor<'static>,
    registry: Arc<Registry<Telling>>,
    told: Receiver<u64>,
    writer: PipeWriter,
    gone: Arc<AtomicUsize>,
}

impl Program {
    fn new(xen: LibxlSource) -> Self {
        let executor = LocalExecutor::new();
        let gone = Arc::new(AtomicUsize::new(0));
        let counted = gone.clone();
        xen.event_loop().on_gone(Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)));
        let (reader, writer) = pipe().unwrap();
        let fd = reader.as_raw_fd();
        let (occurred, told) = unbounded();
        let registry =
            Registry::new(xen.event_loop(), LockRule::Concurrent, current_thread, |_| Telling(reader, occurred));
        registry.register_fd(fd, Interest::IN, ClientValue(1)).unwrap();
        let mut program = Self { task: executor.spawn(xen), executor, registry, told, writer, gone };
        program.assert_served();
        program
    }

    /// The fd occurs while the executor sleeps, then a timeout, and nothing else.
    fn assert_served(&mut self) {
        let late = async {
            Timer::after(FOREVER).await;
            panic!("nothing wakes the task")
        };
        let told = async {
            self.writer.write_all(b"x").unwrap();
            assert_eq!(self.told.recv().await, Ok(1));
            self.registry.register_timeout(Deadline::ASAP, ClientValue(2)).unwrap();
            assert_eq!(self.told.recv().await, Ok(2));
        };
        smol::block_on(self.executor.run(or(told, late)));
        assert!(self.told.is_empty());
        assert_eq!(self.gone.load(Ordering::Relaxed), 0);
    }
}

/// Has a child do something to its copy of the program.
fn child(act: impl FnOnce(Program)) {
    let mut program = Some(Program::new(LibxlSource::new().unwrap()));
    in_forked_child(|| act(program.take().unwrap()));
    program.unwrap().assert_served();
}

#[test]
fn an_executor_and_a_registry_that_a_child_drops_go_on_in_the_parent() {
    child(|program| {
        let Program { task, executor, registry, gone, .. } = program;
        let event_loop = registry.event_loop().clone();
        drop((registry, executor, task));
        assert_eq!(gone.load(Ordering::Relaxed), 0, "it is not the child's to end");
        assert_eq!(Arc::strong_count(&event_loop), 1, "its fds can be closed there");
    });
}

#[test]
fn a_loop_that_a_child_polls_resolves_there_and_goes_on_in_the_parent() {
    let mut xen = Some(LibxlSource::new().unwrap());
    in_forked_child(|| {
        let resolved = block_on(poll_once(xen.take().unwrap()));
        assert_eq!(resolved, Some(LoopError::Forked));
    });
    Program::new(xen.unwrap());
}

#[test]
fn a_loop_in_a_thread_local_goes_on_in_the_parent_when_a_child_exits() {
    thread_local!(static HELD: RefCell<Option<Program>> = const { RefCell::new(None) });
    HELD.set(Some(Program::new(LibxlSource::new().unwrap())));
    // exit(3) drops it there.
    in_forked_child(|| {});
    HELD.take().unwrap().assert_served();
}
