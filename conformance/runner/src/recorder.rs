//! A loop in front of a loop: passes everything on, keeps a record, and refuses what a case wants refused.

use osevent_core::{Deadline, EventLoop, FdSource, GoneId, Interest, LoopError, Readiness, TimerSource, Token};
use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) struct Recorder {
    inner: Arc<dyn EventLoop>,
    record: Mutex<Record>,
    /// While it is there, fds that are added are kept from the loop, and put in here.
    held: Mutex<Option<Vec<FdSource>>>,
    /// Called after each `add_timer`, with how many there have been.
    timer_added: Mutex<Option<Count>>,
    /// Called after each `modify_timer` to `{0,0}`, with how many there have been.
    timer_cancelled: Mutex<Option<Count>>,
}

type Count = Box<dyn Fn(usize) + Send>;

/// What has been asked of the loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) fds_added: usize,
    pub(crate) fds_modified: usize,
    pub(crate) fds_removed: usize,
    pub(crate) timers_added: usize,
    /// Timers moved to `{0,0}`.
    pub(crate) timers_cancelled: usize,
    /// The fds that are watched now, with their interest.
    pub(crate) watched: BTreeMap<Token, (RawFd, Interest)>,
    /// All interests that were ever asked for.
    pub(crate) interests: Vec<Interest>,
    /// While set, the errno that fds are refused with.
    refuse_fds: Option<i32>,
    /// Where set, how many more fds are taken before they are refused.
    room_for_fds: Option<usize>,
    /// While set, the errno that modifications of fds are refused with.
    refuse_modifications: Option<i32>,
    /// How many were.
    pub(crate) modifications_refused: usize,
    /// While set, the errno that timers are refused with.
    refuse_timers: Option<i32>,
}

impl Recorder {
    pub(crate) fn new(inner: Arc<dyn EventLoop>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            record: Mutex::default(),
            held: Mutex::default(),
            timer_added: Mutex::default(),
            timer_cancelled: Mutex::default(),
        })
    }

    pub(crate) fn record(&self) -> Record {
        self.lock().clone()
    }

    pub(crate) fn refuse_fds(&self, errno: Option<i32>) {
        self.lock().refuse_fds = errno;
    }

    /// Takes so many more fds.
    pub(crate) fn refuse_fds_after(&self, room: usize, errno: i32) {
        let mut record = self.lock();
        (record.room_for_fds, record.refuse_fds) = (Some(room), Some(errno));
    }

    pub(crate) fn refuse_modifications(&self, errno: Option<i32>) {
        self.lock().refuse_modifications = errno;
    }

    pub(crate) fn refuse_timers(&self, errno: Option<i32>) {
        self.lock().refuse_timers = errno;
    }

    pub(crate) fn on_timer_added(&self, callback: impl Fn(usize) + Send + 'static) {
        *self.timer_added.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(callback));
    }

    pub(crate) fn on_timer_cancelled(&self, callback: impl Fn(usize) + Send + 'static) {
        *self.timer_cancelled.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(callback));
    }

    /// Keeps the fds that `add` adds from the loop: they occur when the case says so.
    pub(crate) fn hold<T>(&self, add: impl FnOnce() -> T) -> (T, Vec<FdSource>) {
        *self.held() = Some(Vec::new());
        let added = add();
        (added, self.held().take().unwrap_or_default())
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<FdSource>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventLoop for Recorder {
    fn add_fd(&self, source: FdSource, interest: Interest) -> Result<(), LoopError> {
        let (token, fd) = (source.token(), source.fd());
        {
            let mut record = self.lock();
            match (record.refuse_fds, record.room_for_fds) {
                (Some(_), Some(room @ 1..)) => record.room_for_fds = Some(room - 1),
                (Some(errno), _) => return Err(LoopError::Os(errno)),
                (None, _) => {}
            }
        }
        match &mut *self.held() {
            Some(held) => held.push(source),
            None => self.inner.add_fd(source, interest)?,
        }
        let mut record = self.lock();
        record.fds_added += 1;
        record.interests.push(interest);
        record.watched.insert(token, (fd, interest));
        Ok(())
    }

    fn modify_fd(&self, token: Token, interest: Interest) -> Result<(), LoopError> {
        {
            let mut record = self.lock();
            if let Some(errno) = record.refuse_modifications {
                record.modifications_refused += 1;
                return Err(LoopError::Os(errno));
            }
        }
        self.inner.modify_fd(token, interest)?;
        let mut record = self.lock();
        record.fds_modified += 1;
        record.interests.push(interest);
        if let Some((_, present)) = record.watched.get_mut(&token) {
            *present = interest;
        }
        Ok(())
    }

    fn remove_fd(&self, token: Token) {
        self.inner.remove_fd(token);
        let mut record = self.lock();
        if record.watched.remove(&token).is_some() {
            record.fds_removed += 1;
        }
    }

    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError> {
        if let Some(errno) = self.lock().refuse_timers {
            return Err(LoopError::Os(errno));
        }
        self.inner.add_timer(source, deadline)?;
        let added = {
            let mut record = self.lock();
            record.timers_added += 1;
            record.timers_added
        };
        if let Some(callback) = &*self.timer_added.lock().unwrap_or_else(PoisonError::into_inner) {
            callback(added);
        }
        Ok(())
    }

    fn modify_timer(&self, token: Token, deadline: Deadline) {
        self.inner.modify_timer(token, deadline);
        if deadline != Deadline::ASAP {
            return;
        }
        let cancelled = {
            let mut record = self.lock();
            record.timers_cancelled += 1;
            record.timers_cancelled
        };
        if let Some(callback) = &*self.timer_cancelled.lock().unwrap_or_else(PoisonError::into_inner) {
            callback(cancelled);
        }
    }

    fn remove_timer(&self, token: Token) {
        self.inner.remove_timer(token);
    }

    fn confirm(&self, fd: RawFd, asked: Interest, reported: Readiness) -> Readiness {
        self.inner.confirm(fd, asked, reported)
    }

    fn turn(&self, interrupt: Option<i32>) -> Result<(), LoopError> {
        self.inner.turn(interrupt)
    }

    fn on_gone(&self, gone: Box<dyn FnOnce() + Send>) -> GoneId {
        self.inner.on_gone(gone)
    }

    fn forget_gone(&self, id: GoneId) {
        self.inner.forget_gone(id);
    }
}
