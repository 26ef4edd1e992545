//! Makes the epoll fd readable for what no file in the set stands for: timers, and files that are always ready.

use crate::CreateError;
use crate::interest_set::Key;
use crate::os::{self, Change};
use osevent_core::{Interest, LoopError};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Two fds in the set: a timer, and a signal, which is readable for ever and watched only while something is due at once.
///
/// A timer set to the past would do for both, but at what it costs to take a timer interrupt: 20 to 40 µs in a virtual
/// machine, which every dom0 is, where changing the watch takes half of one.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    signal: OwnedFd,
    /// What the timer was last set to, nanoseconds of the monotonic clock.
    at: Option<u64>,
    /// Whether the signal is watched.
    is_on: bool,
}

impl Alarm {
    /// One that is off, in the set `epoll`.
    pub(crate) fn new(epoll: BorrowedFd<'_>) -> Result<Self, CreateError> {
        let timer = os::new_timer().map_err(|errno| CreateError::from_call("timerfd_create", errno))?;
        let signal = os::new_signal().map_err(|errno| CreateError::from_call("eventfd", errno))?;
        for (fd, interest) in [(&timer, Interest::IN), (&signal, Interest::NONE)] {
            os::control(epoll, Change::Add, fd.as_raw_fd(), interest.to_poll(), Key::NONE.to_data())
                .map_err(|errno| CreateError::from_call("epoll_ctl", errno))?;
        }
        Ok(Self { timer, signal, at: None, is_on: false })
    }

    /// Makes the set readable at once, or else from `at` on, nanoseconds of the monotonic clock, or never. Costs a
    /// system call only where that is a change.
    ///
    /// # Errors
    /// Only where the fds are not ours any more.
    pub(crate) fn set(&mut self, epoll: BorrowedFd<'_>, at_once: bool, at: Option<u64>) -> Result<(), LoopError> {
        // While the signal is on, what the timer does makes no difference.
        if !at_once && at != self.at {
            os::set_timer(self.timer.as_fd(), at).map_err(LoopError::Os)?;
            self.at = at;
        }
        if at_once != self.is_on {
            let interest = if at_once { Interest::IN } else { Interest::NONE };
            let signal = self.signal.as_raw_fd();
            os::control(epoll, Change::Modify, signal, interest.to_poll(), Key::NONE.to_data())
                .map_err(LoopError::Os)?;
            self.is_on = at_once;
        }
        Ok(())
    }
}
