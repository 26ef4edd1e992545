//! Work on the host that goes on for a while.

use super::Failure;
use futures_lite::StreamExt;
use futures_lite::future::zip;
use gtk::gio;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use xenlight::{Error, Operation, Progress};

/// Something that has begun, and can perhaps be aborted.
pub(crate) struct Work {
    end: Pin<Box<dyn Future<Output = Result<(), Failure>>>>,
    steps: Option<Steps>,
}

impl Work {
    /// An operation of libxl.
    pub(super) fn of<T: 'static>(operation: Operation<T>) -> Self {
        Self::steps(|steps| async move { Ok(steps.run(operation).await.map(drop)?) })
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
    /// Aborts the present operation.
    abort: RefCell<Option<Rc<dyn Fn()>>>,
    percent: RefCell<Option<OnPercent>>,
}

impl Steps {
    /// Waits for the end of the operation. Once the work is aborted, every operation is.
    pub(super) async fn run<T: 'static>(&self, operation: Operation<T>) -> Result<T, Error> {
        let mut reports = operation.progress();
        let operation = Rc::new(RefCell::new(operation));
        let aborted = operation.clone();
        // What cannot be aborted goes on to its end, and that is told.
        self.0.abort.replace(Some(Rc::new(move || drop(aborted.borrow().abort()))));
        if self.0.is_aborted.get() {
            self.abort();
        }
        let end = poll_fn(|context| Pin::new(&mut *operation.borrow_mut()).poll(context));
        let watch = async {
            while let Some(report) = reports.next().await {
                let told = self.0.percent.borrow().clone();
                if let (Progress::Step { percent, .. }, Some(told)) = (report, told) {
                    told(percent);
                }
            }
        };
        let (result, ()) = zip(pin!(end), pin!(watch)).await;
        self.0.abort.take();
        result
    }

    fn abort(&self) {
        self.0.is_aborted.set(true);
        let abort = self.0.abort.borrow().clone();
        abort.into_iter().for_each(|abort| abort());
    }
}

/// Does what may wait, for a disk or for xenstored, on another thread than that of the windows.
pub(super) async fn elsewhere<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    gio::spawn_blocking(wait).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
