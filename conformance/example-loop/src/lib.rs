//! A small event loop: callbacks for readable fds, on a thread of its own.

use polling::{Event, Events, PollMode, Poller};
use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Callback = Arc<dyn Fn() + Send + Sync>;

/// The loop, which ends when it is dropped.
pub struct Loop {
    inner: Arc<Inner>,
    running: Option<JoinHandle<()>>,
}

struct Inner {
    poller: Poller,
    watches: Mutex<Watches>,
    /// Release when set, Acquire when read; the notification that follows it does the rest.
    ends: AtomicBool,
}

#[derive(Default)]
struct Watches {
    count: usize,
    callbacks: HashMap<usize, Callback>,
}

/// An fd that is watched, until this is dropped.
pub struct Watch {
    inner: Arc<Inner>,
    fd: RawFd,
    key: usize,
}

impl Loop {
    /// Starts it.
    ///
    /// # Errors
    /// No fds are left, or no threads.
    pub fn start() -> io::Result<Self> {
        let inner = Arc::new(Inner { poller: Poller::new()?, watches: Mutex::default(), ends: AtomicBool::new(false) });
        let its = inner.clone();
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || its.run())?;
        Ok(Self { inner, running: Some(running) })
    }

    /// Calls `callback` on the loop's thread while the fd is readable. The fd stays open until the watch has been dropped.
    ///
    /// # Errors
    /// The fd cannot be watched.
    pub fn watch(&self, fd: RawFd, callback: Callback) -> io::Result<Watch> {
        let key = {
            let mut watches = self.inner.watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.count += 1;
            let key = watches.count;
            watches.callbacks.insert(key, callback);
            key
        };
        let watch = Watch { inner: self.inner.clone(), fd, key };
        // SAFETY: the caller keeps the fd open as long as the watch is there, which deletes it from the poller.
        unsafe { self.inner.poller.add_with_mode(fd, Event::readable(key), PollMode::Level) }?;
        Ok(watch)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.inner.ends.store(true, Ordering::Release);
        self.inner.poller.notify().expect("a poller can be notified");
        if let Some(running) = self.running.take() {
            running.join().expect("no callback panics");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: open until this returns, as `Loop::watch` has been promised.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        // It fails where it was never added.
        let _ = self.inner.poller.delete(fd);
        self.inner.watches.lock().unwrap_or_else(PoisonError::into_inner).callbacks.remove(&self.key);
    }
}

impl Inner {
    fn run(&self) {
        let mut events = Events::new();
        while !self.ends.load(Ordering::Acquire) {
            events.clear();
            self.poller.wait(&mut events, None).expect("a poller can wait");
            for event in events.iter() {
                let callback = {
                    let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
                    watches.callbacks.get(&event.key).cloned()
                };
                // No lock is held: the callback may watch, and end watches.
                callback.into_iter().for_each(|callback| callback());
            }
        }
    }
}
