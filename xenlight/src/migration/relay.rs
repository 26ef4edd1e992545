//! The way of the stream: between the peer and a pipe, of which libxl has the other end.
//!
//! Libxl could have the peer's fd itself, as in xl. But then the peer could end this process, by leaving or by sending something else at the
//! moment when libxl writes or reads the first bytes of the stream; and so could an abort at that moment ([E14]). Into its pipe libxl
//! always gets rid of these bytes, and out of it it always reads good ones; what comes after is the business of its helper, a process of its
//! own. Libxl never writes to a pipe that nobody reads, either, so no SIGPIPE comes to its threads. Any kind of fd will do for the
//! peer, and that the peer has left is noticed when it happens, not with the next bytes.
//!
//! The price is that each byte is copied twice more.

#[cfg(doc)]
use crate::contract::*;
use crate::error::Error;
use crate::migration::course::{Awaited, Course, poll, waits};
use crate::migration::peer::{Peer, set_blocking};
use crate::save_file;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use xenlight_types::DomainId;

/// What is copied at once, and what the pipe has room for if the kernel permits it.
const CHUNK: usize = 1 << 20;

/// An fd that poll(2) skips.
const NONE: RawFd = -1;

/// What is copied, between a read and the writes that it takes.
struct Buffer {
    bytes: Vec<u8>,
    written: usize,
    filled: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: vec![0; CHUNK], written: 0, filled: 0 }
    }

    fn is_empty(&self) -> bool {
        self.written == self.filled
    }

    fn clear(&mut self) {
        (self.written, self.filled) = (0, 0);
    }

    /// Reads once if it is empty, `Some(0)` at the end of file; `None` if there is nothing to read now, or no room.
    fn fill(&mut self, mut from: impl Read) -> io::Result<Option<usize>> {
        if !self.is_empty() {
            return Ok(None);
        }
        self.clear();
        let length = unless_it_would_block(from.read(&mut self.bytes))?;
        self.filled = length.unwrap_or(0);
        Ok(length)
    }

    /// Writes what can be written now.
    fn empty(&mut self, mut to: impl Write) -> io::Result<()> {
        while !self.is_empty()
            && let Some(length) = unless_it_would_block(to.write(&self.bytes[self.written..self.filled]))?
        {
            self.written += length;
        }
        Ok(())
    }
}

fn unless_it_would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns libxl's end and ours, which does not block; libxl writes, or reads.
pub(crate) fn pipe(libxl_writes: bool) -> Result<(File, File), Error> {
    let no_pipe = |reason| Error::Io { doing: "make a pipe", reason };
    let mut fds = [0; 2];
    // SAFETY: two writable numbers.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(no_pipe(io::Error::last_os_error()));
    }
    // SAFETY: the kernel just gave both to nobody else.
    let [read, write] = fds.map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    // SAFETY: no pointers. A refusal leaves the pipe smaller, which costs time only.
    unsafe { libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, CHUNK) };
    let (libxls, ours) = if libxl_writes { (write, read) } else { (read, write) };
    set_blocking(&ours, false).map_err(no_pipe)?;
    Ok((libxls, ours))
}

