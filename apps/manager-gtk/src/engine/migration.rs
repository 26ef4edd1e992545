//! Domains that move to another host.

use super::work::elsewhere;
use super::xen::Xen;
use super::{Failure, Work};
use crate::i18n::gettext;
use futures_lite::future::or;
use gtk::{gio, glib};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{ErrorKind, Read};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use xenlight::{DomainId, Sending};

impl Xen {
    /// Moves a domain to another host, whose `xl migrate-receive` the command starts. What the command says is a part of a failure.
    pub(crate) fn migrate(&self, domid: u32, command: Vec<String>, is_live: bool) -> Work {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        let leaving = self.leave(domid);
        Work::steps(move |steps| {
            over(command, async move |to, from| {
                let _leaving = leaving;
                Ok(steps.run(&ctx, move |ctx| ctx.migrate(domid, Sending::over(to, from).live(is_live))).await?)
            })
        })
    }
}

/// How much of what a command says is kept: the end, which has the reason.
const KEPT: usize = 16 << 10;

/// How long a command may take to end when its pipes are closed.
const END: Duration = Duration::from_secs(5);

/// Sends something over what a command reads and writes. What it says beside that is a part of a failure.
pub(super) async fn over(
    command: Vec<String>,
    send: impl AsyncFnOnce(ChildStdin, ChildStdout) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let started = elsewhere(move || {
        let (program, arguments) = command.split_first().ok_or_else(|| gettext("There is no command"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| format!("{program}: {error}"))
    });
    let mut child = started.await.map_err(Failure::new)?;
    let pipes = "the three are piped";
    let (to, from) = (child.stdin.take().expect(pipes), child.stdout.take().expect(pipes));
    let (stderr, said) = (child.stderr.take().expect(pipes), Arc::<Mutex<Vec<u8>>>::default());
    let saying = said.clone();
    // From the start: a command that nobody listens to waits, once the pipe is full.
    let all_said = gio::spawn_blocking(move || keep_end(stderr, &saying));
    let sent = send(to, from).await;
    // Its pipes are closed, so it ends; but one that waits for a password does not read them.
    let patience = if sent.as_ref().is_err_and(|failure| failure.is_abort) { Duration::ZERO } else { END };
    let has_ended = or(async { all_said.await.is_ok() }, async {
        glib::timeout_future(patience).await;
        false
    });
    if !has_ended.await {
        // It is waited for afterwards, so the number is still its own. Nothing can be done about one that is gone.
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    }
    drop(gio::spawn_blocking(move || child.wait()));
    let said = String::from_utf8_lossy(&lock(&said)).trim_end().to_owned();
    sent.map_err(|failure| Failure { details: format!("{}\n{said}", failure.details), ..failure })
}

/// Reads to the end, and keeps the last part.
fn keep_end(mut from: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut part = [0; 4096];
    loop {
        match from.read(&mut part) {
            Ok(count @ 1..) => {
                let mut kept = lock(kept);
                kept.extend_from_slice(&part[..count]);
                let surplus = kept.len().saturating_sub(KEPT);
                kept.drain(..surplus);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What cannot be read was not said.
            Ok(0) | Err(_) => return,
        }
    }
}

fn lock(said: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_a_context::{on_a_context, until};
    use rustix::process::test_kill_process;
    use std::fs;
    use std::io::Write;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).into()
    }

    #[test]
    fn a_command_that_says_more_than_a_pipe_holds_does_not_block_and_its_last_words_are_told() {
        let script = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo the reason >&2; cat; exit 1";
        let failed = on_a_context(over(shell(script), async |mut to, mut from| {
            let _ = to.write_all(b"sent");
            drop(to);
            let answer = elsewhere(move || {
                let mut answer = String::new();
                from.read_to_string(&mut answer).map(|_| answer)
            });
            Err(Failure::new(answer.await.unwrap()))
        }));
        let failure = failed.unwrap_err();
        assert_eq!(failure.summary, "sent");
        assert!(
            failure.details.ends_with("the reason") && failure.details.len() < 100_000,
            "{}",
            failure.details.len()
        );
    }

    #[test]
    fn a_command_that_waits_for_a_password_does_not_outlive_an_abort() {
        // What it reads is not what is closed to it, as with a terminal.
        let folder = tempfile::tempdir().unwrap();
        let (terminal, asked) = (folder.path().join("terminal"), folder.path().join("asked"));
        let made = Command::new("mkfifo").arg(&terminal).status().unwrap();
        assert!(made.success());
        let script = format!("echo password: >&2; echo $$ > {}; exec cat < {}", asked.display(), terminal.display());
        let asking = || fs::read_to_string(&asked).ok().and_then(|id| Pid::from_raw(id.trim().parse().ok()?));
        let failed = on_a_context(over(shell(&script), async |_, _| {
            until(|| asking().is_some()).await;
            Err(Failure { is_abort: true, ..Failure::new("aborted") })
        }));
        assert!(failed.unwrap_err().is_abort);
        let id = asking().expect("it has asked");
        on_a_context(until(|| test_kill_process(id).is_err()));
    }
}
