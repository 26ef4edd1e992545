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

use crate::contain::say;
use crate::ctx::Hosted;
use crate::guarded::Guarded;
use crate::library::Library;
use crate::lock;
use crate::words::Listener;
use core::ffi::{c_int, c_uint, c_void};
use osevent_core::{ClientValue, Deadline, InHook, Interest, Registry, Token};
use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use xenlight_sys::children as sys;

/// Who learns of the deaths of libxl's children, and how (S1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Children {
    /// The event loop waits for each of libxl's children by a pidfd of it, and for nothing else. No signal handler; the application may have
    /// its own. Works with all releases, and with several ctxs.
    ///
    /// The application must not reap them behind its back: no `waitpid(-1, …)`, and SIGCHLD not ignored.
    #[default]
    ByPidfd,
    /// Libxl handles SIGCHLD for as long as a ctx of this kind is open, and reaps its own children only. 4.4 and
    /// later; all ctxs of the process alike (S8); one thread at least leaves SIGCHLD unblocked, and nobody else installs a
    /// handler, before or after: libxl ends the process when it finds one (S1).
    SelectiveReap,
    /// Libxl handles SIGCHLD while it has children, and reaps every child of the process, also those
    /// of other ctxs, which then never hear of it (S8): for one ctx in a process of its own, without another handler. 4.4 and
    /// later.
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
            sys::ChildprocHooks { chldowner, fork_replacement: Some(fork), reaped_callback: None }
        }
        static MAINLOOP: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_MAINLOOP);
        static SELECTIVE: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL_ALWAYS_SELECTIVE_REAP);
        static LIBXL: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL);
        static ALWAYS: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL_ALWAYS);
        match self {
            Self::ByPidfd | Self::Host => &MAINLOOP,
            Self::SelectiveReap => &SELECTIVE,
            Self::Libxl => &LIBXL,
            Self::LibxlAlways => &ALWAYS,
        }
    }
}

impl Children {
    /// Whether the kernel reaps all children of this process by itself, where libxl installs no handler that would change that.
    pub(crate) fn lose_statuses(self) -> bool {
        let action = sigchld();
        let lost = action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0;
        lost && matches!(self, Self::ByPidfd | Self::Host)
    }

    /// Whether libxl would find a handler of somebody else's when it installs its own (S1).
    pub(crate) fn meet_foreign_handler(self, library: &Library) -> bool {
        if matches!(self, Self::ByPidfd | Self::Host) {
            return false;
        }
        let handler = sigchld().sa_sigaction;
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            return false;
        }
        // SAFETY: all zero is a valid value of this plain struct.
        let mut place: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: any address may be asked for; `place` is written during the call.
        if unsafe { libc::dladdr(handler as *const c_void, &mut place) } == 0 || place.dli_fname.is_null() {
            return true;
        }
        // SAFETY: the dynamic linker's name of the object that has the handler, which stays loaded while it is in force.
        let object = unsafe { CStr::from_ptr(place.dli_fname) };
        // Libxl's own, for another ctx, is none.
        object.to_bytes() != library.path().as_os_str().as_bytes()
    }
}

/// What this process does on SIGCHLD.
fn sigchld() -> libc::sigaction {
    // SAFETY: all zero is a valid value of this plain struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `action` is written during the call; nothing is changed.
    unsafe { libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action) };
    action
}

/// How long until a child without a pidfd is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Reported for a child whose status somebody else took: `exit(255)`.
const STATUS_UNKNOWN: c_int = 255 << 8;

/// The children of one ctx that have not been reported yet.
pub(crate) struct LiveChildren {
    owner: Children,
    process: libc::pid_t,
    state: Mutex<State>,
}

/// Names a child for ever, from 1 on: a pid can name another one as soon as this one is reaped, while a late call is on its way.
type Number = u64;

#[derive(Default)]
struct State {
    last: Number,
    children: HashMap<Number, Child>,
    /// The timer that looks at those without a pidfd is running.
    looking: bool,
}

impl State {
    fn add(&mut self, pid: libc::pid_t, owner: Option<Arc<Listener>>) -> Number {
        self.last += 1;
        self.children.insert(self.last, Child { pid, owner, watched: None });
        self.last
    }

    /// Whether the caller has to start the timer.
    fn wants_timer(&mut self) -> bool {
        !std::mem::replace(&mut self.looking, true)
    }

    /// The timer has expired: those who are to be looked at now. In one step: a child that comes later has a new timer started.
    fn expired(&mut self) -> Vec<(Number, libc::pid_t)> {
        self.looking = false;
        let unwatched = self.children.iter().filter(|(_, child)| child.watched.is_none());
        unwatched.map(|(number, child)| (*number, child.pid)).collect()
    }
}

