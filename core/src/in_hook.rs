#[cfg(doc)]
use crate::contract::*;
use core::cell::Cell;
use core::marker::PhantomData;

std::thread_local! {
    /// How many hooks deep this thread is; they nest where a hook of one client has another one's called.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A guard that marks the calling thread as [being in a hook](is_in_hook).
///
/// [`Hooks`](crate::Hooks) creates one in each hook. A binding has to create one wherever else the client calls code of the
/// program under the client's own lock, for instance in the logger. Guards nest.
#[derive(Debug)]
#[must_use = "the thread is in a hook while this lives"]
// Neither Send nor Sync: it counts for the thread that began it.
pub struct InHook(PhantomData<*const ()>);

impl InHook {
    /// Creates a guard for the calling thread.
    pub fn begin() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for InHook {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Whether the calling thread is in a hook of any client. In a hook, no client may be called ([O1], [R15]) and the thread must
/// not wait. The core makes no occurrence there, for any client.
pub fn is_in_hook() -> bool {
    DEPTH.get() > 0
}
