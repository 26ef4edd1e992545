//! The thread on which a migration, a save or a restore takes its course, and how it hears of an abort.
//!
//! A migration is a sequence of operations and of short messages that may not come for long. The sequence runs on a thread of its own: it
//! goes on to a safe end also when nobody awaits it any more, and what it waits for keeps nothing else waiting.
//!
//! # A close
//! A migration is one of the ctx's operations, so a close aborts it and waits for it, and the ctx lives until it has ended. What it
//! does with the domain meanwhile are operations, too: [parts](Task::part) of it, which are begun while the ctx is being closed as well, and
//! which the close does not abort. So a close in the middle of a migration resumes the domain, or destroys the copy, as an abort does.

use crate::contain::{contained, wake};
#[cfg(doc)]
use crate::contract::*;
use crate::delivery;
use crate::error::{Code, Error};
use crate::hosted::Hosted;
use crate::inside;
use crate::lock;
use crate::operation::{Operation, Outcome};
use crate::pending::{Abort, Pending};
use crate::progress::{Progress, Reported, Reports};
use crate::signal::Signal;
#[cfg(doc)]
use crate::task::Task;
use crate::words::Words;
use futures_core::Stream;
use osevent_core::Registry;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use xenlight_sys::codes;
use xenlight_types::DomainId;

/// A migration in progress, or a save or a restore.
pub(crate) struct Course {
    number: u64,
    doing: &'static str,
    moves: Option<DomainId>,
    state: Mutex<State>,
    /// Readable once an abort is requested.
    abort: Signal,
    reported: Arc<Reported>,
}

#[derive(Default)]
struct State {
    asked: Option<Instant>,
    over: bool,
}

impl Course {
    pub(crate) fn new(number: u64, doing: &'static str, moves: Option<DomainId>) -> Result<Self, Error> {
        let abort = Signal::new().map_err(|reason| Error::Io { doing: "make an eventfd", reason })?;
        Ok(Self { number, doing, moves, state: Mutex::default(), abort, reported: Arc::default() })
    }

    pub(crate) fn reported(&self) -> Arc<Reported> {
        self.reported.clone()
    }

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

    /// What a part of it reports is what it reports.
    pub(crate) fn report(&self, registry: &Registry<Hosted>, progress: Progress) {
        if let Some(waker) = self.reported.add(progress) {
            delivery::hand_in(registry, move || wake(waker));
        }
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
    let course = Arc::new(Course::new(hosted.operations.number(), doing, moves)?);
    hosted.operations.insert(course.clone())?;
    drop(call);
    let outcome = Outcome::running();
    let operation = Operation::pending(outcome.clone(), course.clone(), course.reported());
    let on_thread = {
        let (registry, course) = (registry.clone(), course.clone());
        move || {
            // A panic must not keep a close waiting.
            let result = contained(|| work(&registry, &course));
            let panicked =
                || Error::Io { doing, reason: io::Error::other("it panicked: this is a fault of this crate") };
            let result = result.unwrap_or_else(|| Err(panicked()));
            lock(&course.state).over = true;
            let reported = course.reported();
            delivery::hand_in(&registry, move || {
                outcome.set(result);
                if let Some(waker) = reported.end() {
                    wake(waker);
                }
            });
            leave(&registry, &course);
        }
    };
    match std::thread::Builder::new().name("xenlight-course".into()).spawn(on_thread) {
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

/// An operation that the course's thread waits for, with an fd that is readable when it has to be looked at.
pub(crate) struct Awaited<T> {
    operation: Operation<T>,
    reports: Reports,
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
        let operation = begin()?;
        let reports = operation.progress();
        Ok(Self { operation, reports, woken: Arc::new(Woken(signal)) })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.woken.0.fd()
    }

    /// Its result, once; before that, `report` is told what it has reported.
    pub(crate) fn look(&mut self, report: impl Fn(Progress)) -> Option<Result<T, Error>> {
        self.woken.0.clear();
        let waker = Waker::from(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        let polled = Pin::new(&mut self.operation).poll(&mut context);
        // Afterwards: nothing is reported behind the result.
        while let Poll::Ready(Some(progress)) = Pin::new(&mut self.reports).poll_next(&mut context) {
            report(progress);
        }
        match polled {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Whether it has asked its domain to suspend, and not taken that back.
    pub(crate) fn has_asked_to_suspend(&self) -> bool {
        self.reports.has_asked_to_suspend()
    }

    pub(crate) fn abort(&self) -> Result<Abort, Error> {
        self.operation.abort()
    }

    /// Waits for it, whatever comes.
    pub(crate) fn result(mut self) -> Result<T, Error> {
        loop {
            if let Some(result) = self.look(drop) {
                return result;
            }
            // Woken by a signal, it looks again.
            let _ = poll(&mut [waits(self.fd(), libc::POLLIN)], None);
        }
    }
}

/// An fd that poll(2) skips.
pub(crate) const NO_FD: RawFd = -1;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_aborted_from_elsewhere() {
        let course = Arc::new(Course::new(1, "do this", None).expect("an eventfd"));
        let outcome: Arc<Outcome<()>> = Outcome::running();
        let operation = Operation::pending(outcome, course, Arc::default());
        let aborter = operation.aborter();
        assert_eq!(aborter.clone().abort().expect("it can be aborted"), Abort::Requested);
        assert_eq!(operation.abort().expect("it can be aborted"), Abort::AlreadyRequested);
        assert_eq!(Operation::ready(Ok(())).aborter().abort().expect("it is over"), Abort::Over);
    }
}
