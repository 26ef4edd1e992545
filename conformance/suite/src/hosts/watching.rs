//! Programs whose loop can watch an fd, which is enough for a reactor.

use super::{Attached, Host, Turn, survive};
use crate::patience::patience;
use anyhow::{Context, ensure};
use osevent_epoll::Reactor;
use std::any::Any;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

/// The callback of a loop for a readable fd. A late call does nothing.
pub type Readable = Arc<dyn Fn() + Send + Sync>;

/// A loop that can watch an fd for input, level-triggered, and runs on its own thread until it is dropped.
pub trait Watch: Send + Sync + 'static {
    /// Watches `fd` and calls `readable` on the loop's thread while it is readable. No lock that this method takes may be held during
    /// that call. This method is called on any thread, also inside `readable`; a sleeping loop must react at once.
    ///
    /// Dropping the returned value ends the watch. It is dropped on any thread, also inside `readable`. When the drop has returned,
    /// the fd may be closed and its number reused. The drop need not wait for a call of `readable` that has begun.
    ///
    /// # Errors
    /// The fd cannot be watched.
    fn watch(&self, fd: RawFd, readable: Readable) -> anyhow::Result<Box<dyn Any + Send + Sync>>;

    /// See [`Host::turn`]. The nested iteration calls `readable` again inside its own call, because the fd is still readable.
    fn turn(&self) -> Option<Turn> {
        None
    }
}

/// A program on a loop that implements [`Watch`]. Each attachment is a reactor whose fd the loop watches.
pub struct WatchHost {
    watches: Box<dyn Watch>,
    thread: ThreadId,
    /// `None` when it has ended.
    attached: Mutex<Option<Vec<Weak<Attachment>>>>,
}

impl WatchHost {
    /// Creates the program. To find out the thread of the loop, it lets the loop watch an fd once.
    ///
    /// # Errors
    /// The loop cannot watch the fd, or does not call back.
    pub fn start(watches: impl Watch) -> anyhow::Result<Self> {
        let (told, mut tell) = UnixStream::pair().context("no socket pair")?;
        told.set_nonblocking(true)?;
        let (sender, thread) = channel();
        let (fd, reads) = (told.as_raw_fd(), told.try_clone()?);
        let readable = move || {
            // Nothing is there when it is called once too often, and nobody may listen any more.
            let _ = (&reads).read(&mut [0]);
            let _ = sender.send(thread::current().id());
        };
        let watch = watches.watch(fd, Arc::new(readable)).context("the loop does not watch an fd")?;
        tell.write_all(b"!")?;
        let thread = thread.recv_timeout(patience());
        let thread =
            thread.with_context(|| format!("the loop did not call back for a readable fd in {:?}", patience()))?;
        drop(watch);
        Ok(Self { watches: Box::new(watches), thread, attached: Mutex::new(Some(Vec::new())) })
    }
}

impl Host for WatchHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let reactor = Reactor::new()?;
        let attachment = Arc::new(Attachment {
            reactor: reactor.clone(),
            watch: Mutex::default(),
            state: Mutex::default(),
            detached: Condvar::new(),
        });
        let dispatches = attachment.clone();
        let watch = self.watches.watch(reactor.as_raw_fd(), Arc::new(move || dispatches.dispatch()))?;
        *lock(&attachment.watch) = Some(watch);
        let detaches = Detach(attachment);
        let mut attached = lock(&self.attached);
        let all = attached.as_mut();
        // Outside of the lock `detaches` would be dropped all the same.
        ensure!(all.is_some(), "the loop has ended");
        all.into_iter().for_each(|all| all.push(Arc::downgrade(&detaches.0)));
        Ok(Attached { event_loop: reactor, detaches: Box::new(detaches) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn turn(&self) -> Option<Turn> {
        self.watches.turn()
    }

    fn end(&self) {
        let all = lock(&self.attached).take();
        let all: Vec<_> = all.into_iter().flatten().filter_map(|attachment| attachment.upgrade()).collect();
        all.iter().for_each(|attachment| attachment.end());
        // On the loop's own thread it is detached when this has returned.
        if thread::current().id() != self.thread {
            all.iter().for_each(|attachment| attachment.wait());
        }
    }
}

impl Drop for WatchHost {
    fn drop(&mut self) {
        self.end();
    }
}

struct Attachment {
    reactor: Arc<Reactor>,
    watch: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    state: Mutex<State>,
    /// With `state`: it is detached.
    detached: Condvar,
}

#[derive(Default)]
struct State {
    /// Calls of `dispatch` that have not returned: more than one where a callback runs a nested loop.
    dispatching: usize,
    ended: bool,
    detached: bool,
}

impl Attachment {
    fn dispatch(&self) {
        {
            let mut state = lock(&self.state);
            if state.ended {
                return;
            }
            state.dispatching += 1;
        }
        // A panic is the application's; like one that goes on after it, this catches it before it gets to the loop.
        survive(|| self.reactor.dispatch()).unwrap_or(Ok(0)).expect("a reactor's fds stay open");
        let mut state = lock(&self.state);
        state.dispatching -= 1;
        if state.ended && state.dispatching == 0 {
            drop(state);
            self.detach();
        }
    }

    fn detach(&self) {
        self.reactor.detach();
        lock(&self.state).detached = true;
        self.detached.notify_all();
    }

    /// The loop is gone, as far as the reactor can tell: whoever dispatches last says so.
    fn end(&self) {
        let watch = lock(&self.watch).take();
        drop(watch);
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.ended, true) && state.dispatching == 0 {
            drop(state);
            self.detach();
        }
    }

    /// Waits for whoever dispatches still.
    fn wait(&self) {
        drop(self.detached.wait_while(lock(&self.state), |state| !state.detached));
    }
}

struct Detach(Arc<Attachment>);

impl Drop for Detach {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
