//! The other side of a migration: its two fds, and what is said over them.
//!
//! | from | message | |
//! |---|---|---|
//! | target | [`READY`] | without a NUL byte; the others have one |
//! | source | | the header and the stream of a save file |
//! | target | [`RECEIVED`] | |
//! | source | [`GO`] | |
//! | target | [`REPORT`] | and a byte: 0 if the domain runs |
//! | target | [`GO`] | unless it was 0: the source has the domain again |

use crate::error::Error;
use crate::migration::course::{Course, poll, waits};
use crate::migration_state::PeerFault;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

pub(crate) const READY: &[u8] = b"xl migration receiver ready, send binary domain data.\n";
pub(crate) const RECEIVED: &[u8] = b"domain received, ready to unpause\0";
pub(crate) const GO: &[u8] = b"domain is yours, you are cleared to unpause\0";
pub(crate) const REPORT: &[u8] = b"my copy unpause results are as follows\0";

/// How long a message that decides where the domain runs is waited for after an abort.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Peer<'a> {
    to: File,
    from: File,
    course: &'a Course,
    /// How long an abort is not heeded.
    patience: Duration,
    /// Whether each of both was blocking, and is to be again: others may have the same open file.
    blocking: [bool; 2],
}

impl<'a> Peer<'a> {
    pub(crate) fn new(course: &'a Course, to: OwnedFd, from: OwnedFd) -> Result<Self, Error> {
        let cannot = |reason| Error::Io { doing: "use the connection to the peer", reason };
        let blocking = [set_blocking(&to, false).map_err(cannot)?, set_blocking(&from, false).map_err(cannot)?];
        Ok(Self { to: to.into(), from: from.into(), course, patience: Duration::ZERO, blocking })
    }

    /// From now on what is said decides where the domain runs: an abort does not end the wait for it at once.
    pub(crate) fn be_patient(&mut self) {
        self.patience = PATIENCE;
    }

    pub(crate) fn to(&self) -> RawFd {
        self.to.as_raw_fd()
    }

    pub(crate) fn from(&self) -> RawFd {
        self.from.as_raw_fd()
    }

    /// Writes a message. After an error the peer has not got the whole of it.
    pub(crate) fn say(&mut self, message: &[u8], waited_for: &'static str) -> Result<(), Error> {
        let mut said = 0;
        while said < message.len() {
            said += self.write(&message[said..]).map_err(|error| self.error(waited_for, error))?;
        }
        Ok(())
    }

    /// Reads this message.
    pub(crate) fn expect(&mut self, message: &[u8], waited_for: &'static str) -> Result<(), Error> {
        let mut heard = Vec::new();
        while heard.len() < message.len() {
            let mut bytes = [0; 64];
            let wanted = (message.len() - heard.len()).min(bytes.len());
            let length = match self.read(&mut bytes[..wanted]) {
                Ok(0) if heard.is_empty() => return Err(Error::Peer { waited_for, fault: PeerFault::Gone }),
                Ok(length) => length,
                Err(error) => return Err(self.error(waited_for, error)),
            };
            heard.extend(&bytes[..length]);
            if length == 0 || !message.starts_with(&heard) {
                return Err(Error::Peer { waited_for, fault: PeerFault::Said(self.rest_of(heard)) });
            }
        }
        Ok(())
    }

    /// Reads one byte.
    pub(crate) fn expect_byte(&mut self, waited_for: &'static str) -> Result<u8, Error> {
        let mut byte = [0];
        match self.read(&mut byte) {
            Ok(0) => Err(Error::Peer { waited_for, fault: PeerFault::Gone }),
            Ok(_) => Ok(byte[0]),
            Err(error) => Err(self.error(waited_for, error)),
        }
    }

    /// The error for what reading or writing returned.
    pub(crate) fn error(&mut self, waited_for: &'static str, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::TimedOut => self.course.aborted(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.has_left(waited_for),
            _ => Error::Io { doing: "talk to the peer", reason: error },
        }
    }

    /// The error for its leaving, with what it said at last.
    pub(crate) fn has_left(&mut self, waited_for: &'static str) -> Error {
        let text = self.rest_of(Vec::new());
        Error::Peer { waited_for, fault: if text.is_empty() { PeerFault::Gone } else { PeerFault::Said(text) } }
    }

    /// To read and write without waiting.
    pub(crate) fn unwaiting(&mut self) -> Unwaiting<'_> {
        Unwaiting { to: &self.to, from: &self.from }
    }

    /// What else there is to read now, as text.
    fn rest_of(&mut self, mut heard: Vec<u8>) -> String {
        const ENOUGH: usize = 400;
        let mut bytes = [0; ENOUGH];
        while heard.len() < ENOUGH
            && let Ok(length @ 1..) = self.from.read(&mut bytes)
        {
            heard.extend(&bytes[..length]);
        }
        heard.truncate(ENOUGH);
        let text = String::from_utf8_lossy(&heard).replace(char::is_control, " ");
        text.trim().to_owned()
    }

    /// Waits until the fd can be used; ends with `TimedOut` if an abort has been requested for long enough.
    fn wait(&self, fd: RawFd, events: i16) -> io::Result<()> {
        loop {
            let left = match self.course.aborted_for() {
                None => None,
                Some(for_so_long) if for_so_long >= self.patience => Some(Duration::ZERO),
                Some(for_so_long) => Some(self.patience - for_so_long + Duration::from_millis(1)),
            };
            let is_over = left == Some(Duration::ZERO);
            // What has come already, or has room, is no wait; but an abort that counts at once comes before it.
            if is_over && self.patience.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut fds = [waits(fd, events), waits(self.course.abort_fd(), libc::POLLIN)];
            let watched = if left.is_none() { 2 } else { 1 };
            poll(&mut fds[..watched], left)?;
            if fds[0].revents != 0 {
                return Ok(());
            }
            if is_over {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// Both fds, which do not block.
pub(crate) struct Unwaiting<'a> {
    to: &'a File,
    from: &'a File,
}

impl Read for Unwaiting<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.from.read(bytes)
    }
}

impl Write for Unwaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Peer<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(self.from(), libc::POLLIN)?;
            match self.from.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.wait(self.to(), libc::POLLOUT)?;
            match self.to.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        for (file, was_blocking) in [&self.to, &self.from].into_iter().zip(self.blocking) {
            if was_blocking {
                // Nothing depends on it but others that have the same open file.
                let _ = set_blocking(file, true);
            }
        }
    }
}

/// Returns what it was.
pub(crate) fn set_blocking(fd: &impl AsRawFd, blocking: bool) -> io::Result<bool> {
    // SAFETY: no pointers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    let wanted = if blocking { flags & !libc::O_NONBLOCK } else { flags | libc::O_NONBLOCK };
    // SAFETY: no pointers.
    if wanted != flags && unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, wanted) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags & libc::O_NONBLOCK == 0)
}
