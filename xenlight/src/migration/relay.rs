//! The way of the stream: between the peer and a pair of sockets, of which libxl has one.
//!
//! Libxl could have the peer's fd itself, as in xl. But then the peer could end this process, by leaving or by sending something else at the
//! moment when libxl writes or reads the first bytes of the stream; and so could an abort at that moment ([E14]). Into its socket libxl
//! always gets rid of these bytes, and out of it it always reads good ones. What comes after the memory, libxl reads itself, too, and
//! with its lock held: so it is handed over in [whole records](super::stream). All else is the business of libxl's helper, a process of its
//! own. Libxl never writes to what nobody reads, either, so no SIGPIPE comes to its threads. Any kind of fd will do for the
//! peer, and that the peer has left is noticed when it happens, not with the next bytes.
//!
//! The price is that each byte is copied twice more, and that this process writes the file, or reads it.

use crate::contain::say;
#[cfg(doc)]
use crate::contract::*;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::migration::course::{Awaited, Course, NO_FD, poll, waits};
use crate::migration::end::{receive_now, send_now};
use crate::migration::peer::Peer;
use crate::migration::stream::{LONGEST, Stream};
use crate::progress::Progress;
use crate::save_file::{self, Mode};
use crate::task::Task;
use core::ffi::c_int;
use osevent_core::Registry;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use xenlight_types::{DomainConfig, DomainId};

/// What is copied at once, and what the buffer grows by.
const CHUNK: usize = 1 << 20;

/// How long libxl may have to wait, with its lock held, until it is seen that the memory ends in what nobody takes.
const LOOKS_AHEAD_EVERY: Duration = Duration::from_millis(50);

const ENDS_EARLY: Error = Error::SaveFile("it ends before the end of the domain's state");

/// What is copied, between a read and the writes that it takes.
struct Buffer {
    stream: Stream,
    bytes: Vec<u8>,
    written: usize,
    /// Up to here it may be written.
    whole: usize,
    filled: usize,
    /// When it was looked, and whether the memory was seen to end in what can be read.
    looked_ahead: Instant,
    sees_libxls: bool,
}

impl Buffer {
    fn of(stream: Stream) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            written: 0,
            whole: 0,
            filled: 0,
            looked_ahead: Instant::now(),
            sees_libxls: false,
        }
    }

    /// Whether there is something to write.
    fn is_full(&self) -> bool {
        self.written < self.whole
    }

    /// Whether it takes more. What libxl itself writes it always takes: a peer that does not read must not keep libxl's lock.
    fn has_room(&self) -> bool {
        let is_libxls = self.sees_libxls || self.stream.is_written_by_libxl();
        !self.is_full() || is_libxls && self.filled - self.written < LONGEST
    }

    /// Whether the helper has to wait. Behind what it has written, libxl may have to wait, too.
    fn keeps_the_helper_waiting(&self) -> bool {
        !self.has_room() && self.stream.is_written_by_helper()
    }

    /// Looks whether the memory ends in what can be read, and leaves it there. Not at each turn: the peer may take a few bytes at a time.
    fn look_ahead(&mut self, from: &UnixStream) -> Result<(), Error> {
        if !self.keeps_the_helper_waiting() || self.looked_ahead.elapsed() < LOOKS_AHEAD_EVERY {
            return Ok(());
        }
        self.looked_ahead = Instant::now();
        let unreadable = |reason| Error::Io { doing: "look at the domain's state", reason };
        let end = self.filled + unread(from).map_err(unreadable)?;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let length = unless_it_would_block(receive_now(from, &mut self.bytes[self.filled..end], libc::MSG_PEEK))
            .map_err(unreadable)?;
        let mut ahead = self.stream.clone();
        ahead.hand_over(&self.bytes[self.whole..self.filled + length.unwrap_or(0)])?;
        self.sees_libxls = ahead.is_written_by_libxl();
        Ok(())
    }

    /// Whether more of the stream is to come.
    fn is_open(&self) -> bool {
        self.stream.expected(&self.bytes[self.whole..self.filled]) > 0
    }

    /// Whether all of the stream has come and was written, as far as can be known.
    fn is_through(&self) -> bool {
        self.stream.is_opaque() || self.has_end()
    }

    /// Whether the end of the stream has come, and all before it was written.
    fn has_end(&self) -> bool {
        self.stream.is_at_end() && !self.is_full()
    }

    /// Nothing of it is needed any more, nor of what comes.
    fn discard(&mut self) {
        self.stream = Stream::opaque();
        (self.written, self.whole, self.filled) = (0, 0, 0);
    }

    /// Reads once if there is room, `Some(0)` at the end of file; `None` if there is nothing to read now, or no room.
    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Result<Option<usize>, Error> {
        let expected = self.stream.expected(&self.bytes[self.whole..self.filled]);
        if !self.has_room() || expected == 0 {
            return Ok(None);
        }
        if self.written > 0 {
            self.bytes.copy_within(self.written..self.filled, 0);
            self.whole -= self.written;
            self.filled -= self.written;
            self.written = 0;
        }
        let end = self.whole.saturating_add(expected).min(self.filled + CHUNK);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let length = unless_it_would_block(read(&mut self.bytes[self.filled..end]))
            .map_err(|reason| Error::Io { doing: "read the domain's state", reason })?;
        self.filled += length.unwrap_or(0);
        self.whole += self.stream.hand_over(&self.bytes[self.whole..self.filled])?;
        Ok(length)
    }

    /// Writes what can be written now.
    fn empty(&mut self, write: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.is_full()
            && let Some(length) = unless_it_would_block(write(&self.bytes[self.written..self.whole]))?
        {
            if length == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += length;
        }
        Ok(())
    }
}

