//! Hosts that are wrong in one way each: a right one, with somebody in between.

use crate::boundary::{Client, Hooks, Hosting, Integration, Rule, WallTime};
use crate::hosts::EpollHost;
use crate::integration::CoreIntegration;
use parking_lot::{Condvar, Mutex};
use std::os::fd::RawFd;
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    TimeoutTwice,
    /// An fd occurs once more, after the call in which it was deregistered.
    LateFd,
    /// `{0,0}` does nothing.
    LostCancel,
    EarlyTimeout,
    DuplicatedFd,
    OccurrenceInHook,
    /// The gate is not closed before the ctx is freed: something occurs afterwards.
    OccurrenceAfterFree,
    RegularFileRefused,
    /// An fd without interest stays in the set.
    EmptyInterestWatched,
    /// An fd occurs once until it is modified.
    EdgeTriggered,
    /// As that, and nothing occurs before the model has looked what is ready: calls 1 and 2 are its own and the script's, 3 is that look.
    LateEdge,
    /// Hooks and occurrences take the same lock.
    LockAcrossOccurrence,
    /// In 4.2: POLLHUP is passed on as it is.
    BareHangUp,
}

/// That host.
pub(super) struct WrongIntegration {
    inner: CoreIntegration,
    wrong: Wrong,
}

impl WrongIntegration {
    pub(super) fn new(wrong: Wrong) -> Self {
        Self { inner: CoreIntegration::new(Box::new(EpollHost::start().expect("a loop"))), wrong }
    }
}

impl Integration for WrongIntegration {
    fn host(&self, client: Arc<dyn Client>, rule: Rule) -> anyhow::Result<Arc<dyn Hosting>> {
        let between = Arc::new(Between {
            wrong: self.wrong,
            client,
            hosting: OnceLock::new(),
            memory: Mutex::default(),
            lock: Mutex::new(()),
            calls: Mutex::default(),
            called: Condvar::new(),
        });
        let hosting = self.inner.host(between.clone(), rule)?;
        let _ = between.hosting.set(Arc::downgrade(&hosting));
        Ok(Arc::new(BetweenHosting { between, hosting }))
    }

    fn thread(&self) -> ThreadId {
        self.inner.thread()
    }
}

/// On the way to the client.
struct Between {
    wrong: Wrong,
    client: Arc<dyn Client>,
    hosting: OnceLock<std::sync::Weak<dyn Hosting>>,
    memory: Mutex<Memory>,
    lock: Mutex<()>,
    /// How many of the application's have returned.
    calls: Mutex<usize>,
    called: Condvar,
}

#[derive(Default)]
struct Memory {
    /// Fd, handle and value of what is registered.
    fds: Vec<(RawFd, u64, u64)>,
    /// Fd and value of what was deregistered in this call.
    late: Vec<(RawFd, u64)>,
    /// Values that have occurred since they were registered or modified.
    edges: Vec<u64>,
    /// The last that occurred.
    last: Option<(RawFd, u64)>,
}

impl Client for Between {
    fn occurred_fd(&self, value: u64, fd: RawFd, events: i16, revents: i16) {
        self.memory.lock().last = Some((fd, value));
        if self.wrong == Wrong::LateEdge {
            self.called.wait_while(&mut self.calls.lock(), |calls| *calls < 3);
        }
        match self.wrong {
            Wrong::DuplicatedFd => self.client.occurred_fd(value, fd + 1000, events, revents),
            Wrong::EdgeTriggered | Wrong::LateEdge => {
                let first = {
                    let mut memory = self.memory.lock();
                    let first = !memory.edges.contains(&value);
                    memory.edges.push(value);
                    first
                };
                if first {
                    self.client.occurred_fd(value, fd, events, revents);
                } else {
                    // Not to spin: the loop below is level-triggered.
                    std::thread::yield_now();
                }
            }
            Wrong::LockAcrossOccurrence => {
                let _held = self.lock.lock();
                self.client.occurred_fd(value, fd, events, revents);
            }
            Wrong::BareHangUp if revents & (libc::POLLHUP | libc::POLLERR) != 0 => {
                self.client.occurred_fd(value, fd, events, revents & !(libc::POLLIN | libc::POLLOUT));
            }
            _ => self.client.occurred_fd(value, fd, events, revents),
        }
    }