/// Has the children without a pidfd looked at, by the one timer that there is.
fn look_later<E>(state: &impl Guarded<State>, start_timer: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if !state.with(State::wants_timer) {
        return Ok(());
    }
    start_timer().inspect_err(|_| state.with(|state| state.looking = false))
}

struct Child {
    pid: libc::pid_t,
    /// Whom it works for.
    owner: Option<Arc<Listener>>,
    watched: Option<Watched>,
}

struct Watched {
    token: Token,
    /// Closed after it was unwatched (S5), once nobody asks for a status by it any more.
    pidfd: Arc<OwnedFd>,
}

impl Child {
    fn name(&self) -> Name {
        Name { pid: self.pid, pidfd: self.watched.as_ref().map(|watched| watched.pidfd.clone()) }
    }
}

/// What a child is asked for by: the pidfd, where there is one, since the pid is another child's once somebody has reaped this one.
struct Name {
    pid: libc::pid_t,
    pidfd: Option<Arc<OwnedFd>>,
}

impl LiveChildren {
    pub(crate) fn new(owner: Children) -> Self {
        // SAFETY: no preconditions.
        Self { owner, process: unsafe { libc::getpid() }, state: Mutex::default() }
    }

    pub(crate) fn owner(&self) -> Children {
        self.owner
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.state).children.is_empty()
    }

    /// Whether this is a forked child of the process that opened the ctx, where nothing of it may be used (X7).
    pub(crate) fn is_forked(&self) -> bool {
        // SAFETY: no preconditions.
        unsafe { libc::getpid() != self.process }
    }

    fn add(&self, pid: libc::pid_t, owner: Option<Arc<Listener>>) -> Number {
        lock(&self.state).add(pid, owner)
    }

    fn name(&self, number: Number) -> Option<Name> {
        lock(&self.state).children.get(&number).map(Child::name)
    }

    /// Gives it back where the child has been reported meanwhile, or is watched already: another thread was at the same.
    fn set_watched(&self, number: Number, watched: Watched) -> Result<(), Watched> {
        match lock(&self.state).children.get_mut(&number) {
            Some(child) if child.watched.is_none() => child.watched = Some(watched),
            _ => return Err(watched),
        }
        Ok(())
    }

    /// For the one who reports it.
    fn remove(&self, number: Number) -> Option<Child> {
        lock(&self.state).children.remove(&number)
    }
}

/// The `fork_replacement`: with libxl's lock held, and called again in the child that runs a spawn (S7).
unsafe extern "C" fn fork(user: *mut c_void) -> libc::pid_t {
    // SAFETY: `user` is the registry, which outlives the ctx (X1).
    let registry = unsafe { &*user.cast::<Registry<Hosted>>() };
    let hosted = registry.client();
    if hosted.children.is_forked() {
        // It has no other threads, and has taken the locks once (S9).
        // SAFETY: libxl asks for it, and keeps to its own rules in the child.
        return unsafe { libc::fork() };
    }
    let _in_hook = InHook::begin();
    let pid = crate::fork::fork(hosted.library(), hosted.logger());
    // Nothing after it changes the errno of a fork that failed, which libxl reads.
    if pid > 0 && hosted.children.owner() == Children::ByPidfd {
        let number = hosted.children.add(pid, hosted.hearing().current());
        watch(registry, number, pid);
    }
    pid
}

/// By pidfd; by the timer, where that cannot be.
fn watch(registry: &Registry<Hosted>, number: Number, pid: libc::pid_t) {
    let Some(watched) = open_pidfd(registry, number, pid) else { return look_again(registry) };
    if let Err(watched) = registry.client().children.set_watched(number, watched) {
        registry.unwatch(watched.token);
    }
}

fn open_pidfd(registry: &Registry<Hosted>, number: Number, pid: libc::pid_t) -> Option<Watched> {
    // SAFETY: no pointers. Should the child have been reaped meanwhile and the pid name another process, `set_watched` says so.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the kernel just gave this fd, close-on-exec, to nobody else.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as c_int) };
    let token = registry.watch_fd(pidfd.as_raw_fd(), Interest::IN, ClientValue(number)).ok()?;
    Some(Watched { token, pidfd: Arc::new(pidfd) })
}

/// The one timer that there is.
const LOOK: ClientValue = ClientValue(0);

fn look_again(registry: &Registry<Hosted>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = Deadline::from_micros((now + LOOK_AGAIN).as_micros().try_into().unwrap_or(i64::MAX));
    let start_timer = || registry.watch_deadline(deadline, LOOK).map(drop);
    if let Err(error) = look_later(&registry.client().children.state, start_timer) {
        say!(Error, "a child of libxl cannot be waited for, its operation will not complete: {error}");
    }
}

