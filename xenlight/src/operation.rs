//! Operations of libxl as futures.
//!
//! # What must live until completion
//! Libxl keeps the pointers it was given, other than the `AsyncopHow`, until the operation's callback has run
//! (E9). So each operation owns what it passed in `finish`, from before the call that starts
//! it until its result is delivered; that call's thread has a count of it, too. Both let go before anybody
//! learns of the end: a file is closed then.
//!
//! # Where it is begun
//! On the thread that asks for it; or, where the ctx has a thread of its own, there. What cannot be begun is over at once, with the
//! reason as its result.
//!
//! # Which operation a callback is for
//! `for_callback` is a counted pointer to [`Pending`]. Libxl calls back exactly once if the start
//! succeeded and never if it failed (E9); either way that count is taken back once. An abort names
//! the operation by the same pointer and holds a count meanwhile, so no other operation can have the address
//! until it is over (E6).

use crate::contain::{say, wake};
use crate::ctx::Hosted;
use crate::delivery::{self, Item};
use crate::error::Error;
use crate::inside;
use crate::task::Task;
use crate::words::{Listener, Words};
use crate::{Release, lock};
use core::ffi::{c_int, c_void};
use osevent_core::Registry;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use xenlight_sys::domain::{AsyncopFor, AsyncopHow};
use xenlight_sys::{Ctx as RawCtx, Library, codes};

/// An operation that libxl carries out: it has begun, and resolves to its result. One that could not be begun is over, with the reason.
///
/// The result is delivered by the loop's thread; await it on any. Dropping this does not end the
/// operation: [`abort`](Self::abort) asks for that. Closing the ctx ends it, too.
///
/// ```no_run
/// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
/// // Begins here; a domain that does not listen would take libxl's 60 s.
/// let shutdown = ctx.shutdown(domid);
/// # let impatient = true;
/// if impatient {
///     shutdown.abort()?;
/// }
/// match shutdown.await {
///     Err(error) if error.is_aborted() => ctx.destroy(domid).await,
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
#[non_exhaustive]
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

    /// The operation that `begin` has begun, or one that is over with what prevented it.
    pub(crate) fn begun(begin: impl FnOnce() -> Result<Self, Error>) -> Self {
        begin().unwrap_or_else(|error| Self::ready(Err(error)))
    }

    /// Asks libxl to end the operation early. From any thread; it may wait for libxl's lock, for as
    /// long as another thread works inside (O12). Where the ctx has a thread of its own, that one asks, and this does
    /// not wait; an operation that it has not begun yet is not begun. What is no operation in this release
    /// [but blocks](crate::Ctx#a-domains-life) is always [`Abort::Over`], and is done all the same.
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

impl<T> Outcome<T> {
    fn running() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Running(None))))
    }
}

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
    task: Task,
    listener: Arc<Listener>,
    /// It failed, and its domain was gone then.
    domain_is_gone: AtomicBool,
    /// Until the result is delivered.
    finish: Mutex<Option<Finish>>,
    asked: Mutex<Asked>,
}

/// What the ctx's own thread has to do with it.
#[derive(Default)]
struct Asked {
    /// Until the call that begins it has returned.
    to_begin: bool,
    to_abort: bool,
    /// Libxl's result, where that came to be delivered before (E1).
    over: Option<c_int>,
}

impl Pending {
    fn how(self: &Arc<Self>) -> AsyncopHow {
        AsyncopHow { callback: Some(completed), u: AsyncopFor { for_callback: Arc::as_ptr(self) as *mut c_void } }
    }

    /// It has not begun: nobody gets its result.
    fn forget(&self) {
        // Dropped outside the lock: it owns what the application passed in.
        let _unused = lock(&self.finish).take();
    }

