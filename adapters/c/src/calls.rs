//! The calls into libxl that each thread has begun and not ended.
//!
//! C has no destructors, so a guest call lies here from `osevent_enter` to `osevent_leave`. When a thread ends, its
//! calls end with it.

use crate::hosted::Hosted;
use osevent_core::{Closed, GuestCall, Registry};
use std::cell::RefCell;
use std::sync::Arc;

/// Fields are dropped in their order: the call before the registry that it refers to.
struct Call {
    /// `'static` stands for as long as `registry`.
    _call: GuestCall<'static, Hosted>,
    registry: Arc<Registry<Hosted>>,
}

thread_local! {
    /// Never borrowed across an `enter`, or the drop of a call, which can free the ctx.
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
}

/// Begins one on this thread; `None` where the thread is ending and has nowhere to keep it.
pub(crate) fn enter(registry: Arc<Registry<Hosted>>) -> Option<Result<(), Closed>> {
    CALLS.try_with(|_| ()).ok()?;
    // SAFETY: the registry does not move, and lives at least as long as the `Call` that keeps both.
    let entered = unsafe { &*Arc::as_ptr(&registry) }.enter();
    Some(entered.map(|_call| {
        let call = Call { _call, registry };
        CALLS.with_borrow_mut(|calls| calls.push(call));
    }))
}

/// Ends the last one of this thread that was begun with the ctx that `is_it` knows; false if there is none.
pub(crate) fn leave(is_it: impl Fn(&Hosted) -> bool) -> bool {
    let taken = CALLS.try_with(|calls| {
        let mut calls = calls.borrow_mut();
        let at = calls.iter().rposition(|call| is_it(call.registry.guest()))?;
        Some(calls.remove(at))
    });
    // The call ends here: outside the borrow.
    matches!(taken, Ok(Some(_)))
}
