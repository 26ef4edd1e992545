//! What the fds of a script are open on.

use super::script::FileKind;
#[cfg(doc)]
use crate::contract::*;
use crate::files::PacketTerminal;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// An fd that libxl may watch, and the other end that makes it ready.
pub(super) struct File {
    pub(super) kind: FileKind,
    near: OwnedFd,
    far: Option<OwnedFd>,
}

impl File {
    pub(super) fn open(mut kind: FileKind) -> io::Result<Self> {
        let (near, far) = match kind {
            FileKind::Terminal => match PacketTerminal::open() {
                Ok(terminal) => {
                    let (master, slave) = terminal.into_sides();
                    (master, Some(slave))
                }
                Err(error) => {
                    // Where there are none, priority input is not tried.
                    log::debug!("no pseudo-terminal: {error:#}");
                    kind = FileKind::PipeReader;
                    let (read, write) = io::pipe()?;
                    (OwnedFd::from(read), Some(OwnedFd::from(write)))
                }
            },
            FileKind::PipeReader => {
                let (read, write) = io::pipe()?;
                (OwnedFd::from(read), Some(OwnedFd::from(write)))
            }
            FileKind::PipeWriter => {
                let (read, write) = io::pipe()?;
                (OwnedFd::from(write), Some(OwnedFd::from(read)))
            }
            FileKind::Socket => {
                let (near, far) = UnixStream::pair()?;
                (near.into(), Some(far.into()))
            }
            FileKind::Event => {
                // SAFETY: takes no pointers; the fd it returns is nobody else's.
                let near = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
                if near < 0 {
                    return Err(io::Error::last_os_error());
                }
                // SAFETY: just made, so ours to close.
                (unsafe { OwnedFd::from_raw_fd(near) }, None)
            }
            FileKind::Regular => (tempfile::tempfile()?.into(), None),
            FileKind::Null => (std::fs::File::options().read(true).write(true).open("/dev/null")?.into(), None),
        };
        for fd in std::iter::once(&near).chain(&far) {
            // SAFETY: takes no pointers; the fd is open.
            if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK | libc::O_RDWR) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Self { kind, near, far })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.near.as_raw_fd()
    }

    /// Closes the fd and opens something else with the same number, at once ([R8]).
    pub(super) fn replace(&mut self, kind: FileKind) -> io::Result<()> {
        let new = Self::open(kind)?;
        // SAFETY: takes no pointers. Both are open, and the number of the second one stays ours.
        if unsafe { libc::dup3(new.near.as_raw_fd(), self.near.as_raw_fd(), libc::O_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        (self.kind, self.far) = (new.kind, new.far);
        Ok(())
    }

    /// Makes a reader readable, and gives a terminal priority input; fills up a pipe that is watched for writing.
    pub(super) fn write(&self, bytes: u16) {
        match (self.kind, &self.far) {
            (FileKind::Event, _) => write(&self.near, &1_u64.to_ne_bytes()),
            (FileKind::Terminal, Some(far)) => {
                // SAFETY: takes no pointers; the fd is open.
                unsafe { libc::tcflush(far.as_raw_fd(), libc::TCIOFLUSH) };
            }
            (FileKind::PipeWriter, _) => write(&self.near, &vec![0; usize::from(bytes)]),
            (_, Some(far)) => write(far, &vec![0; usize::from(bytes)]),
            (_, None) => {}
        }
    }

    /// Takes what is there: from the pipe that is watched for writing, from its far end.
    pub(super) fn read(&self, bytes: u16) {
        match (self.kind, &self.far) {
            (_, _) if bytes == 0 => {}
            (FileKind::Event, _) => read(&self.near, 8),
            (FileKind::PipeWriter, Some(far)) => read(far, bytes),
            (FileKind::PipeReader | FileKind::Socket | FileKind::Terminal, _) => read(&self.near, bytes),
            _ => {}
        }
    }

    /// The far end is closed.
    pub(super) fn hang_up(&mut self) {
        self.far = None;
    }
}

/// Errors are a full pipe, or a far end that is gone: both are what a script may be about.
fn write(fd: &OwnedFd, bytes: &[u8]) {
    // SAFETY: the fd is open, and `bytes` outlives the call.
    unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
}

/// As above, and an empty pipe.
fn read(fd: &OwnedFd, bytes: u16) {
    let mut buffer = vec![0_u8; usize::from(bytes)];
    // SAFETY: the fd is open, and `buffer` is ours and as long as is said.
    unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
}
