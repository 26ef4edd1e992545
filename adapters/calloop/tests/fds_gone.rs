//! Alone in its process, because it destroys an fd that is not its own.

use calloop::EventLoop;
use osevent_calloop::LibxlSource;
use osevent_core::LoopError;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// This process's epoll fds.
fn epoll_fds() -> Vec<RawFd> {
    let all = std::fs::read_dir("/proc/self/fd").expect("Linux has it").map(|fd| fd.expect("it is listed").path());
    let epolls = all.filter(|fd| std::fs::read_link(fd).is_ok_and(|file| file.ends_with("anon_inode:[eventpoll]")));
    epolls.map(|fd| fd.file_name().and_then(|fd| fd.to_str()).expect("a number").parse().expect("a number")).collect()
}

#[test]
fn a_reactor_whose_fds_are_gone_is_an_error_of_dispatch_and_a_loop_that_is_gone() {
    let before = epoll_fds();
    let xen = LibxlSource::new().expect("fds are free");
    let its = epoll_fds().into_iter().find(|fd| !before.contains(fd)).expect("a reactor has one");
    let gone = Arc::new(AtomicUsize::new(0));
    let counted = gone.clone();
    xen.event_loop().on_gone(Box::new(move || _ = counted.fetch_add(1, Ordering::SeqCst)));
    // What a program does that closes too much, and then opens something.
    // SAFETY: takes numbers.
    let other = unsafe { libc::eventfd(1, libc::EFD_CLOEXEC) };
    // SAFETY: takes numbers; the reactor's fd, which nobody is using now, names the eventfd from here on.
    assert_eq!(unsafe { libc::dup3(other, its, libc::O_CLOEXEC) }, its);

    let mut event_loop = EventLoop::<()>::try_new().expect("fds are free");
    event_loop.handle().insert_source(xen, |_, _, _| {}).expect("an eventfd can be watched");
    match event_loop.dispatch(None, &mut ()) {
        Err(calloop::Error::OtherError(error)) => {
            assert_eq!(error.downcast_ref(), Some(&LoopError::Os(libc::EINVAL)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(gone.load(Ordering::SeqCst), 1);
    drop(event_loop);
    assert_eq!(gone.load(Ordering::SeqCst), 1);
}
