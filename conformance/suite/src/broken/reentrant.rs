//! A lock that its holder may take again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

#[derive(Default)]
pub(super) struct Reentrant {
    /// Who holds it, and how often.
    holder: Mutex<Option<(ThreadId, usize)>>,
    /// With `holder`: it is free.
    freed: Condvar,
}

/// Unlocks once when it is dropped.
pub(super) struct Held<'a>(&'a Reentrant);

impl Reentrant {
    pub(super) fn hold(&self) -> Held<'_> {
        let me = thread::current().id();
        let others = |holder: &mut Option<(ThreadId, usize)>| holder.is_some_and(|(thread, _)| thread != me);
        let holder = self.freed.wait_while(self.lock(), others);
        let mut holder = holder.unwrap_or_else(PoisonError::into_inner);
        let times = holder.map_or(0, |(_, times)| times);
        *holder = Some((me, times + 1));
        Held(self)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(ThreadId, usize)>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut holder = self.0.lock();
        *holder = holder.and_then(|(thread, times)| (times > 1).then_some((thread, times - 1)));
        if holder.is_none() {
            self.0.freed.notify_one();
        }
    }
}
