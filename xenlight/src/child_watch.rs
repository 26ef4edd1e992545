//! How libxl's children come, and how they are waited for: its `fork_replacement`, and the pidfds on the loop.

use crate::children::{Children, Number, Watched, status_of, wait_for};
use crate::contain::say;
#[cfg(doc)]
use crate::contract::*;
use crate::deadline::within;
use crate::fork;
use crate::hosted::Hosted;
use core::ffi::{c_int, c_uint, c_void};
use osevent_core::{ClientValue, InHook, Interest, Registry};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use xenlight_sys::children as sys;

/// How long until a child without a pidfd is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// For `libxl_childproc_setmode`.
pub(crate) fn hooks(owner: Children) -> &'static sys::ChildprocHooks {
    const fn owned_by(chldowner: c_uint) -> sys::ChildprocHooks {
        sys::ChildprocHooks { chldowner, fork_replacement: Some(fork), reaped_callback: None }
    }
    static MAINLOOP: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_MAINLOOP);
    static SELECTIVE: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL_ALWAYS_SELECTIVE_REAP);
    static LIBXL: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL);
    static ALWAYS: sys::ChildprocHooks = owned_by(sys::SIGCHLD_OWNER_LIBXL_ALWAYS);
    match owner {
        Children::ByPidfd | Children::Host => &MAINLOOP,
        Children::SelectiveReap => &SELECTIVE,
        Children::Libxl => &LIBXL,
        Children::LibxlAlways => &ALWAYS,
    }
}

/// The `fork_replacement`: with libxl's lock held, and called again in the child that runs a spawn ([S7]).
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
    let pid = fork::fork(hosted.library(), hosted.logger());
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
    let start_timer = || registry.watch_deadline(within(LOOK_AGAIN), LOOK).map(drop);
    if let Err(error) = registry.client().children.look_later(start_timer) {
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
    let unwatched = registry.client().children.expired();
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
    hosted.progressed(registry);
    true
}
