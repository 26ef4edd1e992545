//! Operations of libxl as futures.
//!
//! # What must live until completion
//! Libxl keeps the pointers it was given, other than the `AsyncopHow`, until the operation's callback has run
//! (E9). So each operation owns what it passed in `finish`, boxed, from before the call that starts
//! it until its result is delivered.
//!
//! # Which operation a callback is for
//! `for_callback` is a counted pointer to [`Pending`]. Libxl calls back exactly once if the start
//! succeeded and never if it failed (E9); either way that count is taken back once. An abort names
//! the operation by the same pointer and holds a count meanwhile, so no other operation can have the address
//! until it is over (E6).

use crate::contain::wake;
use crate::ctx::Hosted;
use crate::delivery::Item;
use crate::error::{Code, Error};
use crate::{Release, lock};
use core::ffi::{c_int, c_void};
use osevent_core::Registry;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use xenlight_sys::domain::{AsyncopFor, AsyncopHow};
use xenlight_sys::{Ctx as RawCtx, codes};

/// An operation that libxl carries out: it has begun, and resolves to its result.
///
/// The result is delivered by the loop's thread; await it on any. Dropping this does not end the
/// operation: [`abort`](Self::abort) asks for that. Closing the ctx ends it, too.
///
/// ```no_run
/// # async fn example(ctx: xenlight::Ctx, domid: u32) -> Result<(), xenlight::Error> {
/// // Begins here; a domain that does not listen would take libxl's 60 s.
/// let shutdown = ctx.shutdown(domid)?;
/// # let impatient = true;
/// if impatient {
///     shutdown.abort()?;
/// }
/// match shutdown.await {
///     Err(error) if error.is_aborted() => ctx.destroy(domid)?.await,
///     result => result,
/// }
/// # }
/// ```
#[must_use = "an operation that is not awaited goes on, but nobody learns how it ends"]
pub struct Operation<T> {
    outcome: Arc<Outcome<T>>,
    pending: Option<Arc<Pending>>,
}

/// What became of a request to abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// It is noted. The operation ends with [`Error::is_aborted`], or with its own result if that came first; either can take long (E6).
    Requested,
    /// It was asked for before.
    AlreadyRequested,
    /// The operation is over, or its completion is under way.
    Over,
}

impl<T> Operation<T> {
    /// One that is over already.
    pub(crate) fn ready(result: Result<T, Error>) -> Self {
        Self { outcome: Arc::new(Outcome(Mutex::new(State::Done(result)))), pending: None }
    }

    /// Asks libxl to end the operation early. From any thread; it may wait for libxl's lock, for as
    /// long as another thread works inside (O12).
    ///
    /// # Errors
    /// [`Error::Unsupported`] with Xen 4.5 and earlier, [`Error::Closed`], or what libxl says.
    pub fn abort(&self) -> Result<Abort, Error> {
        self.pending.as_ref().map_or(Ok(Abort::Over), |pending| pending.abort())
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The application's code, as its drop: not under the lock.
        let waker = context.waker().clone();
        let _replaced;
        let mut state = lock(&self.outcome.0);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(result) => Poll::Ready(result),
            State::Running(before) => {
                _replaced = before;
                *state = State::Running(Some(waker));
                Poll::Pending
            }
            State::Taken => panic!("an operation was polled again after it was over"),
        }
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = !matches!(*lock(&self.outcome.0), State::Running(_));
        f.debug_struct("Operation").field("over", &over).finish_non_exhaustive()
    }
}

struct Outcome<T>(Mutex<State<T>>);

enum State<T> {
    Running(Option<Waker>),
    Done(Result<T, Error>),
    Taken,
}

impl<T> Outcome<T> {
    fn set(&self, result: Result<T, Error>) {
        let before = std::mem::replace(&mut *lock(&self.0), State::Done(result));
        if let State::Running(Some(waker)) = before {
            wake(waker);
        }
    }
}

type Finish = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// An operation in progress, as libxl's callback finds it.
pub(crate) struct Pending {
    registry: Weak<Registry<Hosted>>,
    number: u64,
    doing: &'static str,
    /// Until the result is delivered.
    finish: Mutex<Option<Finish>>,
}

impl Pending {
    fn how(self: &Arc<Self>) -> AsyncopHow {
        AsyncopHow { callback: Some(completed), u: AsyncopFor { for_callback: Arc::as_ptr(self) as *mut c_void } }
    }

    /// On the loop's thread, outside every guest call.
    pub(crate) fn finish(&self, rc: c_int) {
        let finish = lock(&self.finish).take();
        let Some(registry) = self.registry.upgrade() else { return };
        if let Some(finish) = finish {
            finish(registry.guest().check(self.doing, rc));
        }
    }

