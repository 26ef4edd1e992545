//! Closing a ctx, in the only order that libxl survives.
//!
//! 1. New work is refused.
//! 2. Operations are aborted, and they, their children and the reports of those are waited for ([X3]):
//!    the loop goes on meanwhile.
//! 3. The domains are followed no more; evgens are disabled.
//! 4. The gate closes; what is in progress ends ([X4]).
//! 5. The ctx is freed, outside every call into libxl ([X5]), with hooks still answered ([X2]).
//! 6. Cancelled timeouts that have not occurred are swept ([X6]); futures and streams end.
//!
//! # Nobody waits
//! Each step is taken by whichever thread finds that it can be: the core calls [`step`] when no
//! client call is in progress, which is asked for when the close begins and whenever an operation
//! or a child has ended. So a drop on the loop's thread does not wait for libxl's lock while another
//! thread works under it ([O12]). A blocking close only turns the loop until the last step is done.
//!
//! # Why no operation slips through
//! `start` checks the phase inside the gate. If it saw `Open`, the phase changed later, so the request for
//! an idle moment came later, too, and that moment is after the start has left the gate; by then the operation
//! is in the table. If it came to the gate after the idle moment, it sees `Closing`.

use crate::contain::{contained, say};
#[cfg(doc)]
use crate::contract::*;
use crate::hosted::Hosted;
use crate::{delivery, follow, inside, watch};
use osevent_core::{LoopError, Registry};
use std::sync::Arc;

/// Begins to close, unless that has happened.
///
/// Not in a forked child, where the loop and xenstore's socket are the parent's as well ([X7]). Destructors come
/// there, too: libxl's children end with exit(3) where a fork fails ([S7]), and that runs those of the thread's locals.
pub(crate) fn begin(registry: &Arc<Registry<Hosted>>) {
    if registry.client().children.is_forked() || !registry.client().closing.begin() {
        return;
    }
    inside::when_idle(registry);
    drive_if_orphaned(registry);
}

/// The host loop dispatches no more. That a forked child drops its copy of the loop says nothing of the parent's.
pub(crate) fn loop_gone(registry: &Arc<Registry<Hosted>>) {
    if registry.client().children.is_forked() {
        return;
    }
    registry.client().closing.set_loop_gone();
    drive_if_orphaned(registry);
}

/// Closes and turns the loop on this thread until that is done.
pub(crate) fn run(registry: &Arc<Registry<Hosted>>) -> Result<(), LoopError> {
    begin(registry);
    let closing = &registry.client().closing;
    while !closing.is_closed() {
        if let Some(why) = closing.stuck() {
            return Err(why);
        }
        registry.client().delivery_source().event_loop().turn(Some(closing.done_fd()))?;
    }
    Ok(())
}

fn drive_if_orphaned(registry: &Arc<Registry<Hosted>>) {
    // It has a thread that does it already.
    if registry.client().worker.is_some() {
        return;
    }
    if !registry.client().closing.is_to_be_driven() {
        return;
    }
    let driven = registry.clone();
    let spawned = std::thread::Builder::new().name("xenlight-close".into()).spawn(move || {
        // A panic, in a callback of another ctx on the same loop, ends the turn that it happened in, and not the close.
        let closed = loop {
            if let Some(closed) = contained(|| run(&driven)) {
                break closed;
            }
        };
        if let Err(error) = closed {
            say!(Error, "a libxl ctx cannot be closed and stays: its event loop is gone, and {error}");
        }
    });
    if let Err(error) = spawned {
        registry.client().closing.set_undriven();
        say!(
            Error,
            "a libxl ctx cannot be closed and stays: its event loop is gone, and no thread can be made: {error}"
        );
    }
}

/// Takes the steps that can be taken now. The core calls it, as `Owner::idle`.
pub(crate) fn step(registry: &Arc<Registry<Hosted>>) {
    registry.client().closing.step(|| advance(registry));
}

fn advance(registry: &Arc<Registry<Hosted>>) {
    let hosted = registry.client();
    for operation in hosted.operations.all().iter().filter(|operation| !operation.is_part()) {
        // Too old to abort, over meanwhile, or asked before: it is waited for all the same.
        if let Err(error) = operation.abort_here() {
            say!(Debug, "while closing: {error}");
        }
    }
    if !hosted.operations.is_empty() || !hosted.children.is_empty() {
        return;
    }
    follow::stop(registry);
    watch::disable_all(registry);
    match &hosted.worker {
        // Freed here, not on the thread of a question that was just asked (O12). No new one is: the phase is looked at first.
        Some(_) => registry.close_here(),
        None => registry.close(),
    }
}

/// The ctx is freed and nothing is registered. The core calls it, as `Owner::closed`.
pub(crate) fn finished(hosted: &Hosted) {
    hosted.delivery_source().close();
    hosted.forget_loop();
    hosted.link.close();
    delivery::end(hosted);
}
