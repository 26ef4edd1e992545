//! A process without a free fd. A test program of its own, because it lowers the process's limit.

use osevent_core::{ClientValue, Deadline, EventLoop, Interest};
use osevent_epoll::{CreateError, Reactor};
use osevent_test_kit::Counting;
use std::fs::File;
use std::os::fd::AsRawFd;

#[test]
fn s6_without_a_free_fd_a_reactor_still_takes_and_serves_registrations() {
    let reactor = Reactor::new().unwrap();
    let registry = Counting::on(reactor.clone());
    let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
    // SAFETY: `limit` outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/zero").ok()).collect();
    assert!(files.len() > 10, "the table was full before");

    let error = Reactor::new().expect_err("there is no fd for it");
    assert_eq!(error, CreateError::TooManyFiles);
    assert!(error.to_string().contains("ulimit -n"), "{error}");
    for _ in 0..2 {
        files.pop();
        assert_eq!(Reactor::new().expect_err("it needs three"), CreateError::TooManyFiles);
    }
    files.pop();
    Reactor::new().expect("a refused one gives back what it took");

    let [last, null] = [File::open("/dev/zero"), File::options().write(true).open("/dev/null")].map(Result::unwrap);
    while let Ok(file) = File::open("/dev/zero") {
        files.push(file);
    }
    registry.register_fd(null.as_raw_fd(), Interest::OUT, ClientValue(1)).unwrap();
    registry.register_fd(last.as_raw_fd(), Interest::IN, ClientValue(2)).unwrap();
    registry.register_timeout(Deadline::ASAP, ClientValue(3)).unwrap();
    reactor.turn(None).unwrap();
    assert_eq!(registry.client().occurrences.get(), 3);
    registry.close();
}
