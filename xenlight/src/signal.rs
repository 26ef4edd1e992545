use crate::reach::is_lack_of_fds;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An eventfd: raised from any thread, readable until cleared.
pub(crate) struct Signal(OwnedFd);

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave this fd to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes it readable. It cannot fail: the counter would have to overflow, and then it is readable.
    pub(crate) fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: `one` is 8 readable bytes, for the length of the call.
        unsafe { libc::write(self.fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable until it is raised again.
    pub(crate) fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: `count` is 8 writable bytes, for the length of the call.
        unsafe { libc::read(self.fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Whether this process can open hardly any file more, which is not what libxl says when that makes it fail. Opens some for a moment:
/// more than libxl is about to, because other threads open files, too, and where libxl finds none left it may end the process.
pub(crate) fn lacks_fds() -> bool {
    const MARGIN: usize = 16;
    let signals: Result<Vec<_>, _> = (0..MARGIN).map(|_| Signal::new()).collect();
    signals.is_err_and(|error| is_lack_of_fds(&error))
}

#[cfg(test)]
mod tests {
    use super::Signal;

    fn is_readable(signal: &Signal) -> bool {
        let mut fd = libc::pollfd { fd: signal.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, for the length of the call.
        unsafe { libc::poll(&mut fd, 1, 0) == 1 }
    }

    #[test]
    fn a_signal_is_readable_from_raise_to_clear_however_often_it_was_raised() {
        let signal = Signal::new().expect("an eventfd");
        assert!(!is_readable(&signal));
        signal.clear();
        signal.raise();
        signal.raise();
        assert!(is_readable(&signal));
        signal.clear();
        assert!(!is_readable(&signal));
    }
}
