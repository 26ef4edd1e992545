//! A main loop on a main context of its own.

use super::{Control, Own, Tick, Watched};
use glib::{ControlFlow, IOCondition, MainContext, MainLoop, Priority};
use std::os::fd::AsRawFd;
use std::time::Instant;

pub(super) fn run(context: &MainContext, xen: Option<osevent_glib::LibxlSource>, own: Own, control: Control) {
    let main_loop = MainLoop::new(Some(context), false);
    for Watched { fd, mut readable } in own.fds {
        watch(context, fd.as_raw_fd(), move || {
            // The fd is open as long as this.
            let _open = &fd;
            readable();
        });
    }
    let quits = main_loop.clone();
    watch(context, control.wakened.as_raw_fd(), move || {
        if control.obey() {
            quits.quit();
        }
    });
    if let Some(tick) = own.tick {
        arm(context.clone(), tick);
    }
    context.with_thread_default(|| main_loop.run()).expect("nobody else has this context");
    if let Some(xen) = xen {
        xen.detach();
    }
}

fn watch(context: &MainContext, fd: i32, mut act: impl FnMut() + Send + 'static) {
    let source = glib_unix::fd_source_new(fd, IOCondition::IN, None, Priority::DEFAULT, move |_, _| {
        act();
        ControlFlow::Continue
    });
    source.attach(Some(context));
}

fn arm(context: MainContext, tick: Tick) {
    let every = tick.every;
    let due = Instant::now() + every;
    let mut again = Some((context.clone(), tick));
    let source = glib::timeout_source_new(every, None, Priority::DEFAULT, move || {
        if let Some((context, mut tick)) = again.take() {
            (tick.late)(due.elapsed());
            arm(context, tick);
        }
        ControlFlow::Break
    });
    source.attach(Some(&context));
}