/// How much there is to read.
fn unread(socket: &UnixStream) -> io::Result<usize> {
    length(socket, libc::FIONREAD)
}

/// How much of what was written has not been read.
fn untaken(socket: &UnixStream) -> io::Result<usize> {
    length(socket, libc::TIOCOUTQ)
}

fn length(socket: &UnixStream, which: libc::Ioctl) -> io::Result<usize> {
    let mut length: c_int = 0;
    // SAFETY: both requests write one number.
    match unsafe { libc::ioctl(socket.as_raw_fd(), which, &mut length) } {
        0 => Ok(length.try_into().unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

fn unless_it_would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// This side of the pair, which does not block. When it goes, libxl reads the end of the stream, and what it writes fails, also if a child
/// that the application has forked has the socket, too: with a pipe, libxl would wait for that child.
struct Ours(UnixStream);

impl Drop for Ours {
    fn drop(&mut self) {
        // It has no other end any more.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl AsRawFd for Ours {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Returns libxl's and ours.
fn pair() -> Result<(File, Ours), Error> {
    let no_sockets = |reason| Error::Io { doing: "make a pair of sockets", reason };
    let (libxls, ours) = UnixStream::pair().map_err(no_sockets)?;
    ours.set_nonblocking(true).map_err(no_sockets)?;
    Ok((File::from(OwnedFd::from(libxls)), Ours(ours)))
}

/// Saves the domain to the peer. Where that fails, it is told whether the domain was asked to suspend.
pub(crate) fn save(
    registry: &Arc<Registry<Hosted>>,
    course: &Course,
    (task, domid, mode): (Task, DomainId, Mode),
    peer: &mut Peer<'_>,
) -> Result<(), Unsent> {
    let not_begun = |reason| Unsent { reason, has_asked_to_suspend: false };
    if course.is_aborted() {
        return Err(not_begun(course.aborted()));
    }
    let (libxls, ours) = pair().map_err(not_begun)?;
    let begin = || save_file::save(registry, task.part(), domid, libxls, mode);
    let is_v2 = save_file::is_v2(registry.client().whole_library().release());
    let stream = if is_v2 { Stream::written() } else { Stream::opaque() };
    let report = |progress| course.report(registry, progress);
    send(course, Awaited::begin(begin).map_err(not_begun)?, report, ours, stream, peer)
}

/// Restores a domain from the peer, which has sent the header and this beginning of the stream.
pub(crate) fn restore(
    registry: &Arc<Registry<Hosted>>,
    course: &Course,
    task: Task,
    (config, head): (&DomainConfig, &[u8]),
    peer: &Peer<'_>,
) -> Result<DomainId, Error> {
    if course.is_aborted() {
        return Err(course.aborted());
    }
    let (libxls, ours) = pair()?;
    // There is room for that: libxl finds it, whatever comes next (E14).
    (&ours.0).write_all(head).map_err(|reason| Error::Io { doing: "hand the domain's state to libxl", reason })?;
    let restore = Awaited::begin(|| save_file::restore(registry, task.part(), config, libxls))?;
    let stream = if head.is_empty() { Stream::opaque() } else { Stream::at_the_memory() };
    let report = |progress| course.report(registry, progress);
    receive(course, restore, report, ours, Buffer::of(stream), peer)
}

/// A domain was not sent as a whole.
pub(crate) struct Unsent {
    pub(crate) reason: Error,
    /// Whether the domain was asked to suspend: it may do so at any time.
    pub(crate) has_asked_to_suspend: bool,
}

/// Sends what `save` writes, until it is over and all is sent.
///
/// If the peer leaves or an abort is requested, `save` is aborted, but not before libxl has its helper ([E14]): it starts that once it has
/// written its own beginning of the stream, and what the helper writes shows that it runs.
fn send(
    course: &Course,
    mut save: Awaited<()>,
    report: impl Fn(Progress),
    ours: Ours,
    stream: Stream,
    peer: &mut Peer<'_>,
) -> Result<(), Unsent> {
    const END: &str = "the end of the transfer";
    let mut ours = Some(ours);
    let mut buffer = Buffer::of(stream);
    let mut total = 0;
    let mut result = None;
    // Why it is aborted, and whether libxl was asked to.
    let mut broken: Option<Error> = None;
    let mut is_asked = false;
    loop {
        // Before the socket is read: what libxl has written at its end is read then.
        result = result.or_else(|| save.look(&report));
        if matches!(result, Some(Err(_))) {
            // What there is of it is worth nothing: nobody has to take it.
            buffer.discard();
            ours = None;
        }
        if broken.is_none() && course.is_aborted() {
            broken = Some(course.aborted());
        }
        if let Some(libxls) = &ours {
            match buffer.look_ahead(&libxls.0).and_then(|()| buffer.fill(|bytes| (&libxls.0).read(bytes))) {
                Ok(Some(0)) => ours = None,
                Ok(Some(length)) => total += length,
                Ok(None) if result.is_some() && !buffer.is_full() => ours = None,
                Ok(None) => {}
                Err(error) => {
                    broken.get_or_insert(error);
                    ours = None;
                }
            }
        }
        if broken.is_some() {
            buffer.discard();
        } else if let Err(error) = buffer.empty(|bytes| peer.write_now(bytes)) {
            broken = Some(peer.error(END, error));
            continue;
        }
        if broken.is_some() && !is_asked && result.is_none() && total > save_file::HEAD {
            is_asked = true;
            if save.abort().is_err() {
                // The helper fails when nobody reads. Up to 4.5, which cannot abort, it alone writes.
                ours = None;
            }
        }
        if ours.is_none()
            && !buffer.is_full()
            && let Some(result) = result.take()
        {
            // If it came to its end before the abort, the domain is suspended: that is looked at.
            let has_asked_to_suspend = save.has_asked_to_suspend();
            return broken.map_or(result, Err).map_err(|reason| Unsent { reason, has_asked_to_suspend });
        }
        if result.is_some() && ours.is_some() && !buffer.is_full() {
            // Whether there is more is seen at the next turn: the end does not come if a child that the application has forked has
            // libxl's socket, too.
            continue;
        }
        let goes_on = broken.is_none();
        let mut fds = [
            waits(ours.as_ref().filter(|_| buffer.has_room()).map_or(NO_FD, Ours::as_raw_fd), libc::POLLIN),
            waits(if result.is_none() { save.fd() } else { NO_FD }, libc::POLLIN),
            waits(if goes_on { course.abort_fd() } else { NO_FD }, libc::POLLIN),
            waits(if goes_on { peer.to() } else { NO_FD }, if buffer.is_full() { libc::POLLOUT } else { 0 }),
            // It has nothing to say yet, but may leave.
            waits(if goes_on { peer.from() } else { NO_FD }, 0),
        ];
        poll_or_pause(&mut fds, buffer.keeps_the_helper_waiting().then_some(LOOKS_AHEAD_EVERY));
        let has_left = |fd: &libc::pollfd| fd.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0;
        if goes_on && fds[3..].iter().any(has_left) {
            broken = Some(peer.has_left(END));
        }
    }
}

/// Hands what the peer sends to `restore`, until that is over.
///
/// If the peer leaves or an abort is requested, the stream ends: then `restore` fails, and libxl destroys what it has of the domain; or, where
/// one of its own records is missing, `restore` comes to its end without. If libxl has all of the stream, it is asked to abort: its helper has
/// ended then ([E14]), and what is left, such as the devices, can take long.
fn receive(
    course: &Course,
    mut restore: Awaited<DomainId>,
    report: impl Fn(Progress),
    ours: Ours,
    mut buffer: Buffer,
    peer: &Peer<'_>,
) -> Result<DomainId, Error> {
    let mut ours = Some(ours);
    // Why no more is read.
    let mut ended_by = None;
    loop {
        if let Some(result) = restore.look(&report) {
            let is_aborted = course.is_aborted();
            return match result {
                Ok(domid) if !buffer.is_through() => {
                    let why = if is_aborted { Some(course.aborted()) } else { ended_by };
                    let why = why.unwrap_or(ENDS_EARLY);
                    Err(Error::Unfinished { domid, reason: Box::new(why) })
                }
                // The half-made domain is to be known, whatever the reason was.
                Err(error) if matches!(error, Error::Unfinished { .. }) => Err(error),
                Err(_) if is_aborted => Err(course.aborted()),
                // Libxl knows of the end of the stream only.
                Err(error) => Err(ended_by.filter(|why| matches!(why, Error::Io { .. })).unwrap_or(error)),
                result => result,
            };
        }
        let is_aborted = course.is_aborted();
        if let Some(libxls) = ours.as_ref().filter(|_| !is_aborted) {
            if ended_by.is_none() {
                ended_by = match buffer.fill(|bytes| peer.read_now(bytes)) {
                    Ok(Some(0)) => Some(ENDS_EARLY),
                    Ok(_) => None,
                    // Libxl says then that the stream ends.
                    Err(error) => Some(error),
                };
            }
            // Libxl does not read to the end if it fails, and tells why.
            if let Err(error) = buffer.empty(|bytes| send_now(&libxls.0, bytes)) {
                say!(Debug, "libxl does not take a domain's state: {error}");
                ours = None;
            }
        }
        // Libxl is asked once it has all of the stream. Before all is written, its stream ends instead.
        let mut is_being_read = false;
        if is_aborted && let Some(libxls) = &ours {
            let has_end = buffer.has_end();
            is_being_read = has_end && !untaken(&libxls.0).is_ok_and(|length| length == 0);
            if has_end
                && !is_being_read
                && let Err(error) = restore.abort()
            {
                say!(Debug, "an abort came to nothing: {error}");
            }
        }
        if is_aborted && !is_being_read || ended_by.is_some() && !buffer.is_full() {
            ours = None;
        }
        let to_libxl = ours.as_ref().map_or(NO_FD, Ours::as_raw_fd);
        let is_read = ours.is_some() && ended_by.is_none() && !buffer.is_full() && buffer.is_open();
        let mut fds = [
            waits(if buffer.is_full() { to_libxl } else { NO_FD }, libc::POLLOUT),
            waits(if is_read { peer.from() } else { NO_FD }, libc::POLLIN),
            waits(if is_aborted { NO_FD } else { course.abort_fd() }, libc::POLLIN),
            waits(restore.fd(), libc::POLLIN),
        ];
        poll_or_pause(&mut fds, is_being_read.then_some(LOOKS_AHEAD_EVERY));
    }
}

/// Waits, also where that is refused: what libxl has begun is never left alone.
fn poll_or_pause(fds: &mut [libc::pollfd], limit: Option<Duration>) {
    const PAUSE: Duration = Duration::from_millis(50);
    if let Err(error) = poll(fds, limit) {
        say!(Warn, "cannot wait for a domain's state: {error}");
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
#[path = "relay/tests.rs"]
mod tests;
