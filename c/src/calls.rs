//! The calls into libxl that each thread has begun and not ended.
//!
//! C has no destructors, so a client call lies here from `osevent_enter` to `osevent_leave`. Nothing ends it but the
//! latter, not even the thread's end: exit(3) runs the destructors of thread locals, too, inside libxl's callbacks, where the
//! ctx must not be freed ([X5]), and in forked children ([S7], [X7]).

#[cfg(doc)]
use crate::contract::*;
use crate::hosted::Hosted;
use osevent_core::{ClientCall, Closed, Registry};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// Fields are dropped in their order: the call before the registry that it refers to.
struct Call {
    /// `'static` stands for as long as `registry`.
    _call: ClientCall<'static, Hosted>,
    registry: Arc<Registry<Hosted>>,
}

thread_local! {
    /// Never borrowed across an `enter`, or the drop of a call, which can free the ctx. Has no memory while it is empty, which a
    /// thread would leave behind.
    static CALLS: ManuallyDrop<RefCell<Vec<Call>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Begins one on this thread.
pub(crate) fn enter(registry: Arc<Registry<Hosted>>) -> Result<(), Closed> {
    // SAFETY: the registry does not move, and lives at least as long as the `Call` that keeps both.
    let _call = unsafe { &*Arc::as_ptr(&registry) }.enter()?;
    CALLS.with(|calls| calls.borrow_mut().push(Call { _call, registry }));
    Ok(())
}

/// Ends the last one of this thread that was begun with the ctx that `is_it` knows; false if there is none.
pub(crate) fn leave(is_it: impl Fn(&Hosted) -> bool) -> bool {
    let taken = CALLS.with(|calls| {
        let mut calls = calls.borrow_mut();
        let at = calls.iter().rposition(|call| is_it(call.registry.client()))?;
        let taken = calls.remove(at);
        if calls.is_empty() {
            *calls = Vec::new();
        }
        Some(taken)
    });
    // The call ends here: outside the borrow.
    taken.is_some()
}
