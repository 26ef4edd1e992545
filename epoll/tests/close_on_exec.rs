//! A test program of its own, because it looks at every fd of the process.

use osevent_epoll::Reactor;
use osevent_test_kit::{flags, open_fds};

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
