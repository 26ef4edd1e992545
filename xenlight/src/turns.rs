//! One thread at a time does a thing over and over; what another one has seen change meanwhile is looked at by that one.

use crate::guarded::Guarded;

#[derive(Default)]
pub(crate) struct Turns {
    /// A thread is at it; another that comes meanwhile only sets `again`.
    taken: bool,
    again: bool,
}

impl Turns {
    /// Whether the caller is the one who looks.
    pub(crate) fn enter(&mut self) -> bool {
        self.again = true;
        !std::mem::replace(&mut self.taken, true)
    }

    /// Whether something has changed since it looked last; if not, its turn is over.
    fn look_again(&mut self) -> bool {
        self.taken = std::mem::take(&mut self.again);
        self.taken
    }

    /// The one who looked has panicked: whoever comes next looks.
    fn give_back(&mut self) {
        self.taken = false;
    }

    /// Nobody looks, nor has to.
    #[cfg(test)]
    pub(crate) fn are_over(&self) -> bool {
        !self.taken && !self.again
    }
}

/// Looks until nothing changes any more, unless `enter` says that another thread does.
pub(crate) fn one_at_a_time<T>(
    state: &impl Guarded<T>,
    enter: impl FnOnce(&mut T) -> bool,
    turns: impl Fn(&mut T) -> &mut Turns,
    look: impl Fn(),
) {
    if !state.with(enter) {
        return;
    }
    let turn = OnUnwind(|| state.with(|state| turns(state).give_back()));
    while state.with(|state| turns(state).look_again()) {
        look();
    }
    // It is over, and may be another thread's already.
    std::mem::forget(turn);
}

/// Else nobody would ever look again.
struct OnUnwind<F: Fn()>(F);

impl<F: Fn()> Drop for OnUnwind<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_turn_that_panics_is_over_and_the_next_one_looks() {
        let state = Mutex::new(Turns::default());
        let looked = AtomicU32::new(0);
        let look = || {
            if looked.fetch_add(1, Ordering::Relaxed) == 0 {
                panic!("it looks");
            }
        };
        let once = || one_at_a_time(&state, Turns::enter, |turns| turns, look);
        assert!(catch_unwind(AssertUnwindSafe(once)).is_err());
        once();
        assert_eq!(looked.load(Ordering::Relaxed), 2);
        assert!(state.with(|turns| turns.are_over()));
    }
}
