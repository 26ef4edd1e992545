//! Whether libxl can reach Xen from here, found out before libxl tries.
//!
//! Libxl waits for ever in `/dev/xen/xenbus` where no xenstored answers, and else says no more than ERROR_FAIL.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::{env, fs};

/// The socket that libxenstore looks for, and the device that it takes where nobody serves that.
const SOCKET: &str = "/var/run/xenstored/socket";
const DEVICE: &str = "/dev/xen/xenbus";

/// How long an xenstored behind the device has to answer; it takes less than a millisecond.
const PATIENCE_MS: i32 = 5_000;

/// XS_GET_DOMAIN_PATH of domain 0 (xs_wire.h): type, request, transaction, length; then the payload.
const REQUEST: [u8; 18] = [10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'0', 0];

pub(crate) const NO_XENSTORED: &str = "xenstored does not answer: start it (the service xenstored or xen-init)";

/// An xenstored can be reached, or libxl will find out quickly that none can.
pub(crate) fn xenstored_answers() -> bool {
    let socket = env::var_os("XENSTORED_PATH").unwrap_or_else(|| SOCKET.into());
    if UnixStream::connect(socket).is_ok() {
        return true;
    }
    let device = fs::File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE);
    // No device: libxl fails at once.
    let Ok(mut device) = device else { return true };
    if device.write_all(&REQUEST).is_err() {
        return false;
    }
    let mut answer = libc::pollfd { fd: device.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, for the length of the call.
    unsafe { libc::poll(&mut answer, 1, PATIENCE_MS) == 1 }
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
