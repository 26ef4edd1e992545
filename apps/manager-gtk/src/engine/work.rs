//! Work on the host that goes on for a while.

use super::Failure;
use futures_lite::StreamExt;
use futures_lite::future::{poll_fn, zip};
use gtk::{gio, glib};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use xenlight::{Ctx, Error, Operation, Progress};

/// Something that has begun, and can perhaps be aborted.
pub(crate) struct Work {
    end: Pin<Box<dyn Future<Output = Result<(), Failure>>>>,
    steps: Option<Steps>,
}

impl Work {
    /// An operation of libxl.
    pub(super) fn of<T: Send + 'static>(
        ctx: &Arc<Ctx>,
        begin: impl FnOnce(&Ctx) -> Operation<T> + Send + 'static,
    ) -> Self {
        let ctx = ctx.clone();
        Self::steps(|steps| async move { Ok(steps.run(&ctx, begin).await.map(drop)?) })
    }

    /// Several operations, one after the other, of which the present one can be aborted.
    pub(super) fn steps<F: Future<Output = Result<(), Failure>> + 'static>(work: impl FnOnce(Steps) -> F) -> Self {
        let steps = Steps::default();
        Self { end: Box::pin(work(steps.clone())), steps: Some(steps) }
    }

    /// Something that ends by itself, and soon.
    pub(crate) fn soon(end: impl Future<Output = Result<(), Failure>> + 'static) -> Self {
        Self { end: Box::pin(end), steps: None }
    }

    /// What cannot be done.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::soon(async { Err(failure) })
    }

    /// Has it end at once if it is aborted before there is anything to be aborted: while a person is asked for a password, which may take
    /// for ever. What is left goes on by itself, and what it still begins is aborted.
    pub(super) fn left_if_aborted(self) -> Self {
        let Self { end, steps } = self;
        let Some(steps) = steps else { return Self { end, steps } };
        let state = steps.0.clone();
        let mut end = Some(end);
        let end = poll_fn(move |context| {
            let going = end.as_mut().expect("it is over");
            if let Poll::Ready(result) = going.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            if state.is_left.get() {
                end.take().into_iter().for_each(|rest| drop(glib::spawn_future_local(rest)));
                return Poll::Ready(Err(Failure::aborted()));
            }
            state.leaving.replace(Some(context.waker().clone()));
            Poll::Pending
        });
        Self { end: Box::pin(end), steps: Some(steps) }
    }

    /// How to abort it, if that is possible.
    pub(crate) fn aborter(&self) -> Option<Rc<dyn Fn()>> {
        let steps = self.steps.clone()?;
        Some(Rc::new(move || steps.abort()))
    }

    /// Calls with the percentage of the present step.
    pub(crate) fn on_percent(&self, told: impl Fn(u8) + 'static) {
        if let Some(steps) = &self.steps {
            steps.0.percent.replace(Some(Rc::new(told)));
        }
    }

    /// Calls once it can no longer be aborted.
    pub(crate) fn on_settled(&self, told: impl Fn() + 'static) {
        if let Some(steps) = &self.steps {
            steps.0.on_settled.replace(Some(Box::new(told)));
        }
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.end.await
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("can_be_aborted", &self.steps.is_some()).finish_non_exhaustive()
    }
}

/// Runs the operations that a work consists of.
#[derive(Clone, Default)]
pub(super) struct Steps(Rc<State>);

/// Who is told of the percentage.
type OnPercent = Rc<dyn Fn(u8)>;

#[derive(Default)]
struct State {
    is_aborted: Cell<bool>,
    /// It can no longer be aborted.
    is_settled: Cell<bool>,
    /// Who is told of that.
    on_settled: RefCell<Option<Box<dyn Fn()>>>,
    /// An operation was begun.
    has_begun: Cell<bool>,
    /// It was aborted before.
    is_left: Cell<bool>,
    /// Who waits for that.
    leaving: RefCell<Option<Waker>>,
    /// Aborts the present operation.
    abort: RefCell<Option<Box<dyn Fn()>>>,
    percent: RefCell<Option<OnPercent>>,
}

