//! Operations of libxl as futures.
//!
//! # What must live until completion
//! Libxl keeps the pointers it was given, other than the `AsyncopHow`, until the operation's callback has run
//! ([E9]). So each operation owns its [`Request`], which has what was passed, from before the call that starts
//! it until its result is delivered; that call's thread has a count of it, too. Both let go before anybody
//! learns of the end: a file is closed then.
//!
//! # Where it is begun
//! On the thread that asks for it; or, where the ctx has a thread of its own, there. What cannot be begun is over at once, with the
//! reason as its result.
//!
//! # Which operation a callback is for
//! `for_callback` is a counted pointer to [`Begun`]. Libxl calls back exactly once if the start
//! succeeded and never if it failed ([E9]); either way that count is taken back once. An abort names
//! the operation by the same pointer and holds a count meanwhile, so no other operation can have the address
//! until it is over ([E6]).

use crate::contain::{say, wake};
#[cfg(doc)]
use crate::contract::*;
use crate::delivery;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::inside;
use crate::lock;
use crate::pending::{Abort, Completed, Pending};
use crate::progress::{Progress, Reported, Reports};
use crate::question::{Question, ask};
use crate::queue::Item;
use crate::task::Task;
use crate::words::{Listener, Words};
use core::ffi::{c_int, c_void};
use osevent_core::Registry;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use xenlight_sys::domain::{AsyncopFor, AsyncopHow, AsyncprogressHow};
use xenlight_sys::event::Event;
use xenlight_sys::{Ctx as RawCtx, Library, Release, codes};
use xenlight_types::DomainId;

/// An operation of libxl that has begun. The future resolves to its result. If the operation could not be begun, the future
/// resolves to the error at once.
///
/// The thread of the loop delivers the result; any thread may await it. Dropping the future does not end the operation.
/// [`abort`](Self::abort) requests its end, and so does closing the ctx.
///
/// ```no_run
/// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
/// // Begins here. If the domain does not answer, libxl waits for 60 s.
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
    pending: Option<Arc<dyn Pending>>,
    reported: Option<Arc<Reported>>,
}

impl<T> Operation<T> {
    /// One that is over already.
    pub(crate) fn ready(result: Result<T, Error>) -> Self {
        Self { outcome: Arc::new(Outcome(Mutex::new(State::Done(result)))), pending: None, reported: None }
    }

    /// One that something else than libxl completes.
    pub(crate) fn pending(outcome: Arc<Outcome<T>>, pending: Arc<dyn Pending>, reported: Arc<Reported>) -> Self {
        Self { outcome, pending: Some(pending), reported: Some(reported) }
    }

    /// The operation that `begin` has begun, or one that is over with what prevented it.
    pub(crate) fn begun(begin: impl FnOnce() -> Result<Self, Error>) -> Self {
        begin().unwrap_or_else(|error| Self::ready(Err(error)))
    }

    /// Asks libxl to end the operation early. May be called on any thread. It may wait for libxl's lock while another thread
    /// works under it ([O12]). If the ctx has a thread of its own, that thread makes the request and this call does not wait;
    /// an operation that has not begun yet is then not begun at all. For operations that
    /// [block with this release](crate::Ctx#a-domains-life) the result is always [`Abort::Over`]; their work is done.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with Xen 4.5 and earlier, [`Error::NotAbortable`] for a [replication](crate::Ctx::replicate),
    /// [`Error::Closed`], or an error of libxl.
    pub fn abort(&self) -> Result<Abort, Error> {
        self.aborter().abort()
    }

    /// What aborts this operation from elsewhere, while a task awaits it.
    pub fn aborter(&self) -> Aborter {
        Aborter(self.pending.clone())
    }

