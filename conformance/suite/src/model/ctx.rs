//! The ctx: its lock, who is inside, what it found wrong, and its end.

use super::Release;
use super::child::Children;
use super::fd::{FdEv, Fds};
use super::operations::Deaths;
use super::time::Times;
use super::watch::Watches;
use crate::boundary::{Client, Hosting};
#[cfg(doc)]
use crate::contract::*;
use crate::violation::Violation;
use parking_lot::{Condvar, Mutex, MutexGuard, ReentrantMutex, ReentrantMutexGuard};
use std::cell::{RefCell, RefMut};
use std::os::fd::RawFd;
use std::sync::{OnceLock, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// A `libxl_ctx`.
///
/// Its functions are those of [`Locked`], which [`call`](Self::call) passes.
pub struct Ctx {
    pub(super) release: Release,
    /// `ctx->lock`: recursive, and held in every hook and in every callback of an ev struct ([R1]).
    lock: ReentrantMutex<RefCell<State>>,
    /// Weak, because the host owns the client. Whoever drives the ctx keeps the hosting until the ctx is freed.
    hosting: OnceLock<Weak<dyn Hosting>>,
    outside: Mutex<Outside>,
    /// Notified when `outside` changes.
    changed: Condvar,
}

/// What `ctx->lock` protects.
pub(super) struct State {
    /// `osevent_in_hook`.
    in_hook: u32,
    pub(super) fds: Fds,
    pub(super) times: Times,
    pub(super) watches: Watches,
    pub(super) children: Children,
    pub(super) deaths: Deaths,
    /// `aos_inprogress`: how many.
    operations: usize,
    /// The occurrence that is being served, numbered.
    pub(super) occurrence: Option<u64>,
}

/// What can be looked at without the lock: while a host has the model stuck, for instance.
struct Outside {
    /// Threads between the entry to libxl and its exit, innermost call last.
    inside: Vec<Inside>,
    freed: bool,
    /// How many there were, violations included, so that those who wait look again.
    occurrences: u64,
    violations: Vec<Violation>,
    /// When a thread entered last.
    moved: Instant,
}

struct Inside {
    thread: ThreadId,
    what: &'static str,
    /// In which hook it is.
    hook: Option<&'static str>,
}

/// The ctx with its lock held, as in libxl's functions between `CTX_LOCK` and `CTX_UNLOCK`.
pub struct Locked<'a> {
    pub(super) ctx: &'a Ctx,
    guard: ReentrantMutexGuard<'a, RefCell<State>>,
}

impl Ctx {
    /// `libxl_ctx_alloc`, which registers nothing ([X1]).
    ///
    /// # Errors
    /// No fds are left for the simulated xenstore.
    pub fn new(release: Release) -> std::io::Result<Self> {
        let mut fds = Fds::default();
        let watches = Watches::new(fds.alloc())?;
        let children = Children::new(fds.alloc());
        let state = State {
            in_hook: 0,
            fds,
            times: Times::default(),
            watches,
            children,
            deaths: Deaths::default(),
            operations: 0,
            occurrence: None,
        };
        Ok(Self {
            release,
            lock: ReentrantMutex::new(RefCell::new(state)),
            hosting: OnceLock::new(),
            outside: Mutex::new(Outside {
                inside: Vec::new(),
                freed: false,
                occurrences: 0,
                violations: Vec::new(),
                moved: Instant::now(),
            }),
            changed: Condvar::new(),
        })
    }

    /// `libxl_osevent_register_hooks`. Call it once, before anything else ([X1]).
    pub fn register_hooks(&self, hosting: Weak<dyn Hosting>) {
        assert!(self.hosting.set(hosting).is_ok(), "hooks are registered once");
    }

    /// The modelled release.
    pub fn release(&self) -> Release {
        self.release
    }