/// A pidfd of ours is readable: on the loop's thread, outside the gate.
pub(crate) fn own_fd(registry: &Registry<Hosted>, value: ClientValue) {
    report_if_dead(registry, value.0);
}

/// The timer of ours has expired.
pub(crate) fn own_timeout(registry: &Registry<Hosted>) {
    // A statement of its own: in the loop's head the lock would be held in its body.
    let unwatched = registry.client().children.state.with(State::expired);
    for (number, pid) in unwatched {
        if !report_if_dead(registry, number) {
            watch(registry, number, pid);
        }
    }
}

/// True if it is dead, and libxl knows now.
fn report_if_dead(registry: &Registry<Hosted>, number: Number) -> bool {
    let hosted = registry.client();
    let Some(name) = hosted.children.name(number) else { return true };
    let pid = name.pid;
    let Some((status, lost)) = status_of(&name) else { return false };
    let Ok(call) = registry.enter() else { return true };
    // Another thread may have come here, too, and the pid may be another child's since: what is known of it counts for
    // the one who removes the number.
    let Some(child) = hosted.children.remove(number) else { return true };
    let is_ours_to_reap = lost.is_none();
    if let Some(error) = lost {
        say!(
            Error,
            "libxl's child {pid} was reaped behind the ctx's back, its exit status is lost ({error}); \
             do not wait for all children of the process, nor ignore SIGCHLD"
        );
    }
    if let Some(watched) = &child.watched {
        registry.unwatch(watched.token);
    }
    let _attending = hosted.hearing().attend(child.owner);
    // SAFETY: the ctx lives while `call` does, and this is no signal handler (S2).
    unsafe { hosted.library().childproc_reaped(hosted.raw(&call), pid, status) };
    if is_ours_to_reap {
        // It is dead, so this does not wait.
        let _ = wait_for(&name, libc::WEXITED | libc::WNOHANG);
    }
    // A close waits for the last child.
    hosted.closing.progressed(registry);
    true
}