    pub(crate) fn abort(self: &Arc<Self>) -> Result<Abort, Error> {
        let Some(registry) = self.registry.upgrade() else { return Ok(Abort::Over) };
        let hosted = registry.guest();
        let call = registry.enter()?;
        let Some(abort) = hosted.library().ao_abort() else {
            let loaded = hosted.library().release();
            return Err(Error::Unsupported { what: "aborting an operation", needs: Release::V4_6, loaded });
        };
        // Over: libxl would only say so. The address is nobody else's, here or below, while `self` is counted (E6).
        if !hosted.operations.contains(self) {
            return Ok(Abort::Over);
        }
        let how = self.how();
        // SAFETY: the ctx lives while `call` does; `how` is read during the call only.
        let rc = unsafe { abort(hosted.raw(&call), &how) };
        match rc {
            0 => Ok(Abort::Requested),
            codes::ERROR_ABORTED => Ok(Abort::AlreadyRequested),
            codes::ERROR_NOTFOUND => Ok(Abort::Over),
            rc => Err(Error::Libxl { doing: "abort an operation", code: Code(rc), refusal: None }),
        }
    }
}

/// The operations whose callback has not run yet.
#[derive(Default)]
pub(crate) struct Operations(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    next: u64,
    pending: HashMap<u64, Arc<Pending>>,
}

impl Operations {
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).pending.is_empty()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Pending>> {
        lock(&self.0).pending.values().cloned().collect()
    }

    fn contains(&self, pending: &Pending) -> bool {
        lock(&self.0).pending.contains_key(&pending.number)
    }

    fn remove(&self, pending: &Pending) {
        let _removed = lock(&self.0).pending.remove(&pending.number);
    }
}

/// Starts one: `initiate` makes the call into libxl with the ctx and the `AsyncopHow`; `finish` makes the
/// result and owns whatever libxl was given pointers to.
///
/// # Errors
/// The ctx is closed, its loop is gone, or libxl refused to start; then `finish` is dropped unused.
pub(crate) fn start<T: Send + 'static>(
    registry: &Arc<Registry<Hosted>>,
    doing: &'static str,
    initiate: impl FnOnce(*mut RawCtx, *const AsyncopHow) -> c_int,
    finish: impl FnOnce(Result<(), Error>) -> Result<T, Error> + Send + 'static,
) -> Result<Operation<T>, Error> {
    let hosted = registry.guest();
    let call = registry.enter()?;
    // Inside the gate: a close that begins now waits for this call, and then sees the operation.
    hosted.closing.check_open()?;
    if hosted.closing.loop_is_gone() {
        return Err(Error::LoopGone);
    }
    let outcome = Arc::new(Outcome(Mutex::new(State::Running(None))));
    let to_set = outcome.clone();
    let finish: Finish = Box::new(move |result| to_set.set(finish(result)));
    let pending = {
        let mut numbered = lock(&hosted.operations.0);
        numbered.next += 1;
        let pending = Arc::new(Pending {
            registry: Arc::downgrade(registry),
            number: numbered.next,
            doing,
            finish: Mutex::new(Some(finish)),
        });
        numbered.pending.insert(pending.number, pending.clone());
        pending
    };
    let how = pending.how();
    // The count that libxl holds, at the address that `how` has.
    let for_libxl = Arc::into_raw(pending.clone());
    let rc = initiate(hosted.raw(&call), &how);
    if rc != 0 {
        // SAFETY: from `into_raw` above; an initiator that fails makes no callback (E9), so the
        // count is still ours.
        drop(unsafe { Arc::from_raw(for_libxl) });
        hosted.operations.remove(&pending);
        let unused = lock(&pending.finish).take();
        drop(call);
        drop(unused);
        return Err(hosted.error(doing, rc));
    }
    Ok(Operation { outcome, pending: Some(pending) })
}

/// Libxl's callback: on any thread inside libxl, with the ctx unlocked (E1).
unsafe extern "C" fn completed(_: *mut RawCtx, rc: c_int, for_callback: *mut c_void) {
    // SAFETY: `for_callback` is what `start` gave libxl for this operation, a count that is given
    // back here, in the one callback (E9).
    let pending = unsafe { Arc::from_raw(for_callback.cast::<Pending>().cast_const()) };
    // The registry lives at least until its ctx is freed, which this call's thread is inside of.
    let Some(registry) = pending.registry.upgrade() else { return };
    let hosted = registry.guest();
    hosted.operations.remove(&pending);
    hosted.queue.push(Item::Completed(pending, rc));
    // A close waits for the last operation; this call is still inside the gate.
    hosted.closing.progressed(&registry);
}
