//! The application's code where nothing may unwind: its logger, tracer and wakers.
//!
//! They are called from inside libxl, where unwinding ends the process, or between two steps which must both be taken. A
//! panic of theirs ends here; the process's panic hook ([`std::panic::set_hook`]) has reported it by then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Calls it; `None` if it panicked.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Unwind safe: what the application leaves half-changed is its own. The payload's drop could panic again.
    catch_unwind(AssertUnwindSafe(work)).map_err(std::mem::forget).ok()
}

/// With no lock held.
pub(crate) fn wake(waker: Waker) {
    contained(|| waker.wake());
}

/// A message of this crate's own to the application's logger; use it as the macros of `log`, after a level.
macro_rules! say {
    ($level:ident, $($message:tt)+) => {
        _ = $crate::contain::contained(|| log::log!(log::Level::$level, $($message)+))
    };
}
pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;
    use std::sync::Arc;
    use std::task::Wake;

    /// Panics wherever it can.
    struct Unruly;

    impl Wake for Unruly {
        fn wake(self: Arc<Self>) {
            panic_any(self);
        }
    }

    impl Drop for Unruly {
        fn drop(&mut self) {
            panic!("once more");
        }
    }

    impl log::Log for Unruly {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, _: &log::Record<'_>) {
            panic!("a logger's");
        }

        fn flush(&self) {}
    }

    #[test]
    fn r15_a_wakers_panic_ends_in_its_call_also_one_whose_payload_panics_when_dropped() {
        wake(Waker::from(Arc::new(Unruly)));
        assert_eq!(contained(|| 7), Some(7));
    }

    #[test]
    fn r15_a_loggers_panic_ends_in_its_call() {
        static LOGGER: Unruly = Unruly;
        log::set_logger(&LOGGER).expect("no other test of this program has a logger");
        log::set_max_level(log::LevelFilter::Info);
        say!(Error, "this is {}", "said");
        log::set_max_level(log::LevelFilter::Off);
    }
}