    /// On the loop's thread, outside every client call.
    pub(crate) fn finish(&self, rc: c_int) {
        {
            let mut asked = lock(&self.asked);
            if asked.to_begin {
                // The thread that begins it still has the inputs, which are to be gone before anybody learns of the end.
                asked.over = Some(rc);
                return;
            }
        }
        let finish = lock(&self.finish).take();
        let Some(registry) = self.registry.upgrade() else { return };
        if let Some(finish) = finish {
            finish(self.result(registry.client(), rc));
        }
    }

    fn result(&self, hosted: &Hosted, rc: c_int) -> Result<(), Error> {
        match self.task.domid {
            _ if rc == 0 => Ok(()),
            // Relaxed: set before the completion was put in the queue, whose lock orders it.
            Some(domid) if self.domain_is_gone.load(Ordering::Relaxed) => Err(self.task.no_such_domain(domid)),
            _ => Err(hosted.error(self.task.doing, rc, self.listener.words())),
        }
    }

    fn abort(self: &Arc<Self>) -> Result<Abort, Error> {
        let Some(registry) = self.registry.upgrade() else { return Ok(Abort::Over) };
        let hosted = registry.client();
        let Some(worker) = &hosted.worker else { return self.abort_here() };
        ability_to_abort(hosted)?;
        hosted.closing.check_open()?;
        let asked_before = {
            let mut asked = lock(&self.asked);
            if !asked.to_begin && !hosted.operations.contains(self) {
                return Ok(Abort::Over);
            }
            std::mem::replace(&mut asked.to_abort, true)
        };
        if asked_before {
            return Ok(Abort::AlreadyRequested);
        }
        let pending = self.clone();
        worker.post(&registry, move |_| {
            // Over meanwhile, or never begun.
            if let Err(error) = pending.abort_here() {
                say!(Debug, "an abort came to nothing: {error}");
            }
        });
        Ok(Abort::Requested)
    }

