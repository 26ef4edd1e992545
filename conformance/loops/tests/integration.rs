//! The integration alone, with the smallest client that there is.

use osevent_conformance::boundary::{Client, Hosting, Integration, Rule};
use osevent_conformance::integration::CoreIntegration;
use osevent_conformance_loops::Adapter;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, PartialEq)]
enum Seen {
    Fd(u64, RawFd, i16, ThreadId),
    Timeout(u64, ThreadId),
    Freed,
}

/// Tells what it sees. Deregisters an fd when it occurs, and what it is told to keep when it is freed.
struct Small {
    tell: Sender<Seen>,
    hosting: OnceLock<Arc<dyn Hosting>>,
    kept: OnceLock<(RawFd, u64)>,
}

impl Client for Small {
    fn occurred_fd(&self, value: u64, fd: RawFd, _: i16, revents: i16) {
        let _ = self.tell.send(Seen::Fd(value, fd, revents, std::thread::current().id()));
    }

    fn occurred_timeout(&self, value: u64) {
        let _ = self.tell.send(Seen::Timeout(value, std::thread::current().id()));
    }

    fn free(&self) {
        if let Some((fd, handle)) = self.kept.get() {
            self.hosting.get().expect("it is hosted").fd_deregister(*fd, *handle);
        }
        let _ = self.tell.send(Seen::Freed);
    }
}

fn small(integration: &dyn Integration, rule: Rule) -> (Arc<Small>, Arc<dyn Hosting>, Receiver<Seen>) {
    let (tell, seen) = channel();
    let client = Arc::new(Small { tell, hosting: OnceLock::new(), kept: OnceLock::new() });
    let hosting = integration.host(client.clone(), rule).expect("the loop runs");
    assert!(client.hosting.set(hosting.clone()).is_ok());
    (client, hosting, seen)
}

fn next(seen: &Receiver<Seen>) -> Seen {
    seen.recv_timeout(PATIENCE).expect("it comes")
}

fn inside<T>(hosting: &dyn Hosting, mut call: impl FnMut() -> T) -> T {
    let mut result = None;
    assert!(hosting.call(&mut || result = Some(call())));
    result.expect("it was called")
}

#[test]
fn x4_a_client_is_served_on_the_loops_thread_and_freed_once_with_its_hooks_answered_x2() {
    for adapter in Adapter::ALL {
        let integration = CoreIntegration::new(adapter.start().expect("a loop"));
        let (client, hosting, seen) = small(&integration, Rule::Concurrent);
        let (watched, mut far) = UnixStream::pair().expect("a socket pair");
        let fd = watched.as_raw_fd();
        let handle = inside(&*hosting, || {
            let mut handle = 77;
            assert_eq!(hosting.fd_register(fd, &mut handle, libc::POLLIN, 5), 0);
            handle
        });
        client.kept.set((fd, handle)).expect("once");
        std::io::Write::write_all(&mut far, b"x").expect("the near end is open");
        assert_eq!(next(&seen), Seen::Fd(5, fd, libc::POLLIN, integration.thread()), "{adapter:?}");
        inside(&*hosting, || {
            let mut handle = handle;
            assert_eq!(hosting.fd_modify(fd, &mut handle, 0), 0);
            let mut handle = 77;
            assert_eq!(hosting.timeout_register(&mut handle, (i64::MAX, 0), 9), 0);
            assert_eq!(hosting.timeout_modify(&mut handle, (0, 0)), 0);
        });
        // Level style: the fd may have occurred some more before (O10).
        let timeout = std::iter::repeat_with(|| next(&seen)).find(|seen| !matches!(seen, Seen::Fd(..)));
        assert_eq!(timeout, Some(Seen::Timeout(9, integration.thread())), "{adapter:?}");
        hosting.close();
        assert_eq!(next(&seen), Seen::Freed);
        assert!(!hosting.call(&mut || unreachable!("it is closed")));
        drop(integration);
        assert_eq!(seen.try_recv().ok(), None, "{adapter:?}");
    }
}

#[test]
fn r13_a_timeout_is_deregistered_by_value_or_by_address_and_does_not_occur() {
    let integration = CoreIntegration::new(Adapter::Epoll.start().expect("a loop"));
    let (_client, hosting, seen) = small(&integration, Rule::Serialized);
    inside(&*hosting, || {
        let (mut first, mut second) = (0, 0);
        // The outer lock is held, so neither occurs before it is deregistered.
        assert_eq!(hosting.timeout_register(&mut first, (0, 0), 1), 0);
        assert_eq!(hosting.timeout_register(&mut second, (0, 0), 2), 0);
        hosting.timeout_deregister(first);
        hosting.timeout_deregister(std::ptr::from_ref(&second).addr() as u64);
    });
    inside(&*hosting, || assert_eq!(hosting.timeout_register(&mut 0, (0, 0), 3), 0));
    assert_eq!(next(&seen), Seen::Timeout(3, integration.thread()), "the deregistered ones do not occur");
    hosting.close();
    assert_eq!(next(&seen), Seen::Freed);
}

#[test]
fn r3_what_is_refused_has_a_code_that_libxl_does_not_mistake_for_its_own() {
    let integration = CoreIntegration::new(Adapter::Epoll.start().expect("a loop"));
    let (_client, hosting, _seen) = small(&integration, Rule::Concurrent);
    inside(&*hosting, || {
        assert_eq!(hosting.fd_register(-1, &mut 0, libc::POLLIN, 1), -12);
        assert_eq!(hosting.timeout_register(&mut 0, (1, 1_000_000), 1), -12);
        assert_eq!(hosting.fd_register(i32::MAX, &mut 0, libc::POLLIN, 1), -12, "no such fd");
    });
    hosting.close();
}
