//! What libxl's callbacks leave for the application, and its way to the loop's thread.
//!
//! Libxl runs its callbacks on whichever thread called into it ([E1]), inside that call ([E2]). They
//! only push here. The queue's fd is a source on the host's loop, in a registry of its own, because libxl may be registered with
//! another loop ([`work`](crate::work)). So the host's loop wakes and [`deliver`] runs on its thread, outside every client call and every lock: user code may do
//! anything there, dropping the `Ctx` or running the loop again included. A nested run delivers
//! what comes next, so a callback that waits for an operation in a loop of its own is served.

#[cfg(doc)]
use crate::contract::*;
use crate::hosted::Hosted;
use crate::lock;
use crate::queue::{Item, order};
use osevent_core::{Registry, current_thread};
use std::time::Duration;

/// Items for one turn of the loop, so that a flood leaves the host's own sources served ([O9]).
const BUDGET: usize = 64;

/// How long a thread that runs the loop leaves the processor to the one that delivers.
const YIELD: Duration = Duration::from_millis(10);

/// Delivers so many; false if another thread is at it.
fn deliver(hosted: &Hosted, budget: usize) -> bool {
    let delivered = order::deliver(&hosted.queue.order, current_thread(), budget, &|item| hand_over(hosted, item));
    if delivered {
        hosted.queue.free.notify_all();
    }
    delivered
}

/// The queue's fd is readable.
pub(crate) fn own_fd(hosted: &Hosted) {
    if deliver(hosted, BUDGET) {
        return;
    }
    // This thread runs the loop, too, and would come here over and over. Not until the other one is done: its
    // callback may be waiting for what this loop is to do.
    let order = lock(&hosted.queue.order);
    drop(hosted.queue.free.wait_timeout_while(order, YIELD, |order| order.is_being_delivered()));
}

/// The loop calls no more. Delivers what is left, with the end as the last, or leaves that to the thread that delivers already.
pub(crate) fn end(hosted: &Hosted) {
    lock(&hosted.queue.order).push_last(Item::End);
    deliver(hosted, usize::MAX);
}

fn hand_over(hosted: &Hosted, item: Item) {
    match item {
        Item::Completed(pending, rc) => pending.finish(rc),
        Item::Over(finish) => finish(),
        // A ctx that is being closed tells nothing any more.
        Item::Event(event) if hosted.closing.check_open().is_ok() => hosted.events.deliver(event),
        Item::Event(_) => {}
        // Nothing here panics, or those who wait for the close would wait for ever; the application's wakers are contained.
        Item::End => {
            hosted.events.end();
            hosted.followers.end();
            hosted.closing.end();
        }
    }
}

/// Has the loop's thread call it; where the loop calls no more, this thread or the one that delivers.
pub(crate) fn hand_in(registry: &Registry<Hosted>, finish: impl FnOnce() + Send + 'static) {
    let hosted = registry.client();
    let unattended = lock(&hosted.queue.order).hand_in(Item::Over(Box::new(finish)));
    if unattended {
        deliver(hosted, usize::MAX);
    }
}
