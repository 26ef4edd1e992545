//! A part of a test in a forked child (X7).

use crate::{Count, Hosted};
use osevent_core::{ClientValue, EventLoop, Interest};
use std::cell::RefCell;
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Held for the whole of a test whose child takes locks that other tests' threads take, GLib's own say: a child gets
/// them as they were at its fork, and waits for ever for one that another thread held.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `act`, with the copy that a forked child has of everything, then ends the child with exit(3), which runs the
/// destructors of thread locals. A panic there is one here.
pub fn in_forked_child(act: impl FnOnce()) {
    // SAFETY: the child only does what the test is about, and never returns from here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // One that waits for ever does not stay.
        // SAFETY: takes no pointers.
        unsafe { libc::alarm(20) };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        // Not std's, which first takes a lock that a test's thread that starts or ends may hold at the fork.
        // SAFETY: no other thread is in this process that could call it, too.
        unsafe { libc::exit(if done.is_ok() { 0 } else { 1 }) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: our own child, not waited for yet; `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child's wait status");
}

/// A program of a loop, and a client on it that a forked child's doings must not harm.
pub trait Forked {
    /// One that has been served.
    fn start() -> Self
    where
        Self: Sized;

    /// Its client.
    fn client(&self) -> &PipeClient;

    /// Has an fd and a timeout of the client occur, and nothing else ([`PipeClient::assert_served`]).
    fn assert_served(&mut self);
}

/// A client with a pipe, which it reads.
pub struct PipeClient {
    hosted: Hosted,
    writer: PipeWriter,
    gone: Count,
}

impl PipeClient {
    /// The value of what the pipe has.
    pub const FD: u64 = 1;
    /// The value of a timeout.
    pub const TIMEOUT: u64 = 2;

    /// One on `event_loop` that does `act`, with the value, in each occurrence.
    pub fn on(event_loop: Arc<dyn EventLoop>, act: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let gone = Count::of_gone(&*event_loop);
        let (reader, writer) = pipe().unwrap();
        let fd = reader.as_raw_fd();
        let hosted = Hosted::new(event_loop, move |value| {
            if value == Self::FD {
                (&reader).read_exact(&mut [0]).unwrap();
            }
            act(value);
        });
        hosted.registry.register_fd(fd, Interest::IN, ClientValue(Self::FD)).unwrap();
        Self { hosted, writer, gone }
    }

    /// Its pipe is readable.
    pub fn write(&self) {
        (&self.writer).write_all(b"x").unwrap();
    }

    /// A timeout of its is due.
    pub fn due(&self) {
        self.hosted.due(Self::TIMEOUT);
    }

    /// The loop that it is on.
    pub fn event_loop(&self) -> &Arc<dyn EventLoop> {
        self.hosted.registry.event_loop()
    }

    /// How often that has said that it is gone.
    pub fn gone(&self) -> &Count {
        &self.gone
    }

    /// What has occurred since this was last asked.
    pub fn take_log(&self) -> Vec<u64> {
        self.hosted.take_log()
    }

    /// The pipe and a timeout have occurred since [`take_log`](Self::take_log), once each and nothing else, and the loop is there.
    pub fn assert_served(&self) {
        let mut log = self.take_log();
        log.sort_unstable();
        assert_eq!(log, [Self::FD, Self::TIMEOUT]);
        assert_eq!(self.gone.get(), 0);
    }
}

/// Has a child do something to its copy of a program, which goes on in the parent.
pub fn in_a_child<P: Forked>(act: impl FnOnce(P)) {
    let mut program = Some(P::start());
    in_forked_child(|| act(program.take().unwrap()));
    program.unwrap().assert_served();
}

/// X7: a program that a child drops goes on in the parent, and leaves nothing in the child.
pub fn what_a_child_drops_goes_on_in_the_parent<P: Forked>() {
    in_a_child(|program: P| {
        let (event_loop, gone) = (program.client().event_loop().clone(), program.client().gone().clone());
        drop(program);
        assert_eq!(gone.get(), 0, "it is not the child's to end");
        assert_eq!(Arc::strong_count(&event_loop), 1, "its fds can be closed there");
    });
}

/// X7: a program in a thread local goes on in the parent though exit(3) has dropped it in a child.
pub fn what_a_thread_local_holds_goes_on_in_the_parent_when_a_child_exits<P: Forked + 'static>() {
    thread_local!(static HELD: RefCell<Option<Box<dyn Forked>>> = const { RefCell::new(None) });
    HELD.set(Some(Box::new(P::start())));
    in_forked_child(|| {});
    HELD.take().unwrap().assert_served();
}
