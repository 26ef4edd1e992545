//! A test program of its own, because it looks at every fd of the process.

use osevent_epoll::Reactor;
use std::collections::BTreeSet;

fn open_fds() -> BTreeSet<i32> {
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
    // One of them is the directory's, closed by now.
    numbers.filter_map(|name| name.to_str()?.parse().ok()).filter(|fd| flags(*fd) >= 0).collect()
}

fn flags(fd: i32) -> i32 {
    // SAFETY: takes no pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) }
}

#[test]
fn s3_all_of_a_reactors_fds_are_close_on_exec_and_closed_with_it() {
    let before = open_fds();
    let reactor = Reactor::new().unwrap();
    let ours: Vec<i32> = open_fds().difference(&before).copied().collect();
    assert_eq!(ours.len(), 3);
    for fd in ours {
        assert_eq!(flags(fd) & libc::FD_CLOEXEC, libc::FD_CLOEXEC, "fd {fd}");
    }
    drop(reactor);
    assert_eq!(open_fds(), before);
}
