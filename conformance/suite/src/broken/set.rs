//! An epoll set in the place of poll(2), for the hosts whose fault is how they keep one.
//!
//! The kernel is told at the beginning of a turn what has changed since the last: an fd can have been deregistered, closed, and its
//! number registered for another file meanwhile.

use super::fault::Fault;
use super::turn;
use anyhow::ensure;
use std::collections::HashMap;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub(super) struct Set {
    fault: Fault,
    epoll: OwnedFd,
    /// What the kernel was told, by number.
    told: HashMap<RawFd, Wanted>,
    /// What it refuses.
    always_ready: Vec<RawFd>,
}

/// What is asked of a number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The union of the interests.
    pub(super) events: i16,
    /// Which registration is its newest.
    pub(super) newest: u64,
}

impl Set {
    /// Where the fault needs one.
    pub(super) fn of(fault: Option<Fault>) -> anyhow::Result<Option<Self>> {
        let Some(fault @ (Fault::SkipsSameUnion | Fault::DeletesLate | Fault::NotAdopted)) = fault else {
            return Ok(None);
        };
        // SAFETY: no pointers.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        ensure!(epoll >= 0, "epoll_create1: {}", Error::last_os_error());
        // SAFETY: the kernel has just given it to nobody else.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        Ok(Some(Self { fault, epoll, told: HashMap::new(), always_ready: Vec::new() }))
    }

    /// Tells the kernel.
    pub(super) fn update(&mut self, wanted: &HashMap<RawFd, Wanted>) {
        let gone: Vec<_> = self.told.keys().filter(|fd| !wanted.contains_key(fd)).copied().collect();
        for fd in gone {
            self.told.remove(&fd);
            self.always_ready.retain(|other| *other != fd);
            // Late: it may have been closed.
            let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0);
        }
        for (&fd, &now) in wanted {
            let before = self.told.insert(fd, now);
            let same = before.is_some_and(|before| before.events == now.events);
            if before == Some(now) || (same && self.fault == Fault::SkipsSameUnion) {
                continue;
            }
            let first = if before.is_some() { libc::EPOLL_CTL_MOD } else { libc::EPOLL_CTL_ADD };
            let mut result = self.control(first, fd, now.events);
            if result == Err(libc::ENOENT) {
                result = self.control(libc::EPOLL_CTL_ADD, fd, now.events);
            }
            if result == Err(libc::EEXIST) && self.fault != Fault::NotAdopted {
                result = self.control(libc::EPOLL_CTL_MOD, fd, now.events);
            }
            self.always_ready.retain(|other| *other != fd);
            if result == Err(libc::EPERM) && now.events & (libc::POLLIN | libc::POLLOUT) != 0 {
                self.always_ready.push(fd);
            }
        }
    }

    /// Waits, and says of each fd what it is ready for.
    pub(super) fn wait(&self, fds: &mut [libc::pollfd], ms: i32) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        let ms = if self.always_ready.is_empty() { ms } else { 0 };
        // SAFETY: an array of our own, for the length of the call.
        let ready = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, ms) };
        for event in events.iter().take(usize::try_from(ready).unwrap_or(0)) {
            let (number, ready) = (event.u64, event.events as i16);
            for polled in fds.iter_mut().filter(|polled| i64::from(polled.fd) as u64 == number) {
                polled.revents = ready & (polled.events | turn::ALWAYS);
            }
        }
        for polled in fds.iter_mut().filter(|polled| self.always_ready.contains(&polled.fd)) {
            polled.revents = polled.events & (libc::POLLIN | libc::POLLOUT);
        }
    }

    fn control(&self, change: i32, fd: RawFd, events: i16) -> Result<(), i32> {
        let mut event = libc::epoll_event { events: u32::from(events.cast_unsigned()), u64: i64::from(fd) as u64 };
        // SAFETY: one event of our own, for the length of the call.
        let done = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), change, fd, &mut event) };
        if done == 0 { Ok(()) } else { Err(Error::last_os_error().raw_os_error().unwrap_or(0)) }
    }
}
