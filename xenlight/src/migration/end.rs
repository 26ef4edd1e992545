//! An fd to the other side of a migration, which is used without waiting, whatever others do.
//!
//! Who has given it may have the same open file elsewhere: a child of a shell has the shell's pipe. Whether an open file blocks is one setting for
//! all who have it, and each of them can change it at any time. So it is neither changed nor trusted, where there is another way.

use crate::contain::say;
use crate::error::Error;
use crate::migration::write_signals;
use core::ffi::c_int;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

/// An fd to the other side. What it is waited for with is the fd that was given.
pub(crate) struct End {
    file: File,
    way: Way,
}

/// How it is read and written without waiting.
enum Way {
    /// A socket: each call says so.
    Socket,
    /// A pipe: through an open file of our own.
    Pipe(File),
    /// A file or a disk: it is never waited for, but for what it takes.
    File,
    /// As the open file is set, by all who have it. It is set back at the end.
    Shared { was_blocking: bool },
}

impl End {
    /// # Errors
    /// It cannot be used for `doing`.
    pub(crate) fn new(fd: OwnedFd, doing: &'static str) -> Result<Self, Error> {
        let file = File::from(fd);
        let way = Way::of(&file).map_err(|reason| Error::Io { doing, reason })?;
        Ok(Self { file, way })
    }

    /// Reads what has come.
    pub(crate) fn read_now(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut file = match &self.way {
            Way::Socket => return receive_now(&self.file, bytes, 0),
            Way::Pipe(own) => own,
            Way::File | Way::Shared { .. } => &self.file,
        };
        file.read(bytes)
    }

    /// Writes what there is room for.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = match &self.way {
            Way::Socket => return send_now(&self.file, bytes),
            Way::Pipe(own) => own,
            Way::File | Way::Shared { .. } => &self.file,
        };
        write_signals::without(|| file.write(bytes))
    }

    /// Waits until what was written to a file is on its disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if matches!(self.way, Way::File) { self.file.sync_data() } else { Ok(()) }
    }
}

impl AsRawFd for End {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Way::Shared { was_blocking: true } = self.way {
            // Nothing depends on it but others that have the same open file.
            let _ = set_blocking(&self.file, true);
        }
    }
}

impl Way {
    fn of(file: &File) -> io::Result<Self> {
        if flags(file)? & libc::O_PATH != 0 {
            // A name, and not an open file: opened anew, it would be with the rights of this process.
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        let kind = file.metadata()?.file_type();
        if kind.is_file() || kind.is_block_device() {
            return Ok(Self::File);
        }
        if kind.is_socket() {
            return Ok(Self::Socket);
        }
        if kind.is_fifo() {
            match opened_anew(file) {
                Ok(own) => return Ok(Self::Pipe(own)),
                // There is no /proc, or the pipe is another user's, or a named one without a reader.
                Err(error) => say!(Debug, "a pipe is not opened anew, and may be made to block by others: {error}"),
            }
        }
        Ok(Self::Shared { was_blocking: set_blocking(file, false)? })
    }
}

/// The same pipe, as another open file, which does not block.
fn opened_anew(file: &File) -> io::Result<File> {
    let mode = flags(file)? & libc::O_ACCMODE;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let (reads, writes) = (mode != libc::O_WRONLY, mode != libc::O_RDONLY);
    File::options().read(reads).write(writes).custom_flags(libc::O_NONBLOCK).open(path)
}

/// recv(2), without waiting.
pub(crate) fn receive_now(socket: &impl AsRawFd, bytes: &mut [u8], flags: c_int) -> io::Result<usize> {
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: `bytes` is writable, for the length of the call.
    let length = unsafe { libc::recv(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), flags) };
    length.try_into().map_err(|_| io::Error::last_os_error())
}

/// send(2), without waiting. That nobody reads is an error, and no signal.
pub(crate) fn send_now(socket: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `bytes` is readable, for the length of the call.
    let length = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    length.try_into().map_err(|_| io::Error::last_os_error())
}

/// Returns what it was.
fn set_blocking(file: &File, blocking: bool) -> io::Result<bool> {
    let flags = flags(file)?;
    let wanted = if blocking { flags & !libc::O_NONBLOCK } else { flags | libc::O_NONBLOCK };
    // SAFETY: no pointers.
    if wanted != flags && unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, wanted) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags & libc::O_NONBLOCK == 0)
}

fn flags(file: &File) -> io::Result<c_int> {
    // SAFETY: no pointers.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) } {
        ..0 => Err(io::Error::last_os_error()),
        flags => Ok(flags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const DOING: &str = "try it";

    fn blocks(file: &File) -> bool {
        flags(file).expect("it is open") & libc::O_NONBLOCK == 0
    }

    /// What is read here is written there, or the other way.
    fn connected() -> [(OwnedFd, OwnedFd); 2] {
        let (from, to) = io::pipe().expect("a pipe");
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        [(from.into(), to.into()), (near.into(), far.into())]
    }

    #[test]
    fn who_has_the_same_open_file_notices_nothing_and_cannot_make_it_wait() {
        for (from, to) in connected() {
            let others = [&from, &to].map(|fd| File::from(fd.try_clone().expect("a duplicate")));
            let (from, to) =
                (End::new(from, DOING).expect("it can be used"), End::new(to, DOING).expect("it can be used"));
            // They block, and the ends do not: otherwise this would never return.
            assert!(others.iter().all(blocks));
            assert_eq!(from.read_now(&mut [0]).expect_err("nothing has come").kind(), io::ErrorKind::WouldBlock);
            let error = std::iter::repeat_with(|| to.write_now(&[7; 4096])).find_map(Result::err);
            assert_eq!(error.expect("it is full").kind(), io::ErrorKind::WouldBlock);
            let mut come = [0; 4096];
            assert_eq!(from.read_now(&mut come).expect("it has come"), come.len());
            assert_eq!(come, [7; 4096]);
        }
    }

    #[test]
    fn the_end_and_that_nobody_reads_are_noticed() {
        for (from, to) in connected() {
            let from = End::new(from, DOING).expect("it can be used");
            drop(to);
            assert_eq!(from.read_now(&mut [0]).expect("it ends"), 0);
        }
        for (from, to) in connected() {
            let to = End::new(to, DOING).expect("it can be used");
            drop(from);
            assert_eq!(to.write_now(&[0]).expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn a_file_is_left_as_it_is_and_a_name_alone_is_refused() {
        let path = tempfile::NamedTempFile::new().expect("a file");
        let file = File::options().write(true).open(path.path()).expect("a file");
        let end = End::new(file.try_clone().expect("a duplicate").into(), DOING).expect("it can be used");
        assert!(blocks(&file));
        assert_eq!(end.write_now(b"saved").expect("there is room"), 5);
        end.sync().expect("there is a disk");
        let name = File::options().read(true).custom_flags(libc::O_PATH).open(path.path()).expect("a name");
        let error = End::new(name.into(), DOING).err().expect("it is not open");
        assert!(matches!(error, Error::Io { doing: DOING, reason } if reason.raw_os_error() == Some(libc::EBADF)));
    }

    #[test]
    fn what_is_neither_a_socket_nor_a_pipe_nor_a_file_is_set_back() {
        let device = File::open("/dev/null").expect("a device");
        let end = End::new(device.try_clone().expect("a duplicate").into(), DOING).expect("it can be used");
        assert!(!blocks(&device));
        drop(end);
        assert!(blocks(&device));
    }
}
