//! Runs a case in a new process of this program, with a time limit.

use anyhow::{Context, ensure};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How the process of a case ended.
pub enum Ended<T> {
    /// It has written its outcome.
    Told(T),
    /// It has not written an outcome. The text has the reason and the end of its output.
    Died(String),
    /// It was killed because its time was over.
    Overdue,
}

/// Starts this program and waits for its end. `configure` sets up the command; it gets the path of the file for the outcome.
///
/// # Errors
/// The folder or the process could not be created.
pub fn run<T: DeserializeOwned>(
    limit: Duration,
    configure: impl FnOnce(&mut Command, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<Ended<T>> {
    let folder = tempfile::tempdir().context("no folder for a case's files")?;
    let (outcome, log) = (folder.path().join("outcome"), folder.path().join("log"));
    let mut command = Command::new(std::env::current_exe()?);
    configure(&mut command, &outcome)?;
    let output = File::create(&log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("cannot start the case's process")?;
    let Some(status) = wait(&mut child, limit)? else { return Ok(Ended::Overdue) };
    let told = std::fs::read(&outcome).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Ok(match told {
        Some(told) if status.success() => Ended::Told(told),
        _ => {
            let log = std::fs::read(&log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join("\n");
            Ended::Died(format!("its process {}\n{tail}", describe(status)).trim_end().to_owned())
        }
    })
}

/// Describes the exit status of a process that ended without an outcome.
pub fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("was killed by signal {signal}"),
        None => format!("ended with {status} and no outcome"),
    }
}

/// Waits for the exit status of `child`. `None` if it had to be killed.
///
/// # Errors
/// No pidfd is left, or the child does not exist.
pub fn wait(child: &mut Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    // SAFETY: no pointers; the child is ours and not waited for, so the pid names it.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    ensure!(fd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel just gave this fd to nobody else.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, for the length of the call.
    let ready = unsafe { libc::poll(&mut poll, 1, limit.as_millis() as i32) };
    if ready == 0 {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    }
    Ok(Some(child.wait()?))
}