    /// What the operation reports until it ends: its percentage, which domain is received, and for a domain in creation its console. Most
    /// operations report nothing.
    ///
    /// - Saving, [migrating](crate::Ctx::migrate) and [replicating](crate::Ctx::replicate) a domain report [steps](Progress::Step) with
    ///   percentages. Restoring and [receiving](crate::Ctx::receive) one do so with Xen 4.5 and earlier only.
    /// - Receiving a domain reports [which one](Progress::Receiving), once, before there is anything of it, if the source tells its uuid.
    /// - Creating, restoring and receiving a domain report its [console](Progress::Console), once: with a bootloader such as pygrub while that
    ///   waits for input, otherwise just before the operation ends. The domain is paused then, so nothing that it writes is lost.
    ///
    /// What was reported before this call is not lost either. There is one list of reports: if there are several streams of one
    /// operation, each report goes to one of them. The thread of the loop wakes who waits for a report.
    ///
    /// ```no_run
    /// # struct Bar; impl Bar { fn set_fraction(&self, _: f64) {} }
    /// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId, file: std::fs::File, config: xenlight::DomainConfig, bar: Bar)
    /// #     -> Result<(), xenlight::Error> {
    /// use futures_lite::StreamExt;
    /// use xenlight::Progress;
    ///
    /// let save = ctx.save(domid, file, &config);
    /// let mut reports = save.progress();
    /// // On GLib, `MainContext::spawn_local` takes a future that uses widgets.
    /// let show = async move {
    ///     while let Some(report) = reports.next().await {
    ///         if let Progress::Step { percent, .. } = report {
    ///             bar.set_fraction(f64::from(percent) / 100.0);
    ///         }
    ///     }
    /// };
    /// let (result, ()) = futures_lite::future::zip(save, show).await;
    /// result
    /// # }
    /// ```
    pub fn progress(&self) -> Reports {
        Reports::of(self.reported.clone())
    }
}

/// Aborts an operation that is awaited elsewhere, from [`Operation::aborter`]. It does not keep the operation, or its ctx, from ending.
#[derive(Clone)]
pub struct Aborter(Option<Arc<dyn Pending>>);

impl Aborter {
    /// As [`Operation::abort`].
    ///
    /// # Errors
    /// Those of [`Operation::abort`].
    pub fn abort(&self) -> Result<Abort, Error> {
        self.0.as_ref().map_or(Ok(Abort::Over), |pending| pending.clone().abort())
    }
}

impl fmt::Debug for Aborter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aborter").finish_non_exhaustive()
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

pub(crate) struct Outcome<T>(Mutex<State<T>>);

impl<T> Outcome<T> {
    pub(crate) fn running() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Running(None))))
    }
}

enum State<T> {
    Running(Option<Waker>),
    Done(Result<T, Error>),
    Taken,
}

impl<T> Outcome<T> {
    pub(crate) fn set(&self, result: Result<T, Error>) {
        let before = std::mem::replace(&mut *lock(&self.0), State::Done(result));
        if let State::Running(Some(waker)) = before {
            wake(waker);
        }
    }
}

/// One thing that is asked of libxl and takes time: what it is asked with, how, and what comes of it.
///
/// Libxl is given pointers into it: it stays where it is until the result is delivered ([E9]).
pub(crate) trait Request: Send + Sync + 'static {
    type Output: Send + 'static;

    /// Whether libxl survives its abort.
    const ABORTABLE: bool = true;

    /// Whether domains can be others after it: those who follow them have them read again.
    const CHANGES: bool = true;

    /// Makes the call, and returns what it returns: with anything but 0, no callback comes ([E9]).
    ///
    /// The caller is inside the gate, so `ctx` is alive, and `library` is its own.
    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int;

    /// What is to be resolved to. On the loop's thread, outside libxl.
    fn finish(&self, result: Result<(), Error>) -> Result<Self::Output, Error>;
}

/// A [`Request`] of which nothing comes but that it is done.
pub(crate) trait Action: Send + Sync + 'static {
    /// As [`Request::ABORTABLE`].
    const ABORTABLE: bool = true;

    /// As [`Request::initiate`].
    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int;
}

impl<A: Action> Request for A {
    type Output = ();

    const ABORTABLE: bool = A::ABORTABLE;

    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        Action::initiate(self, library, ctx, how)
    }

    fn finish(&self, result: Result<(), Error>) -> Result<(), Error> {
        result
    }
}

/// What a [`Request`] finishes with the ctx, which lives during `finish`.
///
/// # Errors
/// The ctx is closed.
pub(crate) fn with_ctx<R>(
    registry: &Weak<Registry<Hosted>>,
    finish: impl FnOnce(*mut RawCtx) -> Result<R, Error>,
) -> Result<R, Error> {
    let registry = registry.upgrade().ok_or(Error::Closed)?;
    let call = registry.enter()?;
    finish(registry.client().raw(&call))
}

