//! Whether libxl can reach Xen from here, found out before libxl tries.
//!
//! Libxl waits for ever in `/dev/xen/xenbus` where no xenstored answers, and else says no more than ERROR_FAIL.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// The socket that libxenstore looks for, and the device that it takes where nobody serves that.
const SOCKET: &str = "/var/run/xenstored/socket";
const DEVICE: &str = "/dev/xen/xenbus";

/// How long an xenstored behind the device has to answer; it takes less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// XS_GET_DOMAIN_PATH of domain 0 (xs_wire.h): type, request, transaction, length; then the payload.
const REQUEST: [u8; 18] = [10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'0', 0];

pub(crate) const TOO_MANY_FILES: &str =
    "this process has too many files open: close some, or raise the limit (`ulimit -n`, RLIMIT_NOFILE)";

const NO_XENSTORED: &str = "xenstored does not answer: start it (the service xenstored or xen-init)";

/// A connection to xenstored's socket, where it has one. Else it can be reached without, or libxl will find out quickly that it
/// cannot.
///
/// # Errors
/// The advice.
pub(crate) fn xenstored() -> Result<Option<UnixStream>, &'static str> {
    match socket() {
        Ok(connection) => return Ok(Some(connection)),
        Err(error) if is_lack_of_fds(&error) => return Err(TOO_MANY_FILES),
        Err(_) => {}
    }
    if device_answers() { Ok(None) } else { Err(NO_XENSTORED) }
}

/// A connection to xenstored's socket.
pub(crate) fn socket() -> io::Result<UnixStream> {
    let path = env::var_os("XENSTORED_PATH").unwrap_or_else(|| SOCKET.into());
    loop {
        match UnixStream::connect(&path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Whether xenstored has gone, of a connection on which nothing is sent.
pub(crate) fn is_lost(connection: &UnixStream) -> bool {
    is_readable(connection, Duration::ZERO)
}

/// Whether it is, or becomes so within this time. A signal that interrupts the call says nothing of that.
fn is_readable(fd: &impl AsRawFd, within: Duration) -> bool {
    let until = Instant::now() + within;
    let mut fd = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        // SAFETY: one pollfd, for the length of the call.
        let ready = unsafe { libc::poll(&mut fd, 1, left as libc::c_int) };
        if ready >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return ready > 0;
        }
    }
}

pub(crate) fn is_lack_of_fds(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn device_answers() -> bool {
    let device = fs::File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE);
    // No device: libxl fails at once.
    let Ok(mut device) = device else { return true };
    if device.write_all(&REQUEST).is_err() {
        return false;
    }
    is_readable(&device, PATIENCE)
}

/// Why libxl probably cannot be opened here.
pub(crate) fn advice() -> &'static str {
    // SAFETY: no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !Path::new("/dev/xen/privcmd").exists() && !Path::new("/proc/xen/privcmd").exists() {
        "this is no Xen dom0: boot Xen, and see that the modules xen-privcmd and xen-evtchn are loaded"
    } else if !root {
        "run it as root: Xen's toolstack needs that"
    } else {
        "is xenstored running? the log (target libxl) has the reason"
    }
}
