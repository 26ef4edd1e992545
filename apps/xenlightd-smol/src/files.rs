//! What callers pass open: whether it can be used, before anything waits for it.
//!
//! A file of a FUSE file system is read and written by a program, which may be the caller's and may never answer: whoever waits for it can do
//! nothing else. Pipes and sockets are waited for by xenlight, which heeds an abort.

use std::os::fd::OwnedFd;
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::or;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, fstatfs};
use smol::lock::Semaphore;

use crate::aside;
use crate::failure::Failure;

/// Of Linux' magic.h.
const FUSE: u64 = 0x6573_5546;

/// How long a file system may take to say what it is.
const ANSWER: Duration = Duration::from_secs(5);

/// One that does not answer keeps a thread, and these at most.
static ASKED: Semaphore = Semaphore::new(16);

/// The file, if it can be used at all and the check, which may wait, allows it.
///
/// # Errors
/// [`Failure::InvalidFile`], those of the check, and [`Failure::Busy`] if too many do not answer.
pub(crate) async fn checked(
    file: OwnedFd,
    check: impl FnOnce(&OwnedFd) -> Result<(), Failure> + Send + 'static,
) -> Result<OwnedFd, Failure> {
    within(ANSWER, file, check).await
}

async fn within(
    limit: Duration,
    file: OwnedFd,
    check: impl FnOnce(&OwnedFd) -> Result<(), Failure> + Send + 'static,
) -> Result<OwnedFd, Failure> {
    let busy = || Failure::Busy("too many files are waited for already".to_owned());
    let place = ASKED.try_acquire().ok_or_else(busy)?;
    let asked = aside::done(move || {
        let _place = place;
        if fstatfs(&file).map_err(unknown)?.f_type as u64 == FUSE {
            let text = "a file of a FUSE file system may never end to be read or written: pass a pipe to a program that does that";
            return Err(Failure::InvalidFile(text.to_owned()));
        }
        check(&file)?;
        Ok(file)
    });
    let late = async {
        Timer::after(limit).await;
        Err(Failure::InvalidFile(format!("the file's system has not answered for {limit:?}")))
    };
    or(async { asked.await? }, late).await
}

/// Nothing more is asked for.
pub(crate) fn answers(_: &OwnedFd) -> Result<(), Failure> {
    Ok(())
}

/// A migration waits for the other side, which it can do with these only.
///
/// # Errors
/// [`Failure::InvalidArgument`].
pub(crate) fn is_connection(file: &OwnedFd) -> Result<(), Failure> {
    match FileType::from_raw_mode(fstat(file).map_err(unknown)?.st_mode) {
        FileType::Fifo | FileType::Socket => Ok(()),
        _ => Err(Failure::InvalidArgument("a migration needs a pair of pipes or a socket".to_owned())),
    }
}

/// libxl opens the file of a dump anew, as root, and empties it. So its caller has to be somebody who can do the same.
///
/// # Errors
/// [`Failure::InvalidArgument`].
pub(crate) fn may_be_dumped_to(file: &OwnedFd) -> Result<(), Failure> {
    let invalid = |what: &str| Failure::InvalidArgument(format!("a dump needs {what}"));
    let flags = fcntl_getfl(file).map_err(unknown)?;
    // Who may only append cannot empty it.
    if !flags.intersects(OFlags::WRONLY | OFlags::RDWR) || flags.intersects(OFlags::APPEND | OFlags::PATH) {
        return Err(invalid("a file that is open for writing, and not for appending"));
    }
    // A pipe that nobody reads would stop libxl.
    match FileType::from_raw_mode(fstat(file).map_err(unknown)?.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(invalid("a regular file")),
    }
}

fn unknown(error: rustix::io::Errno) -> Failure {
    Failure::InvalidFile(format!("the file cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::Path;

    #[test]
    fn a_dump_goes_only_to_what_its_caller_could_have_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        File::create(&path).unwrap();
        let of = |options: &File| may_be_dumped_to(&OwnedFd::from(options.try_clone().unwrap())).is_ok();
        assert!(of(&File::options().write(true).open(&path).unwrap()));
        assert!(of(&File::options().read(true).write(true).open(&path).unwrap()));
        assert!(!of(&File::open(&path).unwrap()));
        assert!(!of(&File::options().append(true).open(&path).unwrap()));
        let by_name =
            |path: &Path| File::from(rustix::fs::open(path, OFlags::PATH, rustix::fs::Mode::empty()).unwrap());
        assert!(!of(&by_name(&path)));
        let (_reader, writer) = std::io::pipe().unwrap();
        assert!(!of(&File::from(OwnedFd::from(writer))));
        assert!(!of(&File::options().write(true).open("/dev/null").unwrap()));
    }

    #[test]
    fn a_migration_goes_over_pipes_and_sockets_only() {
        let of = |fd: OwnedFd| is_connection(&fd).is_ok();
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(of(reader.into()) && of(writer.into()));
        assert!(of(std::os::unix::net::UnixStream::pair().unwrap().0.into()));
        assert!(!of(tempfile::tempfile().unwrap().into()));
        assert!(!of(File::open("/dev/null").unwrap().into()));
    }

    #[test]
    fn a_file_that_does_not_answer_is_not_waited_for() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let file = tempfile::tempfile().unwrap().into();
        let stuck = move |_: &OwnedFd| wait.recv().map_err(|_| Failure::Failed(String::new()));
        let refused = smol::block_on(within(Duration::from_millis(10), file, stuck));
        assert!(matches!(refused, Err(Failure::InvalidFile(_))), "{refused:?}");
        drop(release);
    }
}