/// An operation in progress, as libxl's callback finds it.
struct Begun<R: Request> {
    registry: Weak<Registry<Hosted>>,
    number: u64,
    task: Task,
    listener: Arc<Listener>,
    /// [`completed`]: libxl finds what is to be aborted by this, too, and a function need not have one address only.
    callback: unsafe extern "C" fn(*mut RawCtx, c_int, *mut c_void),
    /// It failed, and its domain was gone then.
    domain_is_gone: AtomicBool,
    /// Until the result is delivered.
    request: Mutex<Option<Arc<R>>>,
    outcome: Arc<Outcome<R::Output>>,
    asked: Mutex<Asked>,
}

/// What the ctx's own thread has to do with it.
#[derive(Default)]
struct Asked {
    /// Until the call that begins it has returned.
    to_begin: bool,
    to_abort: bool,
    /// Libxl's result, where that came to be delivered before ([E1]).
    over: Option<c_int>,
}

impl<R: Request> Begun<R> {
    /// `this` is `self`, as a pointer that libxl may give back.
    fn how(&self, this: *const Self) -> AsyncopHow {
        let for_callback = this.cast_mut().cast::<c_void>();
        AsyncopHow { callback: Some(self.callback), u: AsyncopFor { for_callback } }
    }

    /// It has not begun: nobody gets its result.
    fn forget(&self) {
        // Dropped outside the lock: it has what the application passed in.
        let _unused = lock(&self.request).take();
    }

    /// Lets go of the request, which the application's inputs are in, and tells whoever awaits it. Once.
    fn end(&self, result: Result<(), Error>) {
        // Used and dropped outside the lock: what the application passed in is its own.
        let Some(request) = lock(&self.request).take() else { return };
        let result = request.finish(result);
        drop(request);
        self.outcome.set(result);
        if let Some(waker) = self.listener.reported.end() {
            wake(waker);
        }
    }

    /// `libxl_ao_abort`, of 4.6 and later.
    fn ability_to_abort(&self, hosted: &Hosted) -> Result<AoAbort, Error> {
        if !R::ABORTABLE {
            return Err(Error::NotAbortable { doing: self.task.doing });
        }
        hosted.library().ao_abort().ok_or_else(|| hosted.whole_library().lacks("aborting an operation", Release::V4_6))
    }

    fn result(&self, hosted: &Hosted, rc: c_int) -> Result<(), Error> {
        match self.task.domid {
            _ if rc == 0 => Ok(()),
            // Relaxed: set before the completion was put in the queue, whose lock orders it.
            Some(domid) if self.domain_is_gone.load(Ordering::Relaxed) => Err(self.task.no_such_domain(domid)),
            _ => Err(hosted.error(self.task.doing, rc, self.listener.words())),
        }
    }
}

impl<R: Request> Pending for Begun<R> {
    fn number(&self) -> u64 {
        self.number
    }

    fn destroys(&self) -> Option<DomainId> {
        self.task.destroys()
    }

    fn is_part(&self) -> bool {
        self.task.is_part()
    }

    fn abort(self: Arc<Self>) -> Result<Abort, Error> {
        let Some(registry) = self.registry.upgrade() else { return Ok(Abort::Over) };
        let hosted = registry.client();
        let Some(worker) = &hosted.worker else { return self.abort_here() };
        self.ability_to_abort(hosted)?;
        self.task.check_open(hosted)?;
        let asked_before = {
            let mut asked = lock(&self.asked);
            if !asked.to_begin && !hosted.operations.contains(self.number) {
                return Ok(Abort::Over);
            }
            std::mem::replace(&mut asked.to_abort, true)
        };
        if asked_before {
            return Ok(Abort::AlreadyRequested);
        }
        worker.post(&registry, move |_| {
            // Over meanwhile, or never begun.
            if let Err(error) = self.abort_here() {
                say!(Debug, "an abort came to nothing: {error}");
            }
        });
        Ok(Abort::Requested)
    }

