//! Forking for libxl, in a process with other threads.
//!
//! # The danger
//! Libxl's children go on inside libxl: the domain destroyer talks to the hypervisor, all let go of
//! xenstore, long before any of them might exec ([S5]). Below libxl are locks of the whole process which no
//! `pthread_atfork` guards: libxentoolcore's list of open handles, taken to open or close one, and
//! libxencall's cache of buffers, taken twice for every hypercall. If another thread holds one of them when a
//! child is forked, nobody ever frees it in that child: it waits for ever, and with it libxl's operation ([S9]).
//!
//! # The way out
//! They cannot be taken beforehand: they have no names outside their libraries. So each child tries them first, by opening and
//! closing a handle of libxenctrl's as the destroyer does, and tells its parent, which waits for
//! that; a child that says nothing in time is killed, having done nothing yet, and another is forked.
//! What is free when the child has tried it stays free: the child has one thread.
//!
//! The wait is for the child alone, which waits for nothing of ours; it happens with libxl's lock held, for
//! about as long as a fork takes.

use crate::contain::say;
#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use xenlight_sys::Library;
use xenlight_sys::log::Logger;

/// How long the first child may take to say that it can go on; each further one twice as long. As a rule it takes less than a
/// millisecond. In all 2.55 s, for which libxl's lock is held: short enough for whoever waits for it, and the last
/// child has 1.28 s, which is enough on a very busy machine.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// How many children are tried. With a lock held for half of the time, one in 256 forks fails.
const TRIES: u32 = 8;

/// Forks a child that can use libxl: its pid, 0 in the child, or -1 with errno set.
pub(crate) fn fork(library: &Library, logger: *mut Logger) -> libc::pid_t {
    let Some(word) = Shared::new() else { return -1 };
    for attempt in 0..TRIES {
        word.state().store(WAITING, Ordering::Relaxed);
        // SAFETY: libxl asks for it, and keeps to its own rules in the child.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => return -1,
            0 => {
                // SAFETY: the ctx's logger, which outlives it (X1).
                unsafe { library.try_locks(logger) };
                if !word.answer(ABLE) {
                    // SAFETY: ends this process, which was given up.
                    unsafe { libc::_exit(0) };
                }
                return 0;
            }
            _ if word.wait(FIRST_WAIT * 2u32.pow(attempt)) => return pid,
            _ => end(pid),
        }
        say!(Debug, "a child of libxl's was forked while another thread held a lock, and is forked again");
    }
    say!(Error, "no child of libxl's could go on; is the machine very busy?");
    // SAFETY: this thread's own; libxl reads it.
    unsafe { *libc::__errno_location() = libc::EAGAIN };
    -1
}

/// Kills a child and reaps it. Others may do so first: a library or an application that waits for all children.
fn end(pid: libc::pid_t) {
    // SAFETY: no pointers. What has not ended, nobody can have reaped: the pid is our child's.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    loop {
        // SAFETY: no pointer but null.
        let reaped = unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        if reaped >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

const WAITING: u32 = 0;
const ABLE: u32 = 1;
const GIVEN_UP: u32 = 2;

/// A word that a child shares with its parent.
struct Shared(NonNull<c_void>);

impl Shared {
    fn new() -> Option<Self> {
        // SAFETY: new memory, at an address of the kernel's choice.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<AtomicU32>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED { None } else { NonNull::new(memory).map(Self) }
    }

    fn state(&self) -> &AtomicU32 {
        // SAFETY: mapped until this is dropped, aligned to a page, all zero at first; both processes use it as an atomic only.
        unsafe { self.0.cast::<AtomicU32>().as_ref() }
    }

    /// Decides what becomes of the child; false if the other side already has.
    fn answer(&self, state: u32) -> bool {
        // Relaxed: the two processes share nothing else.
        let first = self.state().compare_exchange(WAITING, state, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        self.futex(libc::FUTEX_WAKE, 1, ptr::null());
        first
    }

    /// In the parent: true once the child is able, false if it is not in time and is given up.
    fn wait(&self, longest: Duration) -> bool {
        let end = Instant::now() + longest;
        while self.state().load(Ordering::Relaxed) == WAITING {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return !self.answer(GIVEN_UP);
            }
            let left = libc::timespec { tv_sec: left.as_secs() as libc::time_t, tv_nsec: left.subsec_nanos().into() };
            self.futex(libc::FUTEX_WAIT, WAITING, &left);
        }
        true
    }

    fn futex(&self, operation: c_int, value: u32, timeout: *const libc::timespec) {
        // SAFETY: the word is mapped; the timeout lives for the call, or is null.
        unsafe { libc::syscall(libc::SYS_futex, self.state().as_ptr(), operation, value, timeout) };
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; no reference to it is left in this process.
        unsafe { libc::munmap(self.0.as_ptr(), size_of::<AtomicU32>()) };
    }
}