    /// Makes a call into libxl. `name` is for messages. After the ctx has been freed, this is a violation, and the result is `None`
    /// ([X4]).
    pub fn call<R>(&self, name: &'static str, body: impl FnOnce(&Locked<'_>) -> R) -> Option<R> {
        let thread = std::thread::current().id();
        {
            let mut outside = self.outside.lock();
            if outside.freed {
                self.add(&mut outside, "X4".into(), format!("{name} after libxl_ctx_free"));
                return None;
            }
            outside.inside.push(Inside { thread, what: name, hook: None });
            outside.moved = Instant::now();
        }
        let _leave = Leave(self);
        Some(body(&Locked { ctx: self, guard: self.lock.lock() }))
    }

    /// The violations up to now.
    pub fn violations(&self) -> Vec<Violation> {
        self.outside.lock().violations.clone()
    }

    /// Whether there is a violation.
    pub fn is_faulty(&self) -> bool {
        !self.outside.lock().violations.is_empty()
    }

    /// Adds a violation.
    pub fn violation(&self, clause: impl Into<String>, text: String) {
        self.add(&mut self.outside.lock(), clause.into(), text);
    }

    /// Whether a thread has entered libxl within this time.
    pub(super) fn is_moving(&self, within: Duration) -> bool {
        self.outside.lock().moved.elapsed() < within
    }

    /// Where the threads inside libxl are.
    pub(super) fn stuck(&self) -> Vec<(&'static str, Option<&'static str>)> {
        self.outside.lock().inside.iter().map(|inside| (inside.what, inside.hook)).collect()
    }

    /// Waits until `ready` returns true, or until `end`, and returns whether it did. `ready` is called again after each occurrence and
    /// when the ctx is freed. Must not be called inside libxl.
    pub fn wait_until(&self, end: Instant, mut ready: impl FnMut(&Self) -> bool) -> bool {
        loop {
            let seen = self.outside.lock().occurrences;
            if ready(self) {
                return true;
            }
            let mut outside = self.outside.lock();
            if outside.occurrences == seen && self.changed.wait_until(&mut outside, end).timed_out() {
                drop(outside);
                return ready(self);
            }
        }
    }

    /// Whether `libxl_ctx_free` has returned.
    pub fn is_freed(&self) -> bool {
        self.outside.lock().freed
    }

    fn add(&self, outside: &mut MutexGuard<'_, Outside>, clause: String, text: String) {
        // The first ones tell the story; a host that spins would fill the memory.
        if outside.violations.len() < 64 {
            outside.violations.push(Violation { clause, step: None, text });
        }
        outside.occurrences += 1;
        self.changed.notify_all();
    }

    /// `libxl_osevent_occurred_*`: `EGC_INIT`, `CTX_LOCK`, and the assertion that no hook is running ([O1]).
    fn occurrence(&self, name: &'static str, body: impl FnOnce(&Locked<'_>)) {
        self.call(name, |locked| {
            let serial = self.outside.lock().occurrences;
            {
                let mut state = locked.state();
                if state.in_hook > 0 {
                    drop(state);
                    self.violation("O1", format!("{name} from inside a hook: assert(!CTX->osevent_in_hook)"));
                    return;
                }
                state.occurrence = Some(serial);
            }
            body(locked);
            locked.state().occurrence = None;
        });
        self.outside.lock().occurrences += 1;
        self.changed.notify_all();
    }
}

impl Locked<'_> {
    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.guard.borrow_mut()
    }

    /// The ctx.
    pub fn ctx(&self) -> &Ctx {
        self.ctx
    }

    /// `OSEVENT_HOOK_INTERN`. A host that has gone is none.
    pub(super) fn hook<R>(&self, name: &'static str, call: impl FnOnce(&dyn Hosting) -> R) -> Option<R> {
        let hosting = self.ctx.hosting.get()?.upgrade()?;
        self.state().in_hook += 1;
        self.ctx.note_hook(Some(name));
        let result = call(&*hosting);
        self.ctx.note_hook(None);
        self.state().in_hook -= 1;
        Some(result)
    }

    pub(super) fn violation(&self, clause: &'static str, text: String) {
        self.ctx.violation(clause, text);
    }

    /// `libxl__ao_create`: an operation must be over when the ctx is freed ([X3]).
    pub(super) fn operation_begins(&self) {
        self.state().operations += 1;
    }

    /// `libxl__ao_complete`.
    pub(super) fn operation_ends(&self) {
        self.state().operations -= 1;
    }
}

impl Ctx {
    fn note_hook(&self, hook: Option<&'static str>) {
        let thread = std::thread::current().id();
        let mut outside = self.outside.lock();
        if let Some(inside) = outside.inside.iter_mut().rev().find(|inside| inside.thread == thread) {
            inside.hook = hook;
        }
    }

