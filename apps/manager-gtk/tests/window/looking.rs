//! What is waited for is looked for again and again.

use osevent_standin_machine::Failure;
use std::panic::Location;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For anything to be there: the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks, or as long as a look takes: what is waited for needs the machine, too.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until there is something, or for too long. `look` is told whether it is the last time.
pub(crate) fn look_until<T>(mut look: impl FnMut(bool) -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let is_last = started.elapsed() >= LIMIT;
        let begun = Instant::now();
        let seen = look(is_last);
        if seen.is_some() || is_last {
            return seen;
        }
        sleep(LOOK.max(begun.elapsed()));
    }
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(is_so: impl Fn() -> bool) -> Result<(), Failure> {
    let place = Location::caller();
    look_until(|_| is_so().then_some(())).ok_or_else(|| format!("it does not come to be: {place}").into())
}