    fn abort_here(&self) -> Result<Abort, Error> {
        let Some(registry) = self.registry.upgrade() else { return Ok(Abort::Over) };
        let hosted = registry.client();
        let call = inside::enter(&registry)?;
        let abort = self.ability_to_abort(hosted)?;
        // Over: libxl would only say so. The address is nobody else's, here or below, while `self` is counted (E6).
        if !hosted.operations.contains(self.number) {
            return Ok(Abort::Over);
        }
        let how = self.how(self);
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

impl<R: Request> Completed for Begun<R> {
    fn finish(&self, rc: c_int) {
        {
            let mut asked = lock(&self.asked);
            if asked.to_begin {
                // The thread that begins it still has the request, which is to be gone before anybody learns of the end.
                asked.over = Some(rc);
                return;
            }
        }
        let Some(registry) = self.registry.upgrade() else { return };
        self.end(self.result(registry.client(), rc));
    }
}

type AoAbort = unsafe extern "C" fn(*mut RawCtx, *const AsyncopHow) -> c_int;

/// Starts one, if its domain is there and may be done to.
///
/// # Errors
/// The ctx is closed, its loop is gone, the task is one that is refused, or, unless it has a thread of its own, libxl refused to start.
pub(crate) fn start<R: Request>(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    request: R,
) -> Result<Operation<R::Output>, Error> {
    let hosted = registry.client();
    task.check()?;
    let request = Arc::new(request);
    let begun = Arc::new(Begun {
        registry: Arc::downgrade(registry),
        number: hosted.operations.number(),
        task,
        listener: task.listener(),
        callback: completed::<R>,
        domain_is_gone: AtomicBool::new(false),
        request: Mutex::new(Some(request.clone())),
        outcome: Outcome::running(),
        asked: Mutex::default(),
    });
    let operation = Operation {
        outcome: begun.outcome.clone(),
        pending: Some(begun.clone()),
        reported: Some(begun.listener.reported.clone()),
    };
    let Some(worker) = &hosted.worker else {
        begin(registry, &begun, &*request).inspect_err(|_| begun.forget())?;
        return Ok(operation);
    };
    task.check_ready(hosted)?;
    lock(&begun.asked).to_begin = true;
    worker.post(registry, move |registry| {
        let is_aborted = lock(&begun.asked).to_abort;
        let result = if is_aborted {
            Err(registry.client().error(task.doing, codes::ERROR_ABORTED, Words::default()))
        } else {
            begin(registry, &begun, &*request)
        };
        drop(request);
        let over = {
            let mut asked = lock(&begun.asked);
            asked.to_begin = false;
            asked.over
        };
        if let Err(error) = result {
            delivery::hand_in(registry, move || begun.end(Err(error)));
        } else if let Some(rc) = over {
            delivery::hand_in(registry, move || begun.finish(rc));
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
    let work = move |registry: &Arc<Registry<Hosted>>| {
        let result = ask(registry, task, work);
        registry.client().followers.ring();
        result
    };
    let hosted = registry.client();
    let Some(worker) = &hosted.worker else { return Ok(Operation::ready(work(registry))) };
    task.check_ready(hosted)?;
    let outcome = Outcome::running();
    let to_set = outcome.clone();
    worker.post(registry, move |registry| {
        let result = work(registry);
        delivery::hand_in(registry, move || to_set.set(result));
    });
    Ok(Operation { outcome, pending: None, reported: None })
}

/// Waits until something is so, by asking for it from time to time, on a thread of its own: neither the loop nor the ctx's own thread may
/// wait for it. libxl's own functions for this sleep inside the gate, where a close, and with 4.2 everything, would wait for them.
///
/// # Errors
/// The ctx is closed, its loop is gone, or there is no thread.
pub(crate) fn wait(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    limit: Duration,
    mut is_so: impl FnMut(&Question<'_>) -> Result<bool, Error> + Send + 'static,
) -> Result<Operation<()>, Error> {
    const BETWEEN: Duration = Duration::from_millis(500);
    task.check()?;
    registry.client().check_ready()?;
    let outcome = Outcome::running();
    let (registry, to_set) = (Arc::downgrade(registry), outcome.clone());
    let end = Instant::now() + limit;
    let thread = std::thread::Builder::new().name("xenlight-wait".into()).spawn(move || {
        let result = loop {
            let Some(registry) = registry.upgrade() else { break Err(Error::Closed) };
            let now = Instant::now();
            match ask(&registry, task, &mut is_so) {
                Ok(true) => break Ok(()),
                Ok(false) if now < end => {}
                Ok(false) => break Err(Error::TimedOut { doing: task.doing, seconds: limit.as_secs() }),
                Err(error) => break Err(error),
            }
            drop(registry);
            std::thread::sleep(BETWEEN.min(end - now));
        };
        match registry.upgrade() {
            Some(registry) => delivery::hand_in(&registry, move || to_set.set(result)),
            // Nobody delivers any more.
            None => to_set.set(result),
        }
    });
    thread.map_err(|reason| Error::Io { doing: "start a thread", reason })?;
    Ok(Operation { outcome, pending: None, reported: None })
}

fn begin<R: Request>(registry: &Arc<Registry<Hosted>>, begun: &Arc<Begun<R>>, request: &R) -> Result<(), Error> {
    let hosted = registry.client();
    let call = inside::enter(registry)?;
    // Inside the gate: a close that begins now waits for this call, and then sees the operation.
    begun.task.check_ready(hosted)?;
    let ctx = hosted.raw(&call);
    let listener = &begun.listener;
    let _attending = hosted.hearing().attend(Some(listener.clone()));
    begun.task.check_with(hosted, ctx)?;
    hosted.operations.insert(begun.clone())?;
    hosted.hearing().begins(listener);
    // The count that libxl holds.
    let for_libxl = Arc::into_raw(begun.clone());
    let how = begun.how(for_libxl);
    let rc = request.initiate(hosted.library(), ctx, &how);
    if rc != 0 {
        // SAFETY: from `into_raw` above; an initiator that fails makes no callback (E9), so the
        // count is still ours.
        drop(unsafe { Arc::from_raw(for_libxl) });
        hosted.operations.remove(begun.number);
        hosted.hearing().ended(listener);
        return Err(begun.task.error(hosted, ctx, rc, listener));
    }
    Ok(())
}

/// Libxl's callback: on any thread inside libxl, with the ctx unlocked ([E1]).
unsafe extern "C" fn completed<R: Request>(ctx: *mut RawCtx, rc: c_int, for_callback: *mut c_void) {
    // SAFETY: `for_callback` is what `begin` gave libxl for this operation, with this callback: a count that is given
    // back here, in the one callback (E9).
    let begun = unsafe { Arc::from_raw(for_callback.cast::<Begun<R>>().cast_const()) };
    // The registry lives at least until its ctx is freed, which this call's thread is inside of.
    let Some(registry) = begun.registry.upgrade() else { return };
    let hosted = registry.client();
    hosted.hearing().ended(&begun.listener);
    // Libxl may be called from here (E2). Now, since the domain's number can name another one by the time of delivery.
    if rc != 0 && rc != codes::ERROR_ABORTED && begun.task.is_missing(hosted, ctx) {
        begun.domain_is_gone.store(true, Ordering::Relaxed);
    }
    hosted.operations.remove(begun.number);
    if R::CHANGES {
        hosted.followers.ring();
    }
    hosted.queue.push(Item::Completed(begun, rc));
    // A close waits for the last operation; this call is still inside the gate.
    hosted.progressed(&registry);
}

/// How the console of a domain in creation is to be reported, where `how` is what the request was to [`initiate`](Request::initiate) with.
///
/// # Safety
/// `how` is valid, and was made for an operation with this type of request.
pub(crate) unsafe fn console_how<R: Request>(how: *const AsyncopHow) -> AsyncprogressHow {
    // SAFETY: the caller's promise; this field of the union is the one that is set, since there is a callback.
    let for_callback = unsafe { (*how).u.for_callback };
    AsyncprogressHow { callback: Some(console_is_there::<R>), for_event: 0, for_callback }
}

/// Libxl's callback: on any thread inside libxl, with the ctx unlocked ([E1]).
unsafe extern "C" fn console_is_there<R: Request>(ctx: *mut RawCtx, event: *mut Event, for_callback: *mut c_void) {
    // SAFETY: `for_callback` is that of this operation (`console_how`), whose count libxl still holds: it calls back with the result only
    // after its reports have returned.
    let begun = unsafe { &*for_callback.cast::<Begun<R>>().cast_const() };
    // SAFETY: libxl passes an event that is the application's until it frees it (E3).
    let domid = DomainId::new(unsafe { (*event).domid });
    let Some(registry) = begun.registry.upgrade() else { return };
    let hosted = registry.client();
    // SAFETY: freed once, and before the ctx, which this call's thread is inside of (E3).
    unsafe { hosted.library().event_free(ctx, event) };
    if let Some(waker) = begun.listener.reported.add(Progress::Console(domid)) {
        hosted.queue.wake(waker);
    }
}
