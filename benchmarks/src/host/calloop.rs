//! A calloop event loop.

use super::{Control, Own, Watched};
use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Its data: whether it shall end.
type Ends = bool;

pub(super) fn run(xen: Option<osevent_calloop::LibxlSource>, own: Own, control: Control) {
    let mut event_loop = EventLoop::<Ends>::try_new().expect("fds are free");
    let handle = event_loop.handle();
    for Watched { fd, mut readable } in own.fds {
        watch(&handle, fd, move |_| readable());
    }
    watch(&handle, control.wakened.clone(), move |ends| *ends = control.obey());
    if let Some(mut tick) = own.tick {
        let ticking = handle.insert_source(Timer::from_duration(tick.every), move |due, _, _| {
            (tick.late)(due.elapsed());
            TimeoutAction::ToDuration(tick.every)
        });
        ticking.expect("a timer can be inserted");
    }
    if let Some(xen) = xen {
        handle.insert_source(xen, |_, _, _| {}).expect("a reactor can be watched");
    }
    let mut ends = false;
    while !ends {
        event_loop.dispatch(None, &mut ends).expect("the fds stay open");
    }
}

fn watch(handle: &LoopHandle<'_, Ends>, fd: Arc<OwnedFd>, mut act: impl FnMut(&mut Ends) + 'static) {
    let watched = handle.insert_source(Generic::new(fd, Interest::READ, Mode::Level), move |_, _, ends| {
        act(ends);
        Ok(PostAction::Continue)
    });
    watched.expect("an eventfd or a pipe can be watched");
}