/// Sends what `save` writes into the pipe, until it is over and all is sent.
///
/// If the peer leaves or an abort is requested, `save` is aborted, but not before libxl has its helper ([E14]): it starts that once it has
/// written its own beginning of the stream, and what the helper writes shows that it runs.
pub(crate) fn send(course: &Course, mut save: Awaited<()>, pipe: File, peer: &mut Peer<'_>) -> Result<(), Error> {
    const END: &str = "the end of the transfer";
    let no_pipe = |reason| Error::Io { doing: "read the domain's state from libxl", reason };
    let mut pipe = Some(pipe);
    let mut buffer = Buffer::new();
    let mut total = 0;
    let mut result = None;
    // Why it is aborted, and whether libxl was asked to.
    let mut broken: Option<Error> = None;
    let mut is_asked = false;
    loop {
        // Before the pipe is read: what libxl has written at its end is read then.
        result = result.or_else(|| save.look());
        if broken.is_none() && course.is_aborted() {
            broken = Some(course.aborted());
        }
        if let Some(libxls) = &pipe {
            match buffer.fill(libxls).map_err(no_pipe)? {
                Some(0) => pipe = None,
                Some(length) => total += length,
                None if result.is_some() && buffer.is_empty() => pipe = None,
                None => {}
            }
        }
        if broken.is_some() {
            buffer.clear();
        } else if let Err(error) = buffer.empty(peer.unwaiting()) {
            broken = Some(peer.error(END, error));
            continue;
        }
        if broken.is_some() && !is_asked && result.is_none() && total > save_file::HEAD {
            is_asked = true;
            if save.abort().is_err() {
                // The helper fails when nobody reads. Up to 4.5, which cannot abort, it alone writes.
                pipe = None;
            }
        }
        if pipe.is_none()
            && buffer.is_empty()
            && let Some(result) = result.take()
        {
            // If it came to its end before the abort, the domain is suspended: that is looked at.
            return broken.map_or(result, Err);
        }
        let goes_on = broken.is_none();
        let mut fds = [
            waits(pipe.as_ref().filter(|_| buffer.is_empty()).map_or(NONE, File::as_raw_fd), libc::POLLIN),
            waits(if result.is_none() { save.fd() } else { NONE }, libc::POLLIN),
            waits(if goes_on { course.abort_fd() } else { NONE }, libc::POLLIN),
            waits(if goes_on { peer.to() } else { NONE }, if buffer.is_empty() { 0 } else { libc::POLLOUT }),
            // It has nothing to say yet, but may leave.
            waits(if goes_on { peer.from() } else { NONE }, 0),
        ];
        poll(&mut fds, None).map_err(no_pipe)?;
        let has_left = |fd: &libc::pollfd| fd.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0;
        if goes_on && fds[3..].iter().any(has_left) {
            broken = Some(peer.has_left(END));
        }
    }
}

/// Hands what the peer sends to `restore`, until that is over.
///
/// If the peer leaves or an abort is requested, the stream ends: then `restore` fails, and libxl destroys what it has of the domain.
pub(crate) fn receive(
    course: &Course,
    mut restore: Awaited<DomainId>,
    pipe: File,
    peer: &mut Peer<'_>,
) -> Result<DomainId, Error> {
    let cannot = |reason| Error::Io { doing: "hand the domain's state to libxl", reason };
    let mut pipe = Some(pipe);
    let mut buffer = Buffer::new();
    let mut has_ended = false;
    loop {
        if let Some(result) = restore.look() {
            // The half-made domain is to be known, whatever the reason was.
            let is_replaced = |error: &Error| course.is_aborted() && !matches!(error, Error::Unfinished { .. });
            return result.map_err(|error| if is_replaced(&error) { course.aborted() } else { error });
        }
        let is_aborted = course.is_aborted();
        if let Some(libxls) = pipe.as_ref().filter(|_| !is_aborted) {
            if !has_ended {
                // An error is the end as well: libxl says then that the stream ends.
                has_ended = buffer.fill(peer.unwaiting()).map_or(true, |length| length == Some(0));
            }
            // Libxl does not read to the end if it fails.
            if buffer.empty(libxls).is_err() {
                buffer.clear();
                has_ended = true;
            }
        }
        if is_aborted || has_ended && buffer.is_empty() {
            pipe = None;
        }
        let is_full = !buffer.is_empty();
        let to_libxl = pipe.as_ref().map_or(NONE, File::as_raw_fd);
        let mut fds = [
            waits(if is_full { to_libxl } else { NONE }, libc::POLLOUT),
            waits(if is_full || has_ended || pipe.is_none() { NONE } else { peer.from() }, libc::POLLIN),
            waits(if is_aborted { NONE } else { course.abort_fd() }, libc::POLLIN),
            waits(restore.fd(), libc::POLLIN),
        ];
        poll(&mut fds, None).map_err(cannot)?;
    }
}
