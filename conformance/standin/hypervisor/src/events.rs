//! What tells other processes that a domain has started or ended.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Two descriptors, from which 8 bytes are read for what was announced.
#[derive(Debug)]
pub(crate) struct Events {
    ends: Option<OwnedFd>,
    starts: Option<OwnedFd>,
}

impl Events {
    /// Eventfds, which forked children inherit. Where there are no descriptors left, nothing is announced.
    pub(crate) fn anonymous() -> Self {
        let eventfd = || {
            // SAFETY: takes no pointer.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
            // SAFETY: it was opened just now, and nobody else has it.
            (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
        };
        Self { ends: eventfd(), starts: eventfd() }
    }

    /// FIFOs beside that file.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let fifo = |suffix: &str| -> io::Result<OwnedFd> {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            let name = CString::new(path.as_bytes())?;
            // Another process may have made it.
            // SAFETY: a C string.
            if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } != 0 {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(error);
                }
            }
            // For reading, too: so it can be opened without a reader, and has no end.
            Ok(File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?.into())
        };
        Ok(Self { ends: Some(fifo(".ends")?), starts: Some(fifo(".starts")?) })
    }

    pub(crate) fn ends(&self) -> Option<BorrowedFd<'_>> {
        self.ends.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn starts(&self) -> Option<BorrowedFd<'_>> {
        self.starts.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn ended(&self) {
        announce(self.ends.as_ref());
    }

    pub(crate) fn started(&self) {
        announce(self.starts.as_ref());
    }
}

fn announce(fd: Option<&OwnedFd>) {
    let Some(fd) = fd else { return };
    let one = 1u64.to_ne_bytes();
    // It can only be full where nobody reads; what it says then is still true.
    // SAFETY: the buffer is 8 bytes long and outlives the call.
    unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}
