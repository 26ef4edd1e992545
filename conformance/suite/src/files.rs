//! Files whose readiness a case controls.

use anyhow::Context;
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::LazyLock;

/// An eventfd. It is readable from [`set`](Self::set) to [`unset`](Self::unset), and always writable.
pub struct Ready(OwnedFd);

impl Ready {
    /// Creates an eventfd that is not readable.
    ///
    /// # Errors
    /// No fds are left.
    pub fn new() -> anyhow::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(Error::last_os_error()).context("eventfd");
        }
        // SAFETY: the kernel has just given it to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Its number.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Makes it readable.
    ///
    /// # Errors
    /// The number is no longer that of this file.
    pub fn set(&self) -> anyhow::Result<()> {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: eight bytes of our own, for the length of the call.
        let written = unsafe { libc::write(self.fd(), one.as_ptr().cast(), one.len()) };
        anyhow::ensure!(written == 8, "an eventfd cannot be written to: {}", Error::last_os_error());
        Ok(())
    }

    /// Reads it, and returns whether it was readable.
    ///
    /// # Errors
    /// The number is no longer that of this file.
    pub fn unset(&self) -> anyhow::Result<bool> {
        let mut count = [0_u8; 8];
        // SAFETY: eight bytes of our own, for the length of the call.
        let read = unsafe { libc::read(self.fd(), count.as_mut_ptr().cast(), count.len()) };
        match read {
            8 => Ok(true),
            _ if Error::last_os_error().kind() == ErrorKind::WouldBlock => Ok(false),
            _ => Err(Error::last_os_error()).context("an eventfd cannot be read"),
        }
    }

    /// Creates another fd for the same file.
    ///
    /// # Errors
    /// No fds are left.
    pub fn duplicate(&self) -> anyhow::Result<Self> {
        Ok(Self(self.0.try_clone().context("an eventfd cannot be duplicated")?))
    }

    /// Moves the file to this fd number, which must be free.
    ///
    /// # Errors
    /// The number is in use.
    pub fn at(self, number: RawFd) -> anyhow::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::fcntl(self.fd(), libc::F_DUPFD_CLOEXEC, number) };
        anyhow::ensure!(fd >= 0, "F_DUPFD_CLOEXEC: {}", Error::last_os_error());
        // SAFETY: the kernel has just given it to nobody else.
        let same = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        anyhow::ensure!(fd == number, "fd {number} was taken meanwhile");
        Ok(same)
    }

    /// Lets its number refer to the file of `other`, in one step. Closing this file and opening the other one has the same effect if no
    /// other thread opens a file in between.
    ///
    /// # Errors
    /// The number is not open.
    pub fn become_file_of(&self, other: &Self) -> anyhow::Result<()> {
        // SAFETY: no pointers; both fds are the case's own.
        let same = unsafe { libc::dup3(other.fd(), self.fd(), libc::O_CLOEXEC) };
        anyhow::ensure!(same == self.fd(), "the number was not reused: {}", Error::last_os_error());
        Ok(())
    }
}

/// Calls poll(2) for an fd without waiting, and returns `revents`.
pub fn poll_now(fd: RawFd, events: i16) -> i16 {
    let mut polled = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one pollfd, for the length of the call.
    unsafe { libc::poll(&mut polled, 1, 0) };
    polled.revents
}

/// A pseudo-terminal in packet mode. Its master has priority input after the other side was flushed.
pub struct PacketTerminal {
    master: OwnedFd,
    slave: OwnedFd,
}

