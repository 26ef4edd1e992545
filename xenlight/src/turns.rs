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
    while state.with(|state| turns(state).look_again()) {
        look();
    }
}
