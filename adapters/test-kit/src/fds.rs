use std::collections::BTreeSet;
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

/// This process's open fds.
pub fn open_fds() -> BTreeSet<RawFd> {
    let listed =
        std::fs::read_dir("/proc/self/fd").expect("Linux has it").map(|fd| fd.expect("it is listed").file_name());
    let numbers = listed.map(|fd| fd.to_str().expect("a number").parse().expect("a number"));
    // One of them was the directory's, and is closed by now.
    Vec::from_iter(numbers).into_iter().filter(|fd| flags(*fd) >= 0).collect()
}

/// The flags of an fd, such as FD_CLOEXEC; -1 if there is none of that number.
pub fn flags(fd: RawFd) -> i32 {
    // SAFETY: takes no pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) }
}

/// What `make` makes, when the epoll fd that it opened first is gone and its number is another file's: what a program
/// does that closes too much, and then opens something. Only a test that is alone in its process may do so.
pub fn without_its_epoll_fd<T>(make: impl FnOnce() -> T) -> T {
    let before = open_fds();
    let made = make();
    let is_epoll = |fd: &RawFd| {
        let file = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        file.is_ok_and(|file| file.ends_with("anon_inode:[eventpoll]"))
    };
    let mut its = open_fds().into_iter().filter(|fd| !before.contains(fd)).filter(is_epoll);
    // Readable for ever.
    reuse(its.next().expect("it has opened one"), &eventfd(1));
    made
}
