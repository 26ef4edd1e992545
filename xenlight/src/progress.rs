//! What libxl tells of an operation while it lasts.
//!
//! Of steps the latest is kept, until somebody takes it. Libxl's lock is held where a step is told, so who waits is woken from the delivery
//! queue. Where nobody waits, a step costs a lock and its text.

#[cfg(doc)]
use crate::contract::*;
use crate::lock;
use crate::streams::{Buffer, poll};
use core::ffi::c_ulong;
use futures_core::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use uuid::Uuid;
use xenlight_types::DomainId;

/// What an operation in progress reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A step of the work has come that far.
    Step {
        /// The step, in libxl's words, such as `Frames`. The steps of a live migration are numbered: each sends what has changed during
        /// the one before.
        what: String,
        /// How much of it is done, from 0 to 100.
        percent: u8,
    },
    /// The other side of a migration has said which domain it sends, by its uuid. From now on there can be a copy of it here, named
    /// `NAME--incoming`, while it runs there: nothing but this operation may let the copy run before the operation has ended.
    Receiving(Uuid),
    /// The console of a domain in creation is there, and the domain has this number. It is libxl's until the operation has ended: do
    /// nothing to it but open its [console](crate::Ctx::open_console).
    Console(DomainId),
}

/// A stream of what an [operation](crate::Operation::progress) reports. It ends when the operation has ended.
///
/// Any task on any thread may poll it. Of a step that nobody has taken, only the latest state is kept.
#[must_use = "a stream that is not polled reports nothing"]
pub struct Reports(Option<Arc<Reported>>);

impl Reports {
    /// Of an operation that is over if there is none.
    pub(crate) fn of(reported: Option<Arc<Reported>>) -> Self {
        Self(reported)
    }

    /// Whether it has asked its domain to suspend, and not taken that back.
    pub(crate) fn has_asked_to_suspend(&self) -> bool {
        // Relaxed: it is looked at when the operation is over, whose result is handed over under a lock.
        self.0.as_ref().is_some_and(|reported| reported.asks_to_suspend.load(Ordering::Relaxed))
    }
}

impl Stream for Reports {
    type Item = Progress;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        match &self.0 {
            Some(reported) => poll(&reported.unread, context),
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

/// What one operation has reported, and who waits for more.
#[derive(Default)]
pub(crate) struct Reported {
    unread: Mutex<Buffer<Progress>>,
    /// The latest, to be told once.
    latest: Mutex<Option<Progress>>,
    /// Its domain was asked to suspend, and that was not taken back.
    asks_to_suspend: AtomicBool,
}

impl Reported {
    /// Returns the one who waits for it: to be woken where no lock is held.
    #[must_use]
    pub(crate) fn add(&self, progress: Progress) -> Option<Waker> {
        let before = lock(&self.latest).replace(progress.clone());
        if before.as_ref() == Some(&progress) {
            return None;
        }
        let mut unread = lock(&self.unread);
        match (unread.last_mut(), &progress) {
            (Some(waiting @ Progress::Step { .. }), Progress::Step { .. }) => *waiting = progress,
            _ => unread.add(progress),
        }
        unread.take_waker()
    }

    /// Libxl asks the domain to suspend, or takes that back.
    pub(crate) fn set_asks_to_suspend(&self, asks: bool) {
        self.asks_to_suspend.store(asks, Ordering::Relaxed);
    }

    /// Nothing comes any more. Returns the one who waits.
    #[must_use]
    pub(crate) fn end(&self) -> Option<Waker> {
        lock(&self.unread).end()
    }
}

/// The percentage of a step, from what libxl passes. A mark in the stream, such as its end, has no total.
pub(crate) fn percent(done: c_ulong, total: c_ulong) -> Option<u8> {
    let percent = u128::from(done.min(total)) * 100 / u128::from(total).max(1);
    (total != 0).then(|| percent.try_into().expect("it is at most 100"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::StreamExt;
    use futures_lite::future::{block_on, poll_once};

    fn step(what: &str, percent: u8) -> Progress {
        Progress::Step { what: what.to_owned(), percent }
    }

    #[test]
    fn of_steps_that_nobody_has_taken_the_latest_is_kept_and_a_console_always() {
        let reported = Arc::new(Reported::default());
        let console = Progress::Console(DomainId::new(5));
        for progress in [step("a", 1), step("a", 2), console.clone(), step("b", 0), step("b", 7)] {
            assert!(reported.add(progress).is_none(), "nobody waits");
        }
        assert!(reported.end().is_none());
        let reports: Vec<_> = block_on(Reports::of(Some(reported)).collect());
        assert_eq!(reports, [step("a", 2), console, step("b", 7)]);
        assert_eq!(block_on(Reports::of(None).next()), None);
    }

    #[test]
    fn who_waits_is_woken_by_news_only_and_by_the_end() {
        let reported = Arc::new(Reported::default());
        let mut reports = Reports::of(Some(reported.clone()));
        assert_eq!(block_on(poll_once(reports.next())), None);
        assert!(reported.add(step("a", 1)).is_some());
        assert_eq!(block_on(poll_once(reports.next())), Some(Some(step("a", 1))));
        assert_eq!(block_on(poll_once(reports.next())), None);
        assert!(reported.add(step("a", 1)).is_none(), "it is no news");
        assert!(reported.end().is_some());
        assert_eq!(block_on(poll_once(reports.next())), Some(None));
    }

    #[test]
    fn a_percentage_is_one_whatever_libxl_counts() {
        assert_eq!(
            [percent(0, 7), percent(6, 7), percent(7, 7), percent(9, 7)],
            [Some(0), Some(85), Some(100), Some(100)]
        );
        assert_eq!([percent(0, 0), percent(c_ulong::MAX, c_ulong::MAX)], [None, Some(100)]);
    }
}
