//! Alone in its process, because it destroys an fd that is not its own.

use osevent_core::LoopError;
use osevent_smol::LibxlSource;
use osevent_test_kit::{Count, without_its_epoll_fd};

#[test]
fn a_reactor_whose_fds_are_gone_resolves_and_is_a_loop_that_is_gone() {
    let xen = without_its_epoll_fd(|| LibxlSource::new().expect("fds are free"));
    let gone = Count::of_gone(&*xen.event_loop());

    let error = smol::block_on(xen);
    assert_eq!(error, LoopError::Os(libc::EINVAL));
    assert_eq!(gone.get(), 1);
}
