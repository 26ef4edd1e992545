//! Writing to what its reader may have left, or to a file that may not become longer: an error, and not the signal that ends the process.

use core::ffi::c_int;
use std::io::{self, ErrorKind};
use std::ptr;

/// Calls `write` with SIGPIPE and SIGXFSZ blocked, and takes away the one that came of it. For so long only, because whoever is forked by this
/// thread would have them blocked, too.
pub(crate) fn without<T>(write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let both = set(&[libc::SIGPIPE, libc::SIGXFSZ]);
    let pending_before = pending();
    let mut before = set(&[]);
    // SAFETY: both sets are initialised, and `before` is writable; the mask is this thread's own.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &both, &mut before) };
    let result = write();
    let came = result.as_ref().err().and_then(|error| match error.kind() {
        ErrorKind::BrokenPipe => Some(libc::SIGPIPE),
        ErrorKind::FileTooLarge => Some(libc::SIGXFSZ),
        _ => None,
    });
    if let Some(signal) = came.filter(|signal| !has(&pending_before, *signal)) {
        take(signal);
    }
    // SAFETY: as it was.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    result
}

/// Takes one away that is pending. There is none if the process ignores the signal.
fn take(signal: c_int) {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the set is initialised; no information is asked for.
    unsafe { libc::sigtimedwait(&set(&[signal]), ptr::null_mut(), &at_once) };
}

fn set(signals: &[c_int]) -> libc::sigset_t {
    // SAFETY: a set of signals is plain data, for which zero is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is writable.
    unsafe { libc::sigemptyset(&mut set) };
    for &signal in signals {
        // SAFETY: `set` is initialised; the signal exists.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    set
}

fn has(set: &libc::sigset_t, signal: c_int) -> bool {
    // SAFETY: `set` is initialised.
    unsafe { libc::sigismember(set, signal) == 1 }
}

/// Those that have come and that somebody else has blocked.
fn pending() -> libc::sigset_t {
    let mut pending = set(&[]);
    // SAFETY: `pending` is writable.
    unsafe { libc::sigpending(&mut pending) };
    pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    /// How this thread has the signal: as it was set, and whether it is blocked.
    fn is_blocked(signal: c_int) -> bool {
        let mut now = set(&[]);
        // SAFETY: no new set; `now` is writable.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut now) };
        has(&now, signal)
    }

    #[test]
    fn writing_to_what_nobody_reads_is_an_error_and_leaves_no_signal_and_no_mask() {
        // SAFETY: no handler of Rust's; other tests of this program write to what nobody reads only with the signal blocked.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let (reader, mut writer) = io::pipe().expect("a pipe");
        drop(reader);
        let written = without(|| {
            assert!(is_blocked(libc::SIGPIPE));
            writer.write(b"x")
        });
        assert_eq!(written.expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
        assert!(!is_blocked(libc::SIGPIPE) && !has(&pending(), libc::SIGPIPE));
        // SAFETY: as it was.
        unsafe { libc::signal(libc::SIGPIPE, before) };
    }

    /// The limit is the process' own, so it is another one's: this program's, in this test alone.
    #[test]
    fn a_file_that_may_not_become_longer_is_an_error_and_does_not_end_the_process() {
        const LIMITED: &str = "XENLIGHT_TEST_OF_A_LIMITED_FILE";
        if std::env::var_os(LIMITED).is_none() {
            let mut limited = std::process::Command::new(std::env::current_exe().expect("a program"));
            limited.args(["--exact", "--test-threads=1", "--nocapture"]).env(LIMITED, "");
            let ended = limited.arg(std::thread::current().name().expect("a test")).output().expect("it starts");
            assert!(ended.status.success(), "{ended:?}");
            assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "{ended:?}");
            return;
        }
        let mut file: File = tempfile::tempfile().expect("a file");
        let limit = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
        // SAFETY: `limit` is readable; nothing else of this process writes a file.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
        assert_eq!(without(|| file.write(b"12345")).expect("there is room for some"), 3);
        assert_eq!(without(|| file.write(b"45")).expect_err("there is none").kind(), ErrorKind::FileTooLarge);
        assert!(!is_blocked(libc::SIGXFSZ) && !has(&pending(), libc::SIGXFSZ));
    }

    #[test]
    fn one_that_was_pending_before_stays() {
        let sigpipe = set(&[libc::SIGPIPE]);
        // SAFETY: the set is initialised; the mask is this thread's own, and it ends with the test.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, ptr::null_mut()) };
        // SAFETY: the signal exists, and is blocked.
        unsafe { libc::raise(libc::SIGPIPE) };
        let _ = without(|| -> io::Result<()> { Err(ErrorKind::BrokenPipe.into()) });
        assert!(is_blocked(libc::SIGPIPE) && has(&pending(), libc::SIGPIPE));
        take(libc::SIGPIPE);
    }
}