impl Steps {
    /// Begins an operation and waits for its end. Once the work is aborted, every operation is.
    ///
    /// It is begun on another thread: for that, libxl has to let go of what it works on.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        ctx: &Arc<Ctx>,
        begin: impl FnOnce(&Ctx) -> Operation<T> + Send + 'static,
    ) -> Result<T, Error> {
        let ctx = ctx.clone();
        let operation = elsewhere(move || begin(&ctx)).await;
        let (mut reports, aborter) = (operation.progress(), operation.aborter());
        let watch = async {
            while let Some(report) = reports.next().await {
                if let Progress::Step { percent, .. } = report {
                    self.tell(percent);
                }
            }
        };
        // What cannot be aborted goes on to its end, and that is told.
        self.until(zip(operation, watch), move || drop(aborter.abort())).await.0
    }

    /// Waits for the end of an operation. Once the work is aborted, it is asked to end early.
    pub(super) async fn until<T>(&self, end: impl Future<Output = T>, abort: impl Fn() + 'static) -> T {
        self.0.has_begun.set(true);
        self.0.abort.replace(Some(Box::new(abort)));
        if self.0.is_aborted.get() {
            self.abort();
        }
        let result = end.await;
        self.0.abort.take();
        result
    }

    /// Tells how much of the present operation is done, in percent.
    pub(super) fn tell(&self, percent: u8) {
        let told = self.0.percent.borrow().clone();
        told.into_iter().for_each(|told| told(percent));
    }

    /// Between what is no operation and what follows.
    ///
    /// # Errors
    /// The work was aborted.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.0.is_aborted.get() { Err(Failure::aborted()) } else { Ok(()) }
    }

    /// From here on, an abort has no effect: half of what follows would leave less than there was.
    ///
    /// # Errors
    /// It was aborted before.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        self.go_on()?;
        self.0.is_settled.set(true);
        self.0.on_settled.take().into_iter().for_each(|told| told());
        Ok(())
    }

    fn abort(&self) {
        if self.0.is_settled.get() {
            return;
        }
        self.0.is_aborted.set(true);
        self.0.abort.borrow().iter().for_each(|abort| abort());
        if !self.0.has_begun.get() {
            self.0.is_left.set(true);
            self.0.leaving.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// Does what may wait, for a disk or for xenstored, on another thread than that of the windows.
pub(super) async fn elsewhere<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    gio::spawn_blocking(wait).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_a_context::{on_a_context, until};
    use std::time::Duration;

    #[test]
    fn work_that_is_settled_goes_on_if_it_is_aborted() {
        let steps = Steps::default();
        let (aborts, counted) = (Rc::<Cell<u32>>::default(), Rc::<Cell<u32>>::default());
        let operation = |aborting: &Rc<Cell<u32>>| {
            let aborting = aborting.clone();
            on_a_context(steps.until(async { steps.abort() }, move || aborting.set(aborting.get() + 1)));
        };
        steps.settle().expect("nobody has aborted it");
        operation(&aborts);
        assert!(steps.go_on().is_ok() && aborts.get() == 0);

        steps.0.is_settled.set(false);
        operation(&counted);
        assert_eq!(counted.get(), 1);
        assert!(steps.settle().is_err_and(|failure| failure.is_abort), "it is too late");
    }

    #[test]
    fn work_that_waits_for_a_password_is_left_and_what_it_begins_then_is_aborted() {
        on_a_context(async {
            let [password, cancelled] = [(); 2].map(|()| Rc::<Cell<bool>>::default());
            let (asking, cancelling) = (password.clone(), cancelled.clone());
            let work = Work::steps(|steps| async move {
                until(|| asking.get()).await;
                steps.until(async {}, move || cancelling.set(true)).await;
                Ok(())
            });
            let work = work.left_if_aborted();
            let abort = work.aborter().expect("it has steps");
            let ended = glib::spawn_future_local(work.end());
            glib::timeout_future(Duration::ZERO).await;
            abort();
            let failure = ended.await.expect("nobody cancels it").expect_err("it was aborted");
            assert!(failure.is_abort && !cancelled.get(), "{failure:?}");
            password.set(true);
            until(|| cancelled.get()).await;
        });
    }
}
