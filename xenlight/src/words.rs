//! What libxl says in its log, and for which call or operation.
//!
//! Libxl returns a number and says the reason in its log. There is one log for each ctx, and operations that go on side by
//! side all write to it. So each line has to find its owner; no line may come to another's error.
//!
//! # Whose a line is
//! Libxl works for somebody only inside a call of ours, a *frame*, on the thread that makes it:
//!
//! - A call that begins or aborts an operation, or asks a question, has its owner by itself.
//! - An occurrence, or the report of a child, is for whom that was registered or forked: the owner of the frame in which libxl
//!   did it. What it registers in turn has the same owner again, so the chain goes from the call that began an operation
//!   to its end. It is noted under the value that an occurrence passes, by which libxl itself finds its fd or
//!   timeout (a value that comes again, [R10], has been registered again).
//! - Fds that serve several operations have no owner: those registered while the ctx opens, which are xenstore's and perhaps the
//!   SIGCHLD pipe, and devices, the event channels' among them. Of xenstore's, libxl says at debug level which
//!   of its watches it is about to call; the line is the same from 4.2.0 to 4.22.0, and so is the one that says in whose frame
//!   the watch was set. Without these lines there is no owner.
//!
//! From 4.10 on many lines name their domain, and then that counts: such a line comes to the frame's owner if that is about
//! this domain, or is about none that is known, as a creation, and no other operation is about it. Otherwise it
//! comes to the operations on that domain, as uncertain if there are several. A line with neither owner nor domain comes to the one operation at work,
//! and says that this is not certain; to none if there are several.
//!
//! How far an operation has come is told in the same calls, without its domain: by the save helper, through a pipe that is registered for its
//! operation. A report without an owner is nobody's.
//!
//! # The lock, and forked children
//! The lock is taken under libxl's ([R15]) for a few steps without a call out. A forked child, which must not need it ([X9]), never gets
//! here: the logger looks first which process it is in.

#[cfg(doc)]
use crate::contract::*;
use crate::lock;
use crate::progress::{Progress, Reported};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;
use xenlight_types::DomainId;

/// A line of libxl's log, at error level.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The text without the place in libxl's source: at most 400 bytes. Control characters are replaced by blanks.
    pub text: String,
    /// The domain that the line names. Only with Xen 4.10 and later, and only in some lines.
    pub domid: Option<DomainId>,
    /// Whether the line is certainly about the call or operation that failed. If not, the operation was the only one in progress
    /// on the ctx, or one of several on this domain.
    pub certain: bool,
}

/// The lines of libxl's log about a failure, in order. Empty if libxl logged nothing.
///
/// It has at most 16 lines: of a longer log, the first eight and the last eight. The displayed text is the first two lines
/// and the last one, shortened.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Words(Option<Arc<[Line]>>);

