//! Looks at the calling thread at a fixed rate, by a timer whose signal interrupts it, also while it waits.

use anyhow::ensure;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::io::Error;
use std::mem::{MaybeUninit, zeroed};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Of one stack.
const DEPTH: usize = 64;
/// Between two takes.
const MOST: usize = 20_000;

unsafe extern "C" {
    /// Of <execinfo.h>.
    fn backtrace(buffer: *mut *mut c_void, size: c_int) -> c_int;
}

#[derive(Clone, Copy)]
struct Stack {
    depth: usize,
    frames: [*mut c_void; DEPTH],
}

/// What the handler has seen. Only the thread that is sampled touches it: in the handler, or while the signal is blocked.
struct Seen(UnsafeCell<[Stack; MOST]>);

// SAFETY: as it says.
unsafe impl Sync for Seen {}

static SEEN: Seen = Seen(UnsafeCell::new([Stack { depth: 0, frames: [ptr::null_mut(); DEPTH] }; MOST]));
/// How many of them are there, and were wanted. Relaxed: only that thread counts.
static COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn look(_: c_int) {
    let at = COUNT.fetch_add(1, Relaxed);
    if at < MOST {
        // SAFETY: `at` is below the length, and nobody else is at it, since the handler does not interrupt itself.
        unsafe {
            let stack = &raw mut (*SEEN.0.get())[at];
            (*stack).depth = backtrace((&raw mut (*stack).frames).cast(), DEPTH as c_int) as usize;
        }
    }
}

/// Goes on until it is dropped, on the thread that started it.
pub(super) struct Sampler {
    timer: libc::timer_t,
    _of_this_thread: *const (),
}

impl Sampler {
    pub(super) fn start(every: Duration) -> anyhow::Result<Self> {
        // SAFETY: the first call loads what unwinds, which no handler may.
        unsafe { backtrace([ptr::null_mut(); 1].as_mut_ptr(), 1) };
        // SAFETY: an action of zeros is one without flags that blocks nothing.
        let mut action: libc::sigaction = unsafe { zeroed() };
        action.sa_sigaction = look as extern "C" fn(c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the handler makes no call that a handler may not: it counts and unwinds, without a lock since glibc 2.35.
        ensure!(unsafe { libc::sigaction(libc::SIGPROF, &action, ptr::null_mut()) } == 0, "{}", Error::last_os_error());
        // SAFETY: zeros are valid.
        let mut event: libc::sigevent = unsafe { zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        // SAFETY: no arguments.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = MaybeUninit::uninit();
        // SAFETY: both are good for the call.
        let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, timer.as_mut_ptr()) };
        ensure!(made == 0, "no timer: {}", Error::last_os_error());
        // SAFETY: it was made.
        let sampler = Self { timer: unsafe { timer.assume_init() }, _of_this_thread: ptr::null() };
        let every = libc::timespec { tv_sec: every.as_secs() as i64, tv_nsec: every.subsec_nanos().into() };
        let set = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the timer is there.
        let started = unsafe { libc::timer_settime(sampler.timer, 0, &set, ptr::null_mut()) };
        ensure!(started == 0, "the timer does not start: {}", Error::last_os_error());
        Ok(sampler)
    }

    /// The stacks since the last time, each from its lowest frame on, by the names of functions that libraries export, else of libraries.
    pub(super) fn take(&self) -> anyhow::Result<Vec<Vec<String>>> {
        let blocked = Blocked::now();
        let count = COUNT.swap(0, Relaxed);
        ensure!(count <= MOST, "{count} samples, and there is room for {MOST}: a lower rate");
        // SAFETY: the handler does not run: the signal is blocked.
        let seen = unsafe { &(&*SEEN.0.get())[..count] };
        let named = seen.iter().map(|stack| names(&stack.frames[..stack.depth])).collect();
        drop(blocked);
        // What came meanwhile, and was seen here.
        COUNT.store(0, Relaxed);
        Ok(named)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: it is there, and goes.
        unsafe { libc::timer_delete(self.timer) };
    }
}

/// The signal is blocked on this thread, until this is dropped.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn now() -> Self {
        // SAFETY: the sets are good for the calls, which cannot fail with them.
        unsafe {
            let (mut wanted, mut before) = (zeroed(), zeroed());
            libc::sigemptyset(&mut wanted);
            libc::sigaddset(&mut wanted, libc::SIGPROF);
            libc::pthread_sigmask(libc::SIG_BLOCK, &wanted, &mut before);
            Self(before)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is one of the kernel's.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// This program's own functions.
const PROGRAM: &str = "this program";

fn names(frames: &[*mut c_void]) -> Vec<String> {
    // The handler, and what the kernel has it return to, are above what was interrupted; what starts a thread is below the program.
    let interrupted = frames.get(2..).unwrap_or_default();
    let names: Vec<_> = interrupted.iter().rev().map(|frame| name(*frame)).collect();
    let begun = names.iter().position(|name| name == "__libc_start_main").map_or(0, |at| at + 1);
    let mut names: Vec<_> = names.into_iter().skip(begun).skip_while(|name| name != PROGRAM).collect();
    names.dedup();
    names
}

fn name(frame: *mut c_void) -> String {
    // SAFETY: zeros are valid.
    let mut found: libc::Dl_info = unsafe { zeroed() };
    // SAFETY: any address may be asked for.
    let is_found = unsafe { libc::dladdr(frame, &mut found) } != 0;
    if !is_found || found.dli_fname.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: the library stays loaded, with its strings.
    let text = |text| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    let file = text(found.dli_fname);
    let library = Path::new(&file).file_name().unwrap_or_default().to_string_lossy();
    match library.split_once(".so") {
        None => PROGRAM.to_owned(),
        Some((library, _)) if found.dli_sname.is_null() => library.to_owned(),
        Some(_) => text(found.dli_sname),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Instant;

    #[test]
    fn a_thread_that_waits_is_seen_where_it_waits() {
        let sampler = Sampler::start(Duration::from_millis(1)).unwrap();
        let (began, mut seen) = (Instant::now(), vec![]);
        // However long it takes until the timer has come once.
        while seen.is_empty() && began.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(20));
            seen = sampler.take().unwrap();
        }
        let waits = |stack: &Vec<String>| stack.last().is_some_and(|name| name.contains("nanosleep"));
        assert!(seen.iter().any(waits), "{seen:?}");
    }
}
