//! Where the application's code runs inside libxl, and what it cannot do there.
//!
//! Libxl calls its hooks and its logger with its lock held, in the middle of work on its lists. From there the application's
//! tracer, its logger and its loop's registration methods are called. Were they to call libxl on the same thread, which the lock lets in, the
//! lists would be corrupt afterwards, and an assertion or a crash would follow much later; on another ctx two threads could each hold
//! what the other one waits for ([R15]). Occurrences are forbidden there altogether ([O1]). So:
//!
//! - A call that can be refused is refused: [`enter`].
//! - What cannot be refused, a drop above all, is done later: [`when_idle`].
//! - The core makes no occurrence there, and puts a due one off: `Owner::is_in_hook`.
//!
//! Which thread is inside is known to that thread alone, so nothing is shared.

use crate::contain::say;
#[cfg(doc)]
use crate::contract::*;
use crate::error::Error;
use osevent_core::{ClientCall, ClientValue, Deadline, Owner, Registry, is_in_hook};

/// # Errors
/// [`Error::InsideHook`].
pub(crate) fn check() -> Result<(), Error> {
    if is_in_hook() { Err(Error::InsideHook) } else { Ok(()) }
}

/// Begins a call into libxl.
///
/// # Errors
/// [`Error::InsideHook`], or [`Error::Closed`].
pub(crate) fn enter<C: Owner>(registry: &Registry<C>) -> Result<ClientCall<'_, C>, Error> {
    check()?;
    Ok(registry.enter()?)
}

/// The timer that [`when_idle`] sets; the children's is 0.
pub(crate) const LATER: ClientValue = ClientValue(1);

/// [`Registry::when_idle`], or, inside a hook, as soon as the loop has come to it. Inside a hook of the same ctx it would come after that
/// by itself, but for another ctx it could come at once.
pub(crate) fn when_idle<C: Owner>(registry: &Registry<C>) {
    if !is_in_hook() {
        return registry.when_idle();
    }
    if let Err(error) = registry.watch_deadline(Deadline::ASAP, LATER) {
        // Better than never; what is feared is two threads that do this with the same two ctxs.
        say!(Debug, "the loop cannot be asked to call later, so it is done now: {error}");
        registry.when_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Error;
    use osevent_core::InHook;

    #[test]
    fn r15_a_call_into_libxl_is_refused_inside_a_hook() {
        let in_hook = InHook::begin();
        assert!(matches!(check(), Err(Error::InsideHook)));
        drop(in_hook);
        assert!(check().is_ok());
    }
}