    /// [X4] and [X5], and that it comes once. False if there is nothing left to free.
    fn may_be_freed(&self) -> bool {
        let thread = std::thread::current().id();
        let mut outside = self.outside.lock();
        if outside.freed {
            self.add(&mut outside, "X4".into(), "libxl_ctx_free for the second time".into());
            return false;
        }
        if let Some(inside) = outside.inside.first() {
            let (clause, where_) =
                if inside.thread == thread { ("X5", "the same thread") } else { ("X4", "another thread") };
            let text = format!("libxl_ctx_free while {} is in progress on {where_}", inside.what);
            self.add(&mut outside, clause.into(), text);
        }
        // Hooks are found by thread, and libxl_ctx_free calls them (X2).
        outside.inside.push(Inside { thread, what: "libxl_ctx_free", hook: None });
        true
    }
}

impl Client for Ctx {
    fn occurred_fd(&self, value: u64, fd: RawFd, events: i16, revents: i16) {
        self.occurrence("libxl_osevent_occurred_fd", |locked| locked.fd_occurred(value, fd, events, revents));
    }

    fn occurred_timeout(&self, value: u64) {
        // Before the lock, which may take long: early is what would be early without it (R12).
        let now = super::time::now();
        self.occurrence("libxl_osevent_occurred_timeout", |locked| locked.timeout_occurred(value, now));
    }

    fn free(&self) {
        if !self.may_be_freed() {
            return;
        }
        let locked = Locked { ctx: self, guard: self.lock.lock() };
        locked.free();
        drop(locked);
        let mut outside = self.outside.lock();
        outside.freed = true;
        leave(&mut outside);
        outside.occurrences += 1;
        self.changed.notify_all();
    }
}

impl Locked<'_> {
    /// `libxl_ctx_free`: libxl.c.
    fn free(&self) {
        let release = self.ctx.release;
        self.disable_deaths();
        if self.state().in_hook > 0 {
            self.violation("X5", "libxl_ctx_free from inside a hook: assert(!ctx->osevent_in_hook)".into());
        }
        if release.deregisters_idle_fds() {
            // libxl_childproc_setmode(CTX, 0, 0), which asserts that there is no child.
            if !self.state().children.is_empty() {
                self.violation("X3", "libxl_ctx_free with a child: assert(LIST_EMPTY(&CTX->children))".into());
            }
            self.children_reset();
        }
        if !self.state().watches.is_empty() {
            self.violation("X3", "libxl_ctx_free with a watch: assert(!libxl__watch_slot_contents(gc, i))".into());
        }
        let kept = {
            let state = self.state();
            [state.watches.efd, state.children.efd]
        };
        if !release.deregisters_idle_fds() {
            for efd in kept {
                self.fd_deregister(efd);
            }
        }
        let (fds, timeouts) = {
            let state = self.state();
            (state.fds.registered(), state.times.registered())
        };
        if fds > 0 {
            self.violation("X3", format!("libxl_ctx_free with {fds} fds: assert(LIST_EMPTY(&ctx->efds))"));
        }
        if timeouts > 0 {
            self.violation("X3", format!("libxl_ctx_free with {timeouts} timeouts: assert(TAILQ_EMPTY(&ctx->etimes))"));
        }
        let operations = self.state().operations;
        if release.aborts() && operations > 0 {
            let text = format!("libxl_ctx_free in {operations} operations: assert(LIST_EMPTY(&ctx->aos_inprogress))");
            self.violation("X3", text);
        }
        // xs_close, libxl__pipe_close: R8.
        let mut state = self.state();
        state.watches.close();
        state.children.close();
        // What the callbacks captured goes without the borrow: it may be the last reference to anything.
        let callbacks = (state.fds.take_callbacks(), state.times.take_callbacks());
        drop(state);
        drop(callbacks);
    }

    /// Whether it is an fd of libxl's own: xenstore's, or the SIGCHLD pipe.
    pub(super) fn is_own(&self, ev: FdEv) -> bool {
        let state = self.state();
        ev == state.watches.efd || ev == state.children.efd
    }
}

/// Takes the calling thread's innermost call off the list.
fn leave(outside: &mut Outside) {
    let thread = std::thread::current().id();
    if let Some(at) = outside.inside.iter().rposition(|inside| inside.thread == thread) {
        outside.inside.remove(at);
    }
}

struct Leave<'a>(&'a Ctx);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        leave(&mut self.0.outside.lock());
    }
}