/// The wait status of a child that has exited, which stays to be reaped; and the reason, if somebody reaped it.
fn status_of(name: &Name) -> Option<(c_int, Option<io::Error>)> {
    let info = match wait_for(name, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) {
        Ok(info) => info,
        Err(error) => return Some((STATUS_UNKNOWN, Some(error))),
    };
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

/// waitid(2), which leaves the pid zero where there is nothing to tell.
fn wait_for(name: &Name, options: c_int) -> io::Result<libc::siginfo_t> {
    let mut by_pidfd = name.pidfd.as_ref();
    loop {
        // SAFETY: all zero is a valid value of this plain struct.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let (kind, id) = match by_pidfd {
            Some(pidfd) => (libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t),
            None => (libc::P_PID, name.pid as libc::id_t),
        };
        // SAFETY: `info` is writable for the length of the call.
        if unsafe { libc::waitid(kind, id, &mut info, options) } == 0 {
            return Ok(info);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            // Linux 5.3 has pidfds and no P_PIDFD.
            Some(libc::EINVAL) if by_pidfd.is_some() => by_pidfd = None,
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libxl gets it, by either way of asking, while the child is there to be reaped still.
    fn reported(mut child: std::process::Child) -> c_int {
        let pid = child.id().cast_signed();
        // SAFETY: no pointers; the child is ours and not reaped.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        assert!(pidfd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the kernel just gave this fd to nobody else.
        let pidfd = Some(Arc::new(unsafe { OwnedFd::from_raw_fd(pidfd as c_int) }));
        let statuses = [pidfd, None].map(|pidfd| {
            let name = Name { pid, pidfd };
            loop {
                match status_of(&name) {
                    Some((status, None)) => return status,
                    Some((_, Some(error))) => panic!("it has been reaped: {error}"),
                    None => std::thread::yield_now(),
                }
            }
        });
        use std::os::unix::process::ExitStatusExt;
        let reaped = child.wait().expect("it was there to be reaped").into_raw();
        assert_eq!(statuses, [reaped; 2]);
        reaped
    }

    #[test]
    fn s2_a_status_is_what_waitpid_says() {
        let ends = |how: &str| reported(std::process::Command::new("sh").args(["-c", how]).spawn().expect("a shell"));
        assert_eq!(ends("exit 0"), 0);
        assert_eq!(ends("exit 3"), 3 << 8);
        assert_eq!(ends("exit 255"), 255 << 8);
        assert_eq!(ends("kill -KILL $$"), libc::SIGKILL);
        assert_eq!(ends("ulimit -c 0; kill -ABRT $$"), libc::SIGABRT);
    }

    #[test]
    fn s2_a_late_call_for_a_reported_child_does_not_meet_a_new_one_of_the_same_pid() {
        let children = LiveChildren::new(Children::ByPidfd);
        let first = children.add(100, None);
        assert_eq!(children.remove(first).map(|child| child.pid), Some(100));
        let second = children.add(100, None);
        assert!(children.remove(first).is_none(), "the second would be reported with the first one's status");
        assert_eq!(children.name(second).map(|name| name.pid), Some(100));
        assert!(children.remove(second).is_some() && children.is_empty());
    }

    #[test]
    fn x3_a_child_that_was_reported_while_its_pidfd_was_opened_does_not_come_back() {
        let children = LiveChildren::new(Children::ByPidfd);
        let number = children.add(100, None);
        assert!(children.remove(number).is_some());
        assert!(children.set_watched(number, watched()).is_err());
        assert!(children.is_empty(), "a close would wait for it for ever");
    }

    /// Two children without a pidfd are forked on two threads while the timer expires for the first.
    #[test]
    fn s6_whoever_has_no_pidfd_is_looked_at_again_by_one_timer_whatever_comes_between() {
        use loom::sync::{Arc, Mutex};
        loom::model(|| {
            let (state, timers) = (Arc::new(Mutex::new(State::default())), Arc::new(Mutex::new(0)));
            let fork = |state: &Mutex<State>, timers: &Mutex<u32>, pid| {
                state.with(|state| state.add(pid, None));
                let start = || {
                    timers.with(|timers| *timers += 1);
                    Ok::<_, ()>(())
                };
                look_later(state, start).expect("it starts");
            };
            fork(&state, &timers, 1);
            let forking = {
                let (state, timers) = (state.clone(), timers.clone());
                loom::thread::spawn(move || fork(&state, &timers, 2))
            };
            timers.with(|timers| *timers -= 1);
            let looked_at: Vec<_> = state.with(State::expired).into_iter().map(|(_, pid)| pid).collect();
            forking.join().expect("it does not panic");
            assert!(looked_at.contains(&1));
            let timers = timers.with(|timers| *timers);
            assert!(timers <= 1, "{timers} timers run");
            assert!(looked_at.contains(&2) || timers == 1, "the second is forgotten");
        });
    }

    #[test]
    fn s6_a_timer_that_is_refused_is_asked_for_again() {
        let state = Mutex::new(State::default());
        assert_eq!(look_later(&state, || Err("no")), Err("no"));
        let mut started = 0;
        for _ in 0..2 {
            let start = || {
                started += 1;
                Ok::<_, &str>(())
            };
            assert_eq!(look_later(&state, start), Ok(()));
        }
        assert_eq!(started, 1);
    }

    fn watched() -> Watched {
        let pidfd = OwnedFd::from(std::fs::File::open("/dev/null").expect("a stand-in for a pidfd"));
        let token = Token::from_handle(1 << 63 | 1).expect("it looks like one");
        Watched { token, pidfd: Arc::new(pidfd) }
    }

    #[test]
    fn s5_a_child_that_is_watched_twice_keeps_the_pidfd_that_is_in_the_loop() {
        let children = LiveChildren::new(Children::ByPidfd);
        let number = children.add(100, None);
        let first = watched();
        let fd = first.pidfd.as_raw_fd();
        assert!(children.set_watched(number, first).is_ok());
        assert!(children.set_watched(number, watched()).is_err(), "the first would be closed while it is watched");
        let name = children.name(number).expect("it has not been reported");
        assert_eq!(name.pidfd.map(|pidfd| pidfd.as_raw_fd()), Some(fd));
    }

    #[test]
    fn s2_the_status_is_that_of_the_child_behind_the_pidfd_whoever_has_its_pid_now() {
        let child = |code: &str| std::process::Command::new("sh").args(["-c", code]).spawn().expect("sh starts");
        let (mut reaped, mut other) = (child("exit 3"), child("exit 7"));
        // SAFETY: no pointers; it is not waited for yet.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, reaped.id(), 0) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the kernel just gave this fd to nobody else.
        let pidfd = Arc::new(unsafe { OwnedFd::from_raw_fd(fd as c_int) });
        reaped.wait().expect("it is a child");
        let wait_until_dead = Name { pid: other.id() as libc::pid_t, pidfd: None };
        wait_for(&wait_until_dead, libc::WEXITED | libc::WNOWAIT).expect("it is a child");
        let name = Name { pid: other.id() as libc::pid_t, pidfd: Some(pidfd) };
        let told = status_of(&name);
        assert!(matches!(told, Some((STATUS_UNKNOWN, Some(_)))), "the other's status was told: {told:?}");
        other.wait().expect("it was not reaped");
    }
}
