use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An fd that is readable until it is read; with `0`, not before it is written.
pub fn eventfd(count: u32) -> OwnedFd {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::eventfd(count, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Whether `fd` is readable within so many milliseconds.
pub fn is_readable(fd: &impl AsRawFd, within: i32) -> bool {
    let mut watched = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, exclusively ours for the call.
    let ready = unsafe { libc::poll(&raw mut watched, 1, within) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    assert_eq!(watched.revents & !libc::POLLIN, 0, "nothing else is to be told of it");
    ready == 1
}

/// Makes `number` name the file of `file`, whatever it named before: what closing it and opening another file does
/// when no other thread comes between.
pub fn reuse(number: RawFd, file: &impl AsRawFd) {
    // SAFETY: takes no pointers; the test owns both fds.
    let result = unsafe { libc::dup3(file.as_raw_fd(), number, libc::O_CLOEXEC) };
    assert_eq!(result, number, "{}", std::io::Error::last_os_error());
}