    /// On the calling thread, whichever that is.
    pub(crate) fn abort_here(self: &Arc<Self>) -> Result<Abort, Error> {
        let Some(registry) = self.registry.upgrade() else { return Ok(Abort::Over) };
        let hosted = registry.client();
        let call = inside::enter(&registry)?;
        let abort = ability_to_abort(hosted)?;
        // Over: libxl would only say so. The address is nobody else's, here or below, while `self` is counted (E6).
        if !hosted.operations.contains(self) {
            return Ok(Abort::Over);
        }
        let how = self.how();
        let _attending = hosted.hearing().attend(Some(self.listener.clone()));
        // SAFETY: the ctx lives while `call` does; `how` is read during the call only.
        let rc = unsafe { abort(hosted.raw(&call), &how) };
        match rc {
            0 => Ok(Abort::Requested),
            codes::ERROR_ABORTED => Ok(Abort::AlreadyRequested),
            codes::ERROR_NOTFOUND => Ok(Abort::Over),
            rc => Err(hosted.error("abort an operation", rc, Words::default())),
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

    fn number(&self, registry: &Arc<Registry<Hosted>>, task: Task, finish: Finish) -> Arc<Pending> {
        let mut numbered = lock(&self.0);
        numbered.next += 1;
        Arc::new(Pending {
            registry: Arc::downgrade(registry),
            number: numbered.next,
            task,
            listener: task.listener(),
            domain_is_gone: AtomicBool::new(false),
            finish: Mutex::new(Some(finish)),
            asked: Mutex::default(),
        })
    }

    /// # Errors
    /// It is the second that destroys a domain.
    fn insert(&self, pending: &Arc<Pending>) -> Result<(), Error> {
        let mut numbered = lock(&self.0);
        if let Some(domid) = pending.task.destroys()
            && numbered.pending.values().any(|other| other.task.destroys() == Some(domid))
        {
            return Err(Error::BeingDestroyed { domid });
        }
        numbered.pending.insert(pending.number, pending.clone());
        Ok(())
    }

    fn contains(&self, pending: &Pending) -> bool {
        lock(&self.0).pending.contains_key(&pending.number)
    }

    fn remove(&self, pending: &Pending) {
        let _removed = lock(&self.0).pending.remove(&pending.number);
    }
}

/// `libxl_ao_abort`, of 4.6 and later.
fn ability_to_abort(hosted: &Hosted) -> Result<AoAbort, Error> {
    hosted.library().ao_abort().ok_or_else(|| Error::Unsupported {
        what: "aborting an operation",
        needs: Release::V4_6,
        loaded: hosted.library().release(),
    })
}

type AoAbort = unsafe extern "C" fn(*mut RawCtx, *const AsyncopHow) -> c_int;

/// Starts one, if its domain is there and may be done to. `inputs` is what libxl is given pointers into, and stays where it is until the result is delivered (E9).
/// `initiate` makes the call into libxl with it, `finish` makes the result.
///
/// # Errors
/// The ctx is closed, its loop is gone, the task is one that is refused, or, unless it has a thread of its own, libxl refused to start.
pub(crate) fn start<I: Send + Sync + 'static, T: Send + 'static>(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    inputs: I,
    initiate: impl FnOnce(&Library, *mut RawCtx, &I, *const AsyncopHow) -> c_int + Send + 'static,
    finish: impl FnOnce(&I, Result<(), Error>) -> Result<T, Error> + Send + 'static,
) -> Result<Operation<T>, Error> {
    let hosted = registry.client();
    task.check()?;
    let inputs = Arc::new(inputs);
    let outcome = Outcome::running();
    let (to_set, owned) = (outcome.clone(), inputs.clone());
    let finish: Finish = Box::new(move |result| {
        let result = finish(&owned, result);
        drop(owned);
        to_set.set(result);
    });
    let initiate =
        move |library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow| initiate(library, ctx, &inputs, how);
    let pending = hosted.operations.number(registry, task, finish);
    let operation = Operation { outcome, pending: Some(pending.clone()) };
    let Some(worker) = &hosted.worker else {
        begin(registry, &pending, initiate).inspect_err(|_| pending.forget())?;
        return Ok(operation);
    };
    check_ready(hosted)?;
    lock(&pending.asked).to_begin = true;
    worker.post(registry, move |registry| {
        let is_aborted = lock(&pending.asked).to_abort;
        let begun = if is_aborted {
            drop(initiate);
            Err(registry.client().error(task.doing, codes::ERROR_ABORTED, Words::default()))
        } else {
            begin(registry, &pending, initiate)
        };
        let over = {
            let mut asked = lock(&pending.asked);
            asked.to_begin = false;
            asked.over
        };
        if let Err(error) = begun {
            let Some(finish) = lock(&pending.finish).take() else { return };
            delivery::hand_in(registry, move || finish(Err(error)));
        } else if let Some(rc) = over {
            delivery::hand_in(registry, move || pending.finish(rc));
        }
    });
    Ok(operation)
}

/// Does what blocks in this release, as an operation: before it returns, or on the ctx's own thread.
///
/// # Errors
/// The ctx is closed, or its loop is gone.
pub(crate) fn run<T: Send + 'static>(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    work: impl FnOnce(&Question<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<Operation<T>, Error> {
    task.check()?;
    let work = move |registry: &Arc<Registry<Hosted>>| ask(registry, task, work);
    let hosted = registry.client();
    let Some(worker) = &hosted.worker else { return Ok(Operation::ready(work(registry))) };
    check_ready(hosted)?;
    let outcome = Outcome::running();
    let to_set = outcome.clone();
    worker.post(registry, move |registry| {
        let result = work(registry);
        delivery::hand_in(registry, move || to_set.set(result));
    });
    Ok(Operation { outcome, pending: None })
}

/// A call into libxl that has its answer when it returns, made inside the gate.
pub(crate) struct Question<'a> {
    pub(crate) hosted: &'a Hosted,
    pub(crate) ctx: *mut RawCtx,
    task: Task,
    listener: Arc<Listener>,
}

