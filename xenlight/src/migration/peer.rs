//! The other side of a migration: its two fds, and what is said over them. Where a domain is saved to a file, or restored from one, that is
//! the one fd, and nothing is said.
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
use crate::migration::course::{Course, NO_FD, poll, waits};
use crate::migration::end::End;
use crate::migration_state::PeerFault;
use crate::save_file;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;
use xenlight_sys::Release;
use xenlight_types::DomainConfig;

pub(crate) const READY: &[u8] = b"xl migration receiver ready, send binary domain data.\n";
pub(crate) const RECEIVED: &[u8] = b"domain received, ready to unpause\0";
pub(crate) const GO: &[u8] = b"domain is yours, you are cleared to unpause\0";
pub(crate) const REPORT: &[u8] = b"my copy unpause results are as follows\0";

/// What is done with its fds.
const TALKING: &str = "talk to the peer";
const WRITING: &str = "write the saved domain";
const READING: &str = "read the saved domain";

/// How long a message that decides where the domain runs is waited for after an abort.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Peer<'a> {
    to: Option<End>,
    from: Option<End>,
    course: &'a Course,
    /// How long an abort is not heeded.
    patience: Duration,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(course: &'a Course, to: OwnedFd, from: OwnedFd) -> Result<Self, Error> {
        let [to, from] = [End::new(to, TALKING)?, End::new(from, TALKING)?];
        Ok(Self { to: Some(to), from: Some(from), course, patience: Duration::ZERO })
    }

    /// One that only reads.
    pub(crate) fn reader(course: &'a Course, to: OwnedFd) -> Result<Self, Error> {
        Ok(Self { to: Some(End::new(to, WRITING)?), from: None, course, patience: Duration::ZERO })
    }

    /// One that only writes.
    pub(crate) fn writer(course: &'a Course, from: OwnedFd) -> Result<Self, Error> {
        Ok(Self { to: None, from: Some(End::new(from, READING)?), course, patience: Duration::ZERO })
    }

    /// From now on what is said decides where the domain runs: an abort does not end the wait for it at once.
    pub(crate) fn be_patient(&mut self) {
        self.patience = PATIENCE;
    }

    pub(crate) fn to(&self) -> RawFd {
        fd(&self.to)
    }

    pub(crate) fn from(&self) -> RawFd {
        fd(&self.from)
    }

    /// Writes what is before a stream.
    pub(crate) fn send_header(&mut self, config: &DomainConfig, release: Release) -> Result<(), Error> {
        save_file::write_header(self, &config.to_json(), release).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => Error::Io { doing: "send the configuration", reason: error },
            _ => self.error("the configuration", error),
        })
    }

    /// Reads the configuration, and the beginning of the stream where it has to be looked at.
    pub(crate) fn read_header(&mut self, release: Release) -> Result<(DomainConfig, Vec<u8>), Error> {
        let read = |peer: &mut Self| {
            let config = save_file::read_header(peer, release)?;
            let head = if save_file::is_v2(release) { save_file::read_head(peer)?.to_vec() } else { Vec::new() };
            Ok((config, head))
        };
        read(self).map_err(|error| match error {
            Error::Io { .. } if self.course.is_aborted() => self.course.aborted(),
            Error::Io { reason, .. } => self.error("the source's configuration", reason),
            error => error,
        })
    }

    /// Writes a message. After an error the peer has not got the whole of it.
    pub(crate) fn say(&mut self, message: &[u8], waited_for: &'static str) -> Result<(), Error> {
        self.write_all(message).map_err(|error| self.error(waited_for, error))
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
    pub(crate) fn error(&self, waited_for: &'static str, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::TimedOut => self.course.aborted(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.has_left(waited_for),
            _ => Error::Io { doing: self.one_way().unwrap_or(TALKING), reason: error },
        }
    }

    /// What is done where nothing is said.
    fn one_way(&self) -> Option<&'static str> {
        match (&self.to, &self.from) {
            (Some(_), None) => Some(WRITING),
            (None, Some(_)) => Some(READING),
            _ => None,
        }
    }

    /// The error for its leaving, with what it said at last.
    pub(crate) fn has_left(&self, waited_for: &'static str) -> Error {
        if let Some(doing) = self.one_way() {
            return Error::Io { doing, reason: io::ErrorKind::BrokenPipe.into() };
        }
        let text = self.rest_of(Vec::new());
        Error::Peer { waited_for, fault: if text.is_empty() { PeerFault::Gone } else { PeerFault::Said(text) } }
    }

    /// Reads what has come.
    pub(crate) fn read_now(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.from.as_ref().map_or(Err(io::ErrorKind::NotConnected.into()), |from| from.read_now(bytes))
    }

    /// Writes what there is room for.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.to.as_ref().map_or(Err(io::ErrorKind::NotConnected.into()), |to| to.write_now(bytes))
    }

    /// Waits until what was written to a file is on its disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let synced = self.to.as_ref().map_or(Ok(()), End::sync);
        synced.map_err(|reason| Error::Io { doing: WRITING, reason })
    }

    /// What else there is to read now, as text.
    fn rest_of(&self, mut heard: Vec<u8>) -> String {
        const ENOUGH: usize = 400;
        let mut bytes = [0; ENOUGH];
        while heard.len() < ENOUGH
            && let Ok(length @ 1..) = self.read_now(&mut bytes)
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

impl Read for Peer<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(self.from(), libc::POLLIN)?;
            match self.read_now(bytes) {
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
            match self.write_now(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An fd that poll(2) skips, if there is none.
fn fd(end: &Option<End>) -> RawFd {
    end.as_ref().map_or(NO_FD, End::as_raw_fd)
}
