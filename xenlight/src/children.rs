//! Libxl's children ([S1]): who is told when they exit, and how.
//!
//! # By pidfd
//! Libxl forks through `child_watch::fork`; the parent opens a pidfd of the child and gives it to the loop.
//! When it is readable, the child's status is looked at without reaping, reported to libxl, and then reaped: until libxl
//! has heard of it, the pid cannot name another child. Nobody else's children are touched, no
//! SIGCHLD handler is installed. A child cannot be reported too early, since fork holds libxl's lock
//! and the report waits for it ([S2]).
//!
//! A child whose pidfd cannot be had or watched (the fd table is full, the kernel is older than 5.3) is
//! looked at again and again, by a timer, which needs no fd: none is ever forgotten ([S6]).

#[cfg(doc)]
use crate::contract::*;
use crate::guarded::Guarded;
use crate::lock;
use crate::words::Listener;
use core::ffi::{c_int, c_void};
use osevent_core::Token;
use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// How the exits of libxl's child processes are noticed ([S1]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Children {
    /// The event loop waits for each child of libxl by a pidfd. No signal handler is installed, and the application may have
    /// its own. Works with all releases and with several ctxs.
    ///
    /// The application must not reap these children: it must not call `waitpid(-1, …)` and must not ignore SIGCHLD.
    #[default]
    ByPidfd,
    /// libxl handles SIGCHLD while a ctx of this kind is open, and reaps only its own children. Needs Xen 4.4 or later. All
    /// ctxs of the process must use this ([S8]). At least one thread must leave SIGCHLD unblocked. No other code may install
    /// a SIGCHLD handler, before or after: libxl ends the process when it finds one ([S1]).
    SelectiveReap,
    /// libxl handles SIGCHLD while it has children, and reaps every child of the process. Other ctxs would never learn of
    /// their children ([S8]), so this is for a single ctx in a process without another SIGCHLD handler. Needs Xen 4.4 or
    /// later.
    Libxl,
    /// The same as [`Libxl`](Self::Libxl), but for as long as the ctx is open.
    LibxlAlways,
    /// The application has its own SIGCHLD handler and reports children with
    /// [`Ctx::child_exited`](crate::Ctx::child_exited).
    Host,
}

impl Children {
    /// Whether the kernel reaps all children of this process by itself, where libxl installs no handler that would change that.
    pub(crate) fn lose_statuses(self) -> bool {
        let action = sigchld();
        let lost = action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0;
        lost && matches!(self, Self::ByPidfd | Self::Host)
    }

    /// Whether libxl would find a handler of somebody else's when it installs its own ([S1]).
    pub(crate) fn meet_foreign_handler(self, library: &Path) -> bool {
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
        object.to_bytes() != library.as_os_str().as_bytes()
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

/// Reported for a child whose status somebody else took: `exit(255)`.
const STATUS_UNKNOWN: c_int = 255 << 8;

/// The children of one ctx that have not been reported yet.
pub(crate) struct LiveChildren {
    owner: Children,
    process: libc::pid_t,
    state: Mutex<State>,
}

/// Names a child for ever, from 1 on: a pid can name another one as soon as this one is reaped, while a late call is on its way.
pub(crate) type Number = u64;

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

pub(crate) struct Child {
    pid: libc::pid_t,
    /// Whom it works for.
    pub(crate) owner: Option<Arc<Listener>>,
    pub(crate) watched: Option<Watched>,
}

pub(crate) struct Watched {
    pub(crate) token: Token,
    /// Closed after it was unwatched ([S5]), once nobody asks for a status by it any more.
    pub(crate) pidfd: Arc<OwnedFd>,
}

impl Child {
    fn name(&self) -> Name {
        Name { pid: self.pid, pidfd: self.watched.as_ref().map(|watched| watched.pidfd.clone()) }
    }
}

/// What a child is asked for by: the pidfd, where there is one, since the pid is another child's once somebody has reaped this one.
pub(crate) struct Name {
    pub(crate) pid: libc::pid_t,
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

    /// Whether this is a forked child of the process that opened the ctx, where nothing of it may be used ([X7]).
    pub(crate) fn is_forked(&self) -> bool {
        // SAFETY: no preconditions.
        unsafe { libc::getpid() != self.process }
    }

    pub(crate) fn add(&self, pid: libc::pid_t, owner: Option<Arc<Listener>>) -> Number {
        lock(&self.state).add(pid, owner)
    }

    pub(crate) fn name(&self, number: Number) -> Option<Name> {
        lock(&self.state).children.get(&number).map(Child::name)
    }

    /// Gives it back where the child has been reported meanwhile, or is watched already: another thread was at the same.
    pub(crate) fn set_watched(&self, number: Number, watched: Watched) -> Result<(), Watched> {
        match lock(&self.state).children.get_mut(&number) {
            Some(child) if child.watched.is_none() => child.watched = Some(watched),
            _ => return Err(watched),
        }
        Ok(())
    }

    /// Has those without a pidfd looked at, by the one timer that there is.
    pub(crate) fn look_later<E>(&self, start_timer: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        look_later(&self.state, start_timer)
    }

    /// The timer has expired: those who are to be looked at now.
    pub(crate) fn expired(&self) -> Vec<(Number, libc::pid_t)> {
        self.state.with(State::expired)
    }

    /// For the one who reports it.
    pub(crate) fn remove(&self, number: Number) -> Option<Child> {
        lock(&self.state).children.remove(&number)
    }
}

/// The wait status of a child that has exited, which stays to be reaped; and the reason, if somebody reaped it.
pub(crate) fn status_of(name: &Name) -> Option<(c_int, Option<io::Error>)> {
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
pub(crate) fn wait_for(name: &Name, options: c_int) -> io::Result<libc::siginfo_t> {
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
    use std::os::fd::FromRawFd;

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