impl Question<'_> {
    /// The error for what libxl returned.
    pub(crate) fn error(&self, rc: c_int) -> Error {
        self.task.error(self.hosted, self.ctx, rc, &self.listener)
    }

    pub(crate) fn check(&self, rc: c_int) -> Result<(), Error> {
        if rc == 0 { Ok(()) } else { Err(self.error(rc)) }
    }
}

/// Makes a synchronous call, if its domain is there.
///
/// # Errors
/// The ctx is closed, the task is one that is refused, or the call's.
pub(crate) fn ask<R>(
    registry: &Registry<Hosted>,
    task: Task,
    call: impl FnOnce(&Question<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let hosted = registry.client();
    // Before as well: the one that frees the ctx waits until no call is in progress.
    hosted.closing.check_open()?;
    let inside = inside::enter(registry)?;
    hosted.closing.check_open()?;
    let (ctx, listener) = (hosted.raw(&inside), task.listener());
    let _attending = hosted.hearing().attend(Some(listener.clone()));
    task.check_with(hosted, ctx)?;
    call(&Question { hosted, ctx, task, listener })
}

/// Whether an operation could be completed.
pub(crate) fn check_ready(hosted: &Hosted) -> Result<(), Error> {
    hosted.closing.check_open()?;
    if hosted.closing.loop_is_gone() { Err(Error::LoopGone) } else { hosted.link.check() }
}

fn begin(
    registry: &Arc<Registry<Hosted>>,
    pending: &Arc<Pending>,
    initiate: impl FnOnce(&Library, *mut RawCtx, *const AsyncopHow) -> c_int,
) -> Result<(), Error> {
    let hosted = registry.client();
    let call = inside::enter(registry)?;
    // Inside the gate: a close that begins now waits for this call, and then sees the operation.
    check_ready(hosted)?;
    let ctx = hosted.raw(&call);
    let listener = &pending.listener;
    let _attending = hosted.hearing().attend(Some(listener.clone()));
    pending.task.check_with(hosted, ctx)?;
    hosted.operations.insert(pending)?;
    hosted.hearing().begins(listener);
    let how = pending.how();
    // The count that libxl holds, at the address that `how` has.
    let for_libxl = Arc::into_raw(pending.clone());
    let rc = initiate(hosted.library(), ctx, &how);
    if rc != 0 {
        // SAFETY: from `into_raw` above; an initiator that fails makes no callback (E9), so the
        // count is still ours.
        drop(unsafe { Arc::from_raw(for_libxl) });
        hosted.operations.remove(pending);
        hosted.hearing().ended(listener);
        return Err(pending.task.error(hosted, ctx, rc, listener));
    }
    Ok(())
}

/// Libxl's callback: on any thread inside libxl, with the ctx unlocked (E1).
unsafe extern "C" fn completed(ctx: *mut RawCtx, rc: c_int, for_callback: *mut c_void) {
    // SAFETY: `for_callback` is what `start` gave libxl for this operation, a count that is given
    // back here, in the one callback (E9).
    let pending = unsafe { Arc::from_raw(for_callback.cast::<Pending>().cast_const()) };
    // The registry lives at least until its ctx is freed, which this call's thread is inside of.
    let Some(registry) = pending.registry.upgrade() else { return };
    let hosted = registry.client();
    hosted.hearing().ended(&pending.listener);
    // Libxl may be called from here (E2). Now, since the domain's number can name another one by the time of delivery.
    if rc != 0 && rc != codes::ERROR_ABORTED && pending.task.is_missing(hosted, ctx) {
        pending.domain_is_gone.store(true, Ordering::Relaxed);
    }
    hosted.operations.remove(&pending);
    hosted.queue.push(Item::Completed(pending, rc));
    // A close waits for the last operation; this call is still inside the gate.
    hosted.closing.progressed(&registry);
}
