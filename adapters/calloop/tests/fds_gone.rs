//! Alone in its process, because it destroys an fd that is not its own.

use calloop::EventLoop;
use osevent_calloop::LibxlSource;
use osevent_core::LoopError;
use osevent_test_kit::{Count, without_its_epoll_fd};

#[test]
fn a_reactor_whose_fds_are_gone_is_an_error_of_dispatch_and_a_loop_that_is_gone() {
    let xen = without_its_epoll_fd(|| LibxlSource::new().expect("fds are free"));
    let gone = Count::of_gone(&*xen.event_loop());

    let mut event_loop = EventLoop::<()>::try_new().expect("fds are free");
    event_loop.handle().insert_source(xen, |_, _, _| {}).expect("an eventfd can be watched");
    match event_loop.dispatch(None, &mut ()) {
        Err(calloop::Error::OtherError(error)) => {
            assert_eq!(error.downcast_ref(), Some(&LoopError::Os(libc::EINVAL)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(gone.get(), 1);
    drop(event_loop);
    assert_eq!(gone.get(), 1);
}
