use crate::ThreadId;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};

/// The id of the calling thread, for [`Registry::new`](crate::Registry::new). It is never given to another thread.
pub fn current_thread() -> ThreadId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    std::thread_local! {
        // Relaxed: only the value matters.
        static ME: ThreadId = ThreadId(
            NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("64 bits of threads do not run out"),
        );
    }
    ME.with(|me| *me)
}