impl Deref for Words {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |at: usize| at < SHOWN - 1 || at + 1 == self.len();
        let left_out = self.len().saturating_sub(SHOWN);
        for (at, line) in self.iter().enumerate().filter(|(at, _)| shown(*at)) {
            if at > 0 {
                f.write_str("; ")?;
            }
            if at + 1 == self.len() && left_out > 0 {
                write!(f, "(and {left_out} more) ")?;
            }
            let text = cut(&line.text, SHOWN_BYTES);
            let ellipsis = if text.len() < line.text.len() { "…" } else { "" };
            let doubt = if line.certain { "" } else { "perhaps of something else: " };
            write!(f, "{doubt}{text}{ellipsis}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

const SHOWN: usize = 3;
const SHOWN_BYTES: usize = 160;

/// Lines kept from the beginning, where the cause is, and as many from the end.
const KEPT: usize = 8;
const LONGEST: usize = 400;

/// A call or operation, as far as libxl's words are concerned.
pub(crate) struct Listener {
    domid: Option<DomainId>,
    heard: Mutex<Vec<Line>>,
    pub(crate) reported: Arc<Reported>,
}

impl Listener {
    /// `domid` is `None` for what is about no domain, or about one that is yet to be made.
    pub(crate) fn new(domid: Option<DomainId>) -> Arc<Self> {
        Arc::new(Self { domid, heard: Mutex::default(), reported: Arc::default() })
    }

    pub(crate) fn words(&self) -> Words {
        let heard = lock(&self.heard);
        Words((!heard.is_empty()).then(|| heard.as_slice().into()))
    }

    fn hear(&self, line: Line) {
        let mut heard = lock(&self.heard);
        if heard.last() == Some(&line) {
            return;
        }
        if heard.len() == 2 * KEPT {
            heard.remove(KEPT);
        }
        heard.push(line);
    }
}

/// Of one ctx: who is at work, and what is whose.
#[derive(Default)]
pub(crate) struct Hearing {
    state: Mutex<State>,
    /// Whether a watch in xenstore has an owner; written under the lock. Relaxed: libxl sets such a watch, and says that it is about to call it, under its
    /// own lock ([R15]).
    has_watches: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The operations whose callback has not run.
    at_work: Vec<Arc<Listener>>,
    /// By the `for_libxl` of an fd or timeout.
    registrations: Owners,
    /// By the address of one of libxl's watches in xenstore.
    watches: Owners,
    /// Registered while the ctx opened.
    shared: Vec<RawFd>,
    opened: bool,
}

#[derive(Default)]
struct Owners(HashMap<u64, Weak<Listener>>);

struct Frame {
    /// The address of the ctx's `Hearing`: calls on several ctxs can nest.
    hearing: usize,
    owner: Option<Arc<Listener>>,
}

thread_local! {
    /// This thread's calls into libxl, the innermost last.
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// For as long as it lives, libxl works for its owner on this thread.
pub(crate) struct Attending<'a> {
    _hearing: PhantomData<&'a Hearing>,
    /// It is the thread's.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        let frame = FRAMES.try_with(|frames| frames.borrow_mut().pop());
        // The owner's drop, outside the borrow.
        drop(frame);
    }
}

impl Hearing {
    /// Before a call into libxl for this owner.
    pub(crate) fn attend(&self, owner: Option<Arc<Listener>>) -> Attending<'_> {
        let frame = Frame { hearing: self.address(), owner };
        // While a thread ends, its calls have no frames, and the lines no owner.
        _ = FRAMES.try_with(|frames| frames.borrow_mut().push(frame));
        Attending { _hearing: PhantomData, _not_send: PhantomData }
    }

    /// The owner of this thread's call into libxl.
    pub(crate) fn current(&self) -> Option<Arc<Listener>> {
        self.innermost(|frame| frame.owner.clone()).flatten()
    }

    /// An operation is about to begin.
    pub(crate) fn begins(&self, operation: &Arc<Listener>) {
        lock(&self.state).at_work.push(operation.clone());
    }

    /// Its callback runs, or it did not begin.
    pub(crate) fn ended(&self, operation: &Arc<Listener>) {
        self.with_watches(|state| {
            state.at_work.retain(|other| !Arc::ptr_eq(other, operation));
            state.registrations.forget(operation);
            state.watches.forget(operation);
        });
    }

    /// What [`registers`](Self::registers) was told of did not come about.
    pub(crate) fn refused(&self, value: u64, fd: Option<RawFd>) {
        let mut state = lock(&self.state);
        state.registrations.set(value, None);
        if !state.opened
            && let Some(at) = state.shared.iter().rposition(|shared| Some(*shared) == fd)
        {
            state.shared.remove(at);
        }
    }

    /// Libxl registers an fd, or a timeout, to be called with this value.
    pub(crate) fn registers(&self, value: u64, fd: Option<RawFd>) {
        let owner = self.current();
        let mut state = lock(&self.state);
        if let Some(fd) = fd
            && !state.opened
        {
            state.shared.push(fd);
        }
        let serves_several = |fd| state.shared.contains(&fd) || is_device(fd);
        let owner = owner.filter(|_| !fd.is_some_and(serves_several));
        state.registrations.set(value, owner.as_ref());
    }

    /// What is registered from now on is for somebody.
    pub(crate) fn opened(&self) {
        lock(&self.state).opened = true;
    }

    /// Whom an occurrence with this value is for.
    pub(crate) fn owner(&self, value: u64) -> Option<Arc<Listener>> {
        lock(&self.state).registrations.owner(value)
    }

    /// Whether a message below the level of errors may be of use: whether this call has an owner, or may get one. It takes no lock, so a forked child may
    /// ask.
    pub(crate) fn needs_notes(&self) -> bool {
        self.has_watches.load(Ordering::Relaxed) || self.innermost(|frame| frame.owner.is_some()).unwrap_or(false)
    }

    /// A message below the level of errors.
    pub(crate) fn note(&self, message: &str) {
        // From 4.2.0 to 4.22.0.
        if message.contains(" suspend request via ") {
            self.asks_to_suspend(true);
            return;
        }
        let Some((watch, rest)) = message.split_once("watch w=0x").and_then(|(_, rest)| rest.split_once(' ')) else {
            return;
        };
        let Ok(watch) = u64::from_str_radix(watch, 16) else { return };
        if rest.contains(": register slotnum=") {
            let owner = self.current();
            self.with_watches(|state| state.watches.set(watch, owner.as_ref()));
        } else if rest.contains(": event epath=") {
            let owner = self.with_watches(|state| state.watches.owner(watch));
            let _replaced = self.innermost(|frame| std::mem::replace(&mut frame.owner, owner));
        }
    }

    /// How far the owner of this call has come. Returns the one who waits for it.
    #[must_use]
    pub(crate) fn progresses(&self, progress: Progress) -> Option<Waker> {
        self.current()?.reported.add(progress)
    }

    /// A message at the level of errors. `context` is `libxl`, or a part of it.
    pub(crate) fn hear(&self, context: &str, message: &str) {
        // From 4.5 to 4.22.0, when it has done so.
        if message.contains("suspend, cancelling request") {
            self.asks_to_suspend(false);
        }
        let line = line(context, message);
        let owner = self.current();
        let state = lock(&self.state);
        let about = |domid| state.at_work.iter().filter(move |other| other.domid == Some(domid));
        match (line.domid, owner) {
            (Some(domid), Some(owner)) if owner.domid == Some(domid) => owner.hear(line),
            (Some(domid), Some(owner)) if owner.domid.is_none() && about(domid).next().is_none() => owner.hear(line),
            (Some(domid), _) => {
                let certain = about(domid).count() == 1;
                about(domid).for_each(|operation| operation.hear(Line { certain, ..line.clone() }));
            }
            (None, Some(owner)) => owner.hear(line),
            (None, None) => {
                if let [alone] = &*state.at_work {
                    alone.hear(Line { certain: false, ..line });
                }
            }
        }
    }

    /// The owner of this call has asked its domain to suspend, or has taken that back.
    fn asks_to_suspend(&self, asks: bool) {
        if let Some(owner) = self.current() {
            owner.reported.set_asks_to_suspend(asks);
        }
    }

    /// For what looks at the watches in xenstore, or changes them.
    fn with_watches<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = lock(&self.state);
        let result = work(&mut state);
        // What a call has set that has returned is nobody's: so libxl's one watch for the ends of domains.
        state.watches.0.retain(|_, owner| owner.strong_count() > 0);
        self.has_watches.store(!state.watches.0.is_empty(), Ordering::Relaxed);
        result
    }

