//! The few system calls of the reactor. Errors are errnos.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

pub(crate) use libc::epoll_event as EpollEvent;

/// An event buffer's filling before the kernel writes to it.
pub(crate) const NO_EVENT: EpollEvent = EpollEvent { events: 0, u64: 0 };

/// What to do with an fd in an epoll set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Add,
    Modify,
    Delete,
}

/// An empty epoll set, close-on-exec.
pub(crate) fn new_epoll() -> Result<OwnedFd, i32> {
    // SAFETY: takes no pointers.
    owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// A disarmed timer on the monotonic clock, close-on-exec.
pub(crate) fn new_timer() -> Result<OwnedFd, i32> {
    // SAFETY: takes no pointers.
    owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) })
}

/// A file that is readable for ever, close-on-exec.
pub(crate) fn new_signal() -> Result<OwnedFd, i32> {
    // SAFETY: takes no pointers.
    owned(unsafe { libc::eventfd(1, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })
}

/// Changes what `epoll` watches of `fd`, which may be any number: poll(2)'s bits, and the data that its events carry.
pub(crate) fn control(epoll: BorrowedFd<'_>, change: Change, fd: RawFd, bits: i16, data: u64) -> Result<(), i32> {
    let op = match change {
        Change::Add => libc::EPOLL_CTL_ADD,
        Change::Modify => libc::EPOLL_CTL_MOD,
        Change::Delete => libc::EPOLL_CTL_DEL,
    };
    // Linux gives EPOLLIN and its like the values of POLLIN and its like.
    let mut event = EpollEvent { events: u32::from(bits.cast_unsigned()), u64: data };
    // SAFETY: `event` is ours and outlives the call, which is all that the kernel wants of it.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), op, fd, &raw mut event) }).map(|_| ())
}

/// Collects events that are there already; how many. Never waits.
pub(crate) fn collect(epoll: BorrowedFd<'_>, events: &mut [EpollEvent]) -> Result<usize, i32> {
    let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
    // SAFETY: the kernel writes at most `room` events, and `events` is exclusively ours for the call.
    let filled = uninterrupted(|| unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, 0) })?;
    Ok(filled.unsigned_abs() as usize)
}

/// Sets the timer to `at`, nanoseconds of the monotonic clock, or disarms it. Either way it is not readable any more,
/// until it fires: at once, for a time that has passed.
pub(crate) fn set_timer(timer: BorrowedFd<'_>, at: Option<u64>) -> Result<(), i32> {
    const NEVER: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let value = at.map_or(NEVER, |at| {
        // All zero would disarm it.
        let at = at.max(1);
        libc::timespec {
            tv_sec: libc::time_t::try_from(at / 1_000_000_000).unwrap_or(libc::time_t::MAX),
            tv_nsec: (at % 1_000_000_000) as libc::c_long,
        }
    });
    let setting = libc::itimerspec { it_interval: NEVER, it_value: value };
    // SAFETY: `setting` outlives the call; the old setting is not asked for.
    let result = unsafe {
        libc::timerfd_settime(timer.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &raw const setting, ptr::null_mut())
    };
    check(result).map(|_| ())
}

/// Waits until one of the two fds has something to read, or an error; poll(2)'s answers for both. A negative fd is never
/// ready.
pub(crate) fn wait_for_either(a: RawFd, b: RawFd) -> Result<[i16; 2], i32> {
    let mut fds = [a, b].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: an array of two, exclusively ours for the call.
    uninterrupted(|| unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) })?;
    Ok(fds.map(|fd| fd.revents))
}

/// poll(2)'s answer for one fd, now.
pub(crate) fn look(fd: RawFd, bits: i16) -> Result<i16, i32> {
    let mut fd = libc::pollfd { fd, events: bits, revents: 0 };
    // SAFETY: one pollfd, exclusively ours for the call.
    uninterrupted(|| unsafe { libc::poll(&raw mut fd, 1, 0) }).map(|_| fd.revents)
}

/// This process's number.
pub(crate) fn pid() -> libc::pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::getpid() }
}

/// A word, zero, in a page that the kernel clears in each child that it forks; mapped for ever. `None` where it cannot
/// do that.
pub(crate) fn new_word_cleared_by_fork() -> Option<NonNull<AtomicU64>> {
    // The kernel makes a page of it, here and below.
    const SIZE: usize = size_of::<AtomicU64>();
    const ACCESS: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;
    const KIND: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: asks for a new mapping, which replaces none.
    let page = unsafe { libc::mmap(ptr::null_mut(), SIZE, ACCESS, KIND, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page is ours, and nobody has used it.
    if unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above.
        unsafe { libc::munmap(page, SIZE) };
        return None;
    }
    NonNull::new(page.cast())
}

/// Nanoseconds of the clock that never steps.
pub(crate) fn monotonic() -> u64 {
    now(libc::CLOCK_MONOTONIC).cast_unsigned()
}

/// Nanoseconds since 1970, of the clock that deadlines are stamped by.
pub(crate) fn wall() -> i64 {
    now(libc::CLOCK_REALTIME)
}

fn now(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours. The call cannot fail: every Linux has both clocks.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    // c_long and time_t are 32 bits wide on some architectures.
    #[allow(clippy::useless_conversion)]
    i64::from(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}

fn owned(result: libc::c_int) -> Result<OwnedFd, i32> {
    // SAFETY: the kernel has just made this fd for us; nobody else knows its number.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes the call again when a signal has interrupted it, which says nothing of what was asked.
fn uninterrupted(mut call: impl FnMut() -> libc::c_int) -> Result<libc::c_int, i32> {
    loop {
        match check(call()) {
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}

fn check(result: libc::c_int) -> Result<libc::c_int, i32> {
    if result < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_made_until_no_signal_interrupts_it() {
        for end in [Ok(0), Ok(3), Err(libc::EBADF)] {
            let mut results = [Err(libc::EINTR), Err(libc::EINTR), end].into_iter();
            let call = || {
                results.next().expect("it has ended").unwrap_or_else(|errno| {
                    // SAFETY: this thread's errno, which is a plain number.
                    unsafe { *libc::__errno_location() = errno };
                    -1
                })
            };
            assert_eq!(uninterrupted(call), end);
            assert_eq!(results.next(), None);
        }
    }
}
