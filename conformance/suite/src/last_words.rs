//! What is still done when a case's process aborts, as libxl does where an assertion of its own fails.
//!
//! A signal handler may do next to nothing. So a thread does it: the handler wakes it through a socket, and waits for a while.

use anyhow::Context;
use std::io::{Read, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

/// The handler's end of the socket, and the process that it is for: a forked child has no such thread.
static HANDLER: OnceLock<(i32, u32)> = OnceLock::new();

/// How long an abort waits for the last words: the thread may want a lock that the aborting one holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has this done on a thread of its own when the process aborts, before it ends. Once for each process.
///
/// # Errors
/// No socket, thread or signal handler can be had.
pub(crate) fn on_abort(speak: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let (handler, mut speaker) = UnixStream::pair().context("no socket pair for the last words")?;
    handler.set_read_timeout(Some(PATIENCE))?;
    std::thread::Builder::new().name("last words".into()).spawn(move || {
        if speaker.read_exact(&mut [0]).is_ok() {
            speak();
            // Nobody waits any more if it took too long.
            let _ = speaker.write_all(&[0]);
        }
    })?;
    // Open for as long as the process lives.
    let handler = handler.into_raw_fd();
    anyhow::ensure!(HANDLER.set((handler, std::process::id())).is_ok(), "last words are spoken once");
    // SAFETY: all zeros is a sigaction without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = aborts as extern "C" fn(i32) as usize;
    // SAFETY: `aborts` is async-signal-safe: it reads what was set before, and calls getpid(2), write(2) and read(2).
    let rc = unsafe { libc::sigaction(libc::SIGABRT, &action, std::ptr::null_mut()) };
    anyhow::ensure!(rc == 0, "sigaction: {}", std::io::Error::last_os_error());
    Ok(())
}

/// abort(3) ends the process after it.
extern "C" fn aborts(_: i32) {
    let Some(&(handler, process)) = HANDLER.get() else { return };
    let mut byte = 0_u8;
    // SAFETY: no preconditions.
    if unsafe { libc::getpid() } as u32 != process {
        return;
    }
    // SAFETY: the fd is open for as long as the process lives, and one byte is read.
    if unsafe { libc::write(handler, (&raw const byte).cast(), 1) } == 1 {
        // SAFETY: as above; one byte is written.
        unsafe { libc::read(handler, (&raw mut byte).cast(), 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::on_abort;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// Where the words go, in the process that aborts.
    const WORDS: &str = "OSEVENT_TEST_LAST_WORDS";

    #[test]
    fn the_last_words_are_spoken_and_the_process_aborts_all_the_same() {
        if let Some(path) = std::env::var_os(WORDS) {
            on_abort(move || std::fs::write(path, "farewell").expect("the folder is there")).expect("a handler");
            std::process::abort();
        }
        let folder = tempfile::tempdir().expect("a folder");
        let words = folder.path().join("words");
        let mut again = Command::new(std::env::current_exe().expect("this program's own file"));
        again.args(["--exact", "last_words::tests::the_last_words_are_spoken_and_the_process_aborts_all_the_same"]);
        let ended = again.env(WORDS, &words).output().expect("it can be started");
        assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{ended:?}");
        assert_eq!(std::fs::read_to_string(&words).expect("they were written"), "farewell");
    }
}
