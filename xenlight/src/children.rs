//! Libxl's children (S1): who is told when they exit, and how.
//!
//! # By pidfd
//! Libxl forks through [`fork`]; the parent opens a pidfd of the child and gives it to the loop.
//! When it is readable, the child's status is looked at without reaping, reported to libxl, and then reaped: until libxl
//! has heard of it, the pid cannot name another child. Nobody else's children are touched, no
//! SIGCHLD handler is installed. A child cannot be reported too early, since fork holds libxl's lock
//! and the report waits for it (S2).
//!
//! A child whose pidfd cannot be had or watched (the fd table is full, the kernel is older than 5.3) is
//! looked at again and again, by a timer, which needs no fd: none is ever forgotten (S6).

use crate::ctx::Hosted;
use crate::lock;
use core::ffi::{c_int, c_uint, c_void};
use osevent_core::{Deadline, GuestValue, Interest, Registry, Token};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use xenlight_sys::children as sys;

/// Who learns of the deaths of libxl's children, and how (S1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Children {
    /// The event loop waits for each of libxl's children by a pidfd of it, and for nothing else. No signal handler; the application may have
    /// its own. Works with all releases, and with several ctxs.
    ///
    /// The application must not reap them behind its back: no `waitpid(-1, …)`, and SIGCHLD not ignored.
    #[default]
    ByPidfd,
    /// Libxl handles SIGCHLD for as long as a ctx of this kind is open, and reaps its own children only. 4.4 and
    /// later; all ctxs of the process alike (S8); one thread at least leaves SIGCHLD unblocked.
    SelectiveReap,
    /// Libxl handles SIGCHLD while it has children, and reaps every child of the process, also those
    /// of other ctxs, which then never hear of it (S8): for one ctx in a process of its own. 4.4 and later.
    Libxl,
    /// As [`Libxl`](Self::Libxl), but for as long as the ctx is open.
    LibxlAlways,
    /// The application has its own handler, and reports children with
    /// [`Ctx::child_exited`](crate::Ctx::child_exited).
    Host,
}

impl Children {
    pub(crate) fn hooks(self) -> &'static sys::ChildprocHooks {
        const fn owned_by(chldowner: c_uint) -> sys::ChildprocHooks {
            sys::ChildprocHooks { chldowner, fork_replacement: None, reaped_callback: None }
        }
        static BY_PIDFD: sys::ChildprocHooks =
            sys::ChildprocHooks { fork_replacement: Some(fork), ..owned_by(sys::SIGCHLD_OWNER_MAINLOOP) };
        static SELECTIVE: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL_ALWAYS_SELECTIVE_REAP);
        static LIBXL: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL);
        static ALWAYS: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL_ALWAYS);
        static HOST: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_MAINLOOP);
        match self {
            Self::ByPidfd => &BY_PIDFD,
            Self::SelectiveReap => &SELECTIVE,
            Self::Libxl => &LIBXL,
            Self::LibxlAlways => &ALWAYS,
            Self::Host => &HOST,
        }
    }
}

/// How long until a child without a pidfd is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Reported for a child whose status somebody else took: `exit(255)`.
const STATUS_UNKNOWN: c_int = 255 << 8;

/// The children of one ctx that have not been reported yet.
pub(crate) struct Living {
    process: libc::pid_t,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    children: HashMap<libc::pid_t, Option<Watched>>,
    /// The timer that looks at those without a pidfd is running.
    looking: bool,
}

struct Watched {
    token: Token,
    // Closed after it was unwatched (S5).
    _pidfd: OwnedFd,
}

impl Living {
    pub(crate) fn new() -> Self {
        // SAFETY: no preconditions.
        Self { process: unsafe { libc::getpid() }, state: Mutex::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.state).children.is_empty()
    }
}

/// The `fork_replacement`: with libxl's lock held, and called again in the child that runs a spawn (S7).
unsafe extern "C" fn fork(user: *mut c_void) -> libc::pid_t {
    // SAFETY: `user` is the registry, which outlives the ctx (X1).
    let registry = unsafe { &*user.cast::<Registry<Hosted>>() };
    // SAFETY: libxl asks for it, and keeps to its own rules in the child.
    let pid = unsafe { libc::fork() };
    // SAFETY: no preconditions. Not `Living::process` alone: in a grandchild it is not ours either.
    if pid > 0 && unsafe { libc::getpid() } == registry.guest().children.process {
        adopt(registry, pid);
    }
    pid
}