impl PacketTerminal {
    /// Opens a pseudo-terminal without input.
    ///
    /// # Errors
    /// There are no pseudo-terminals here.
    pub fn open() -> anyhow::Result<Self> {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let owned = |fd: i32, what: &'static str| {
            anyhow::ensure!(fd >= 0, "{what}: {}", Error::last_os_error());
            // SAFETY: the kernel has just given it to nobody else.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        };
        // SAFETY: a C string.
        let master = owned(unsafe { libc::open(c"/dev/ptmx".as_ptr(), flags) }, "/dev/ptmx")?;
        let (mut unlocked, mut packets) = (0_i32, 1_i32);
        // SAFETY: each request reads one int of ours.
        let unlock = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw mut unlocked) };
        anyhow::ensure!(unlock == 0, "TIOCSPTLCK: {}", Error::last_os_error());
        // SAFETY: the request takes flags by value.
        let slave = owned(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) }, "TIOCGPTPEER")?;
        // SAFETY: as the first request.
        let packet = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCPKT, &raw mut packets) };
        anyhow::ensure!(packet == 0, "TIOCPKT: {}", Error::last_os_error());
        Ok(Self { master, slave })
    }

    /// The master's number.
    pub fn fd(&self) -> RawFd {
        self.master.as_raw_fd()
    }

    /// Master and slave.
    pub(crate) fn into_sides(self) -> (OwnedFd, OwnedFd) {
        (self.master, self.slave)
    }

    /// Flushes the other side.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn make_priority_input(&self) -> anyhow::Result<()> {
        // SAFETY: no pointers.
        let flushed = unsafe { libc::tcflush(self.slave.as_raw_fd(), libc::TCIOFLUSH) };
        anyhow::ensure!(flushed == 0, "tcflush: {}", Error::last_os_error());
        Ok(())
    }

    /// Whether poll(2) reports priority input.
    pub fn has_priority_input(&self) -> bool {
        poll_now(self.fd(), libc::POLLPRI) & libc::POLLPRI != 0
    }
}

/// The open fds of this process.
///
/// # Errors
/// proc(5) is not available.
pub fn open() -> anyhow::Result<BTreeSet<RawFd>> {
    let mut open = BTreeSet::new();
    for entry in std::fs::read_dir("/proc/self/fd").context("/proc/self/fd")? {
        let name = entry?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // The folder's own is among them, and closed by now.
    open.retain(|fd| flags(*fd) >= 0);
    Ok(open)
}

/// Remembers the fds that are open now, to distinguish them from those that a host opens. Call it before anything is opened.
pub fn remember_inherited() {
    LazyLock::force(&INHERITED);
}

/// The fds that this process was given, as far as anybody took care to remember: none of them is a host's.
pub(crate) fn inherited() -> &'static BTreeSet<RawFd> {
    &INHERITED
}

/// Without proc(5), none.
static INHERITED: LazyLock<BTreeSet<RawFd>> = LazyLock::new(|| open().unwrap_or_default());

/// Whether the fd is close-on-exec.
pub fn is_closed_on_exec(fd: RawFd) -> bool {
    flags(fd) < 0 || flags(fd) & libc::FD_CLOEXEC != 0
}

/// The timerfds that are set to a time of the wall clock without TFD_TIMER_CANCEL_ON_SET. They become late when the clock is set back.
///
/// # Errors
/// proc(5) is not available.
pub fn timers_on_wall_clock() -> anyhow::Result<Vec<RawFd>> {
    let is_kept = |fd: &RawFd| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
        let field =
            |name: &str| info.lines().find_map(|line| i64::from_str_radix(line.strip_prefix(name)?.trim(), 8).ok());
        let flags = field("settime flags:").unwrap_or(0);
        let wall = field("clockid:").is_some_and(|clock| clock == i64::from(libc::CLOCK_REALTIME));
        wall && flags & 1 != 0 && flags & 2 == 0
    };
    Ok(open()?.into_iter().filter(is_kept).collect())
}

/// The kernel's name of the file.
pub fn name(fd: RawFd) -> String {
    std::fs::read_link(format!("/proc/self/fd/{fd}"))
        .map_or_else(|_| "closed".into(), |file| file.display().to_string())
}

/// Negative where it is not open.
fn flags(fd: RawFd) -> i32 {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) }
}