    fn occurred_timeout(&self, value: u64) {
        self.client.occurred_timeout(value);
        if self.wrong == Wrong::TimeoutTwice {
            self.client.occurred_timeout(value);
        }
    }

    fn free(&self) {
        self.client.free();
        if self.wrong == Wrong::OccurrenceAfterFree {
            let last = self.memory.lock().last;
            if let Some((fd, value)) = last {
                self.client.occurred_fd(value, fd, libc::POLLIN, libc::POLLIN);
            }
        }
    }
}

/// On the way to the host.
struct BetweenHosting {
    between: Arc<Between>,
    hosting: Arc<dyn Hosting>,
}

impl Hooks for BetweenHosting {
    fn fd_register(&self, fd: RawFd, handle: &mut u64, events: i16, value: u64) -> i32 {
        let between = &self.between;
        let events = match between.wrong {
            Wrong::RegularFileRefused if is_regular(fd) => return libc::EPERM,
            Wrong::EmptyInterestWatched if events == 0 => libc::POLLIN,
            _ => events,
        };
        let _held = (between.wrong == Wrong::LockAcrossOccurrence).then(|| between.lock.lock());
        let code = self.hosting.fd_register(fd, handle, events, value);
        let mut memory = between.memory.lock();
        memory.fds.push((fd, *handle, value));
        memory.edges.retain(|edge| *edge != value);
        drop(memory);
        if between.wrong == Wrong::OccurrenceInHook {
            between.client.occurred_fd(value, fd, events, events);
        }
        code
    }

    fn fd_modify(&self, fd: RawFd, handle: &mut u64, events: i16) -> i32 {
        let watched = self.between.wrong == Wrong::EmptyInterestWatched && events == 0;
        let code = self.hosting.fd_modify(fd, handle, if watched { libc::POLLIN } else { events });
        let mut memory = self.between.memory.lock();
        let found = memory.fds.iter().find(|(_, known, _)| known == handle).map(|(_, _, value)| *value);
        memory.edges.retain(|edge| Some(*edge) != found);
        code
    }

    fn fd_deregister(&self, fd: RawFd, handle: u64) {
        self.hosting.fd_deregister(fd, handle);
        let mut memory = self.between.memory.lock();
        let found = memory.fds.iter().position(|(_, known, _)| *known == handle).map(|at| memory.fds.remove(at));
        memory.late.extend(found.map(|(fd, _, value)| (fd, value)));
    }

    fn timeout_register(&self, handle: &mut u64, deadline: WallTime, value: u64) -> i32 {
        let early = self.between.wrong == Wrong::EarlyTimeout && deadline.0 > 0;
        let deadline = if early { (deadline.0 - 1, deadline.1) } else { deadline };
        self.hosting.timeout_register(handle, deadline, value)
    }

    fn timeout_modify(&self, handle: &mut u64, deadline: WallTime) -> i32 {
        if self.between.wrong == Wrong::LostCancel { 0 } else { self.hosting.timeout_modify(handle, deadline) }
    }

    fn timeout_deregister(&self, handle: u64) {
        if self.between.wrong != Wrong::LostCancel {
            self.hosting.timeout_deregister(handle);
        }
    }
}

impl Hosting for BetweenHosting {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        let called = self.hosting.call(call);
        *self.between.calls.lock() += 1;
        self.between.called.notify_all();
        if self.between.wrong == Wrong::LateFd {
            let late = std::mem::take(&mut self.between.memory.lock().late);
            for (fd, value) in late {
                self.hosting.call(&mut || self.between.client.occurred_fd(value, fd, libc::POLLIN, libc::POLLIN));
            }
        }
        called
    }

    fn close(&self) {
        self.hosting.close();
    }
}

fn is_regular(fd: RawFd) -> bool {
    // SAFETY: all zero is a valid value of this plain struct.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is ours for the call.
    unsafe { libc::fstat(fd, &raw mut stat) };
    stat.st_mode & libc::S_IFMT == libc::S_IFREG
}
