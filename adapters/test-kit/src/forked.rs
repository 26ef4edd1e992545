//! A part of a test in a forked child (X7).

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held for the whole of a test whose child takes locks that other tests' threads take, GLib's own say: a child gets
/// them as they were at its fork, and waits for ever for one that another thread held.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `act`, with the copy that a forked child has of everything, then ends the child with exit(3), which runs the
/// destructors of thread locals. A panic there is one here.
pub fn in_forked_child(act: impl FnOnce()) {
    // SAFETY: the child only does what the test is about, and never returns from here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // One that waits for ever does not stay.
        // SAFETY: takes no pointers.
        unsafe { libc::alarm(20) };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        // Not std's, which first takes a lock that a test's thread that starts or ends may hold at the fork.
        // SAFETY: no other thread is in this process that could call it, too.
        unsafe { libc::exit(if done.is_ok() { 0 } else { 1 }) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: our own child, not waited for yet; `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child's wait status");
}