fn adopt(registry: &Registry<Hosted>, pid: libc::pid_t) {
    let watched = watch(registry, pid);
    let without = watched.is_none();
    lock(&registry.guest().children.state).children.insert(pid, watched);
    if without {
        look_again(registry);
    }
}

fn watch(registry: &Registry<Hosted>, pid: libc::pid_t) -> Option<Watched> {
    // SAFETY: no pointers. The pid is a child's that nobody has reaped, so it names no other process.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the kernel just gave this fd, close-on-exec, to nobody else.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as c_int) };
    let token = registry.watch_fd(pidfd.as_raw_fd(), Interest::IN, value_of(pid)).ok()?;
    Some(Watched { token, _pidfd: pidfd })
}

const LOOK: GuestValue = GuestValue(1 << 33);

fn value_of(pid: libc::pid_t) -> GuestValue {
    GuestValue(1 << 32 | pid as u32 as u64)
}

fn look_again(registry: &Registry<Hosted>) {
    let children = &registry.guest().children;
    if std::mem::replace(&mut lock(&children.state).looking, true) {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = Deadline::from_micros((now + LOOK_AGAIN).as_micros().try_into().unwrap_or(i64::MAX));
    if let Err(error) = registry.watch_deadline(deadline, LOOK) {
        lock(&children.state).looking = false;
        log::error!("a child of libxl cannot be waited for, its operation will not complete: {error}");
    }
}

/// A pidfd of ours is readable: on the loop's thread, outside the gate.
pub(crate) fn own_fd(registry: &Registry<Hosted>, value: GuestValue) {
    let pid = value.0 as u32 as libc::pid_t;
    report_if_dead(registry, pid);
}

/// The timer of ours has expired.
pub(crate) fn own_timeout(registry: &Registry<Hosted>) {
    let children = &registry.guest().children;
    let unwatched: Vec<_> = {
        let mut state = lock(&children.state);
        state.looking = false;
        state.children.iter().filter(|(_, watched)| watched.is_none()).map(|(pid, _)| *pid).collect()
    };
    for pid in unwatched {
        if report_if_dead(registry, pid) {
            continue;
        }
        match watch(registry, pid) {
            Some(watched) => _ = lock(&children.state).children.insert(pid, Some(watched)),
            None => look_again(registry),
        }
    }
}

/// True if it is dead, and libxl knows now.
fn report_if_dead(registry: &Registry<Hosted>, pid: libc::pid_t) -> bool {
    let hosted = registry.guest();
    if !lock(&hosted.children.state).children.contains_key(&pid) {
        return true;
    }
    let Some((status, lost)) = status_of(pid) else { return false };
    let Ok(call) = registry.enter() else { return true };
    // Another thread may have come here, too.
    let Some(watched) = lock(&hosted.children.state).children.remove(&pid) else { return true };
    if let Some(error) = lost {
        log::error!(
            "libxl's child {pid} was reaped behind the ctx's back, its exit status is lost ({error}); \
             do not wait for all children of the process, nor ignore SIGCHLD"
        );
    }
    if let Some(watched) = watched {
        registry.unwatch(watched.token);
    }
    // SAFETY: the ctx lives while `call` does, and this is no signal handler (S2).
    unsafe { hosted.library().childproc_reaped(hosted.raw(&call), pid, status) };
    // SAFETY: no pointer but null. It is dead, so this does not wait; if it is gone, nothing happens.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    // A close waits for the last child.
    hosted.closing.progressed(registry);
    true
}

/// The wait status of a child that has exited, which stays to be reaped; and the reason, if somebody reaped it.
fn status_of(pid: libc::pid_t) -> Option<(c_int, Option<io::Error>)> {
    // SAFETY: all zero is a valid value of this plain struct.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    loop {
        // SAFETY: `info` is writable for the length of the call.
        if unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, options) } == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Some((STATUS_UNKNOWN, Some(error)));
        }
    }
    // SAFETY: waitid has filled in the fields of a SIGCHLD, or left them zero.
    let (exited, status) = unsafe { (info.si_pid(), info.si_status()) };
    if exited == 0 {
        return None;
    }
    let status = match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    };
    Some((status, None))
}
