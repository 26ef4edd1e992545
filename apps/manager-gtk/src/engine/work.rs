//! Work on the host that goes on for a while.

use super::Failure;
use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use xenlight::Operation;

/// Something that has begun, and can perhaps be aborted.
pub(crate) struct Work {
    end: Pin<Box<dyn Future<Output = Result<(), Failure>>>>,
    abort: Option<Rc<dyn Fn()>>,
}

impl Work {
    /// An operation of libxl.
    pub(crate) fn of<T: 'static>(operation: Operation<T>) -> Self {
        let operation = Rc::new(RefCell::new(operation));
        let aborted = operation.clone();
        let end = async move {
            poll_fn(|context| Pin::new(&mut *operation.borrow_mut()).poll(context)).await?;
            Ok(())
        };
        // What cannot be aborted goes on to its end, and that is told.
        Self { end: Box::pin(end), abort: Some(Rc::new(move || drop(aborted.borrow().abort()))) }
    }

    /// Something that ends by itself, and soon.
    pub(crate) fn soon(end: impl Future<Output = Result<(), Failure>> + 'static) -> Self {
        Self { end: Box::pin(end), abort: None }
    }

    /// How to abort it, if that is possible.
    pub(crate) fn aborter(&self) -> Option<Rc<dyn Fn()>> {
        self.abort.clone()
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.end.await
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("can_be_aborted", &self.abort.is_some()).finish_non_exhaustive()
    }
}
