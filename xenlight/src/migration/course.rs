//! The thread on which a migration takes its course, and how it hears of an abort.
//!
//! A migration is a sequence of operations and of short messages that may not come for long. The sequence runs on a thread of its own: it
//! goes on to a safe end also when nobody awaits it any more, and what it waits for keeps nothing else waiting.
//!
//! # A close
//! A migration is one of the ctx's operations, so a close aborts it and waits for it, and the ctx lives until it has ended. What it
//! does with the domain meanwhile are operations, too: [parts](Task::part) of it, which are begun while the ctx is being closed as well, and
//! which the close does not abort. So a close in the middle of a migration resumes the domain, or destroys the copy, as an abort does.

use crate::contain::contained;
#[cfg(doc)]
use crate::contract::*;
use crate::delivery;
use crate::error::{Code, Error};
use crate::hosted::Hosted;
use crate::inside;
use crate::lock;
use crate::operation::{Operation, Outcome};
use crate::pending::{Abort, Pending};
use crate::signal::Signal;
#[cfg(doc)]
use crate::task::Task;
use crate::words::Words;
use osevent_core::Registry;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use xenlight_sys::codes;
use xenlight_types::DomainId;

/// A migration in progress.
pub(crate) struct Course {
    number: u64,
    doing: &'static str,
    moves: Option<DomainId>,
    state: Mutex<State>,
    /// Readable once an abort is requested.
    abort: Signal,
}

#[derive(Default)]
struct State {
    asked: Option<Instant>,
    over: bool,
}

impl Course {
    pub(crate) fn is_aborted(&self) -> bool {
        lock(&self.state).asked.is_some()
    }

    /// How long ago an abort was requested.
    pub(crate) fn aborted_for(&self) -> Option<Duration> {
        lock(&self.state).asked.map(|asked| asked.elapsed())
    }

    /// Readable once an abort is requested.
    pub(crate) fn abort_fd(&self) -> RawFd {
        self.abort.fd()
    }

    pub(crate) fn aborted(&self) -> Error {
        let (code, words) = (Code(codes::ERROR_ABORTED), Words::default());
        Error::Libxl { doing: self.doing, code, words, refusal: None }
    }
}

impl Pending for Course {
    fn number(&self) -> u64 {
        self.number
    }

    fn destroys(&self) -> Option<DomainId> {
        None
    }

    /// Until its end is told: whoever hears of that may begin another one.
    fn moves(&self) -> Option<DomainId> {
        self.moves.filter(|_| !lock(&self.state).over)
    }

    fn is_part(&self) -> bool {
        false
    }

    fn abort(self: Arc<Self>) -> Result<Abort, Error> {
        self.abort_here()
    }

    fn abort_here(&self) -> Result<Abort, Error> {
        let mut state = lock(&self.state);
        if state.over {
            return Ok(Abort::Over);
        }
        if state.asked.is_some() {
            return Ok(Abort::AlreadyRequested);
        }
        state.asked = Some(Instant::now());
        self.abort.raise();
        Ok(Abort::Requested)
    }
}

/// Starts the thread, which does `work`, with the domain that it takes elsewhere.
///
/// # Errors
/// The ctx is closed, its loop is gone, there is no thread, or the domain is being taken elsewhere already.
pub(crate) fn start<T: Send + 'static>(
    registry: &Arc<Registry<Hosted>>,
    doing: &'static str,
    moves: Option<DomainId>,
    work: impl FnOnce(&Arc<Registry<Hosted>>, &Course) -> Result<T, Error> + Send + 'static,
) -> Result<Operation<T>, Error> {
    let hosted = registry.client();
    let call = inside::enter(registry)?;
    // Inside the gate, as for every operation: see `close`.
    hosted.check_ready()?;
    let abort = Signal::new().map_err(|reason| Error::Io { doing: "make an eventfd", reason })?;
    let course = Arc::new(Course { number: hosted.operations.number(), doing, moves, state: Mutex::default(), abort });
    hosted.operations.insert(course.clone())?;
    drop(call);
    let outcome = Outcome::running();
    let operation = Operation::pending(outcome.clone(), course.clone());
    let on_thread = {
        let (registry, course) = (registry.clone(), course.clone());
        move || {
            without_sigpipe();
            // A panic must not keep a close waiting.
            let result = contained(|| work(&registry, &course));
            let panicked =
                || Error::Io { doing, reason: io::Error::other("it panicked: this is a fault of this crate") };
            let result = result.unwrap_or_else(|| Err(panicked()));
            lock(&course.state).over = true;
            delivery::hand_in(&registry, move || outcome.set(result));
            leave(&registry, &course);
        }
    };
    match std::thread::Builder::new().name("xenlight-migrate".into()).spawn(on_thread) {
        Ok(_) => Ok(operation),
        Err(reason) => {
            leave(registry, &course);
            Err(Error::Io { doing: "start a thread", reason })
        }
    }
}

fn leave(registry: &Arc<Registry<Hosted>>, course: &Course) {
    registry.client().operations.remove(course.number);
    registry.client().progressed(registry);
}

/// The peer may close its end before it has read what is written to it: that is an error, not the end of the process.
fn without_sigpipe() {
    // SAFETY: a set of signals is plain data, for which zero is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is writable.
    unsafe { libc::sigemptyset(&mut set) };
    // SAFETY: as above; the signal exists.
    unsafe { libc::sigaddset(&mut set, libc::SIGPIPE) };
    // SAFETY: `set` is initialised; the mask is this thread's own, and it ends with the migration.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
}

/// An operation that the migration's thread waits for, with an fd that is readable when it has to be looked at.
pub(crate) struct Awaited<T> {
    operation: Operation<T>,
    woken: Arc<Woken>,
}

struct Woken(Signal);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.raise();
    }
}

impl<T> Awaited<T> {
    /// Begins it once it can be waited for: nothing is begun that the thread would have to leave alone.
    pub(crate) fn begin(begin: impl FnOnce() -> Result<Operation<T>, Error>) -> Result<Self, Error> {
        let signal = Signal::new().map_err(|reason| Error::Io { doing: "make an eventfd", reason })?;
        Ok(Self { operation: begin()?, woken: Arc::new(Woken(signal)) })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.woken.0.fd()
    }

    /// Its result, once.
    pub(crate) fn look(&mut self) -> Option<Result<T, Error>> {
        self.woken.0.clear();
        let waker = Waker::from(self.woken.clone());
        match Pin::new(&mut self.operation).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    pub(crate) fn abort(&self) -> Result<Abort, Error> {
        self.operation.abort()
    }

    /// Waits for it, whatever comes.
    pub(crate) fn result(mut self) -> Result<T, Error> {
        loop {
            if let Some(result) = self.look() {
                return result;
            }
            // Woken by a signal, it looks again.
            let _ = poll(&mut [waits(self.fd(), libc::POLLIN)], None);
        }
    }
}

/// What poll(2) is to wait for on an fd.
pub(crate) fn waits(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// poll(2), for so long at most.
pub(crate) fn poll(fds: &mut [libc::pollfd], limit: Option<Duration>) -> io::Result<()> {
    let limit = limit.map_or(-1, |limit| limit.as_millis().try_into().unwrap_or(i32::MAX));
    // SAFETY: as many pollfds as the slice has, for the length of the call.
    if unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, limit) } >= 0 {
        return Ok(());
    }
    fds.iter_mut().for_each(|fd| fd.revents = 0);
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        error => Err(error),
    }
}