    fn innermost<R>(&self, look: impl FnOnce(&mut Frame) -> R) -> Option<R> {
        let address = self.address();
        FRAMES
            .try_with(|frames| frames.borrow_mut().iter_mut().rfind(|frame| frame.hearing == address).map(look))
            .ok()
            .flatten()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Owners {
    fn owner(&self, key: u64) -> Option<Arc<Listener>> {
        self.0.get(&key).and_then(Weak::upgrade)
    }

    fn set(&mut self, key: u64, owner: Option<&Arc<Listener>>) {
        match owner {
            Some(owner) => _ = self.0.insert(key, Arc::downgrade(owner)),
            None => _ = self.0.remove(&key),
        }
    }

    fn forget(&mut self, gone: &Arc<Listener>) {
        self.0.retain(|_, owner| !std::ptr::eq(owner.as_ptr(), Arc::as_ptr(gone)));
    }
}

/// The event channels' fd serves all that wait for one.
fn is_device(fd: RawFd) -> bool {
    // SAFETY: all zero is a valid value of this plain struct.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: written during the call.
    unsafe { libc::fstat(fd, &mut status) == 0 && status.st_mode & libc::S_IFMT == libc::S_IFCHR }
}

/// Takes a message apart: `libxl_dom.c:42:libxl__build_dom: Domain 5:xc_dom_… failed`.
fn line(context: &str, message: &str) -> Line {
    let mut rest = message;
    let is_place = |head: &str| {
        let mut parts = head.split(':');
        let file = parts.next().is_some_and(|file| file.ends_with(".c") || file.ends_with(".h"));
        file && parts.next().is_some_and(|line| line.parse::<u32>().is_ok())
    };
    if let Some((head, tail)) = rest.split_once(": ")
        && is_place(head)
    {
        rest = tail;
    }
    let named = rest.strip_prefix("Domain ").and_then(|rest| rest.split_once(':'));
    let named = named.and_then(|(domid, tail)| Some((domid.parse().ok()?, tail)));
    let domid = named.map(|(domid, _)| domid);
    rest = named.map_or(rest, |(_, tail)| tail).trim();
    let source = if context.is_empty() || context == "libxl" { String::new() } else { format!("{context}: ") };
    // Of an errno, its meaning.
    let rest = rest.rsplit_once(" (os error ").map_or(rest, |(rest, _)| rest);
    let text = format!("{source}{rest}").replace(char::is_control, " ");
    Line { text: cut(&text, LONGEST).to_owned(), domid, certain: true }
}

/// Its beginning, no longer than this.
fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
#[path = "words/tests.rs"]
mod tests;
