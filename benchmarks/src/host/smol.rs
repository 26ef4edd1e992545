//! An executor on one thread, with a task for each source.

use super::{Control, Own, Watched};
use smol::{Async, LocalExecutor, Timer};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

pub(super) fn run(xen: Option<osevent_smol::LibxlSource>, own: Own, control: Control) {
    let executor = LocalExecutor::new();
    for Watched { fd, readable } in own.fds {
        executor.spawn(watch(fd, readable)).detach();
    }
    if let Some(mut tick) = own.tick {
        let ticking = async move {
            loop {
                let due = Instant::now() + tick.every;
                Timer::at(due).await;
                (tick.late)(due.elapsed());
            }
        };
        executor.spawn(ticking).detach();
    }
    if let Some(xen) = xen {
        executor.spawn(xen).detach();
    }
    let (ends, ended) = smol::channel::bounded(1);
    let obeying = watch(control.wakened.clone(), move || {
        if control.obey() {
            ends.try_send(()).expect("it ends once");
        }
    });
    executor.spawn(obeying).detach();
    smol::block_on(executor.run(ended.recv())).expect("the task that tells is not cancelled");
}

async fn watch(fd: Arc<OwnedFd>, mut act: impl FnMut()) {
    let watched = Async::new_nonblocking(fd).expect("an eventfd or a pipe can be watched");
    loop {
        watched.readable().await.expect("the fd stays open");
        act();
    }
}
