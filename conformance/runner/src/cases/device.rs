//! A device is removed: timeouts that are cancelled, or expire, or are aborted; and a child, the hotplug script.

use crate::case::Case;
use crate::cases::life::expect;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{bail, ensure};
use futures_lite::future::block_on;
use osevent_conformance::record::What;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use xenlight::{Abort, Code, DomainId, Error, EventKind, Operation};

/// Libxl's ERROR_TIMEDOUT.
const TIMED_OUT: Code = Code(-9);

pub(crate) static REMOVAL: Case = Case {
    name: "device-removal",
    claim: "Removing a device sets two timeouts and cancels both with {0,0}, and runs the hotplug script, whose end is reported by pidfd",
    clauses: &["R1", "R2", "R9", "R10", "R11", "R13", "O5", "O6", "S2", "E1", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: |stage| {
        let opened = stage.open()?;
        remove(stage, &opened)?;
        ensure!(
            !sigchld_is_handled(),
            "a SIGCHLD handler was installed, although children are waited for by pidfd (S1)"
        );
        opened.close()
    },
};

pub(crate) static REMOVAL_EXPIRES: Case = Case {
    name: "device-removal-times-out",
    claim: "When the backend does not answer, nor to force, both timeouts really expire, once each, and the removal fails with ERROR_TIMEDOUT",
    clauses: &["R11", "R12", "O5", "O6", "O7"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: expires,
};

pub(crate) static DESTROY_EXPIRES: Case = Case {
    name: "destroy-times-out",
    claim: "Where a backend never answers, the removal of its device ends with ERROR_TIMEDOUT, and the domain lives; a destroy waits for another one, has the domain gone all the same, and its death is reported",
    clauses: &["R12", "O5", "E9", "E16"],
    tiers: &[Tier::Libxl],
    // The other cases of removals have all.
    adapters: &[Adapter::Epoll, Adapter::Glib],
    modes: Mode::ALL,
    run: destroy_expires,
};

pub(crate) static REMOVAL_ABORTED: Case = Case {
    name: "device-removal-aborted",
    claim: "An abort that meets a timeout which the loop is taking modifies it twice, and the timeout still occurs once",
    clauses: &["R13", "R14", "O5", "E6"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    // A thread of its own takes the timeouts and makes the aborts: the two cannot meet.
    modes: &[Mode::Loop],
    run: aborted,
};

pub(crate) static AWAITED_ELSEWHERE: Case = Case {
    name: "operation-changes-hands",
    claim: "An operation that one task has begun to await and another goes on to await wakes the other; two threads abort one, of which one is the first, \
            and it ends once",
    clauses: &["E6", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: awaited_elsewhere,
};

/// Removes a device of domain 5, with everybody's help.
pub(crate) fn remove(stage: &Stage, opened: &Opened) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let marker = stage.folder.join("script-ran");
    let script = script(stage, &format!("echo \"$@\" >{}", marker.display()))?;
    pretend.add_nic(FIVE, 0, &script)?;
    let before = opened.recorder.record();
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    block_on(removal)?;

    ensure!(marker.exists(), "the hotplug script did not run");
    let after = opened.recorder.record();
    ensure!(after.timers_added - before.timers_added == 2, "not two timeouts: {before:?} {after:?}");
    ensure!(
        after.timers_cancelled - before.timers_cancelled == 2,
        "not both timeouts were cancelled with {{0,0}} (R13): {before:?} {after:?}"
    );
    opened.expect_idle()?;
    no_child_is_left()
}

fn destroy_expires(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let script = script(stage, "exec sleep 1000")?;
    pretend.add_nic(FIVE, 0, &script)?;
    pretend.add_nic(FIVE, 1, &script)?;
    let watch = ctx.watch_death(FIVE)?;
    // Of each ten seconds, 0.1 are left.
    pretend.clock().set_lag_ms(9_900);
    let removed = block_on(ctx.remove_nic(FIVE, 0));
    let code = removed.as_ref().err().and_then(xenlight::Error::code);
    ensure!(code == Some(TIMED_OUT), "the removal ended with {removed:?} instead of ERROR_TIMEDOUT");
    ctx.info(FIVE)?;
    let before = opened.recorder.record();
    block_on(ctx.destroy(FIVE))?;
    let after = opened.recorder.record();
    let waited = (after.timers_added - before.timers_added, after.timers_cancelled - before.timers_cancelled);
    ensure!(waited == (1, 0), "the destroy did not wait until its one timeout expired: {before:?} {after:?}");
    expect(&opened.events, FIVE, &watch, &EventKind::Death)?;
    let again = block_on(ctx.destroy(FIVE));
    ensure!(matches!(again, Err(Error::NoSuchDomain { domid: FIVE, .. })), "{again:?}");
    drop(watch);
    // What libxl keeps of a ctx is in order: it goes on to work.
    block_on(ctx.destroy(SEVEN))?;
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn expires(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(FIVE, 0, &script(stage, "exec sleep 1000")?)?;
    // Ten seconds for the backend, and ten once more after it was forced: 0.1 s each. The script is not reached.
    pretend.clock().set_lag_ms(9_900);
    let result = block_on(opened.ctx.remove_nic(FIVE, 0));
    let code = result.as_ref().err().and_then(xenlight::Error::code);
    ensure!(code == Some(TIMED_OUT), "the removal ended with {result:?} instead of ERROR_TIMEDOUT");
    let record = opened.recorder.record();
    ensure!(
        (record.timers_added, record.timers_cancelled) == (2, 0),
        "both timeouts should have expired by themselves: {record:?}"
    );
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

/// Until the race has been forced once; it cannot be while the loop happens to wait for libxl's lock with an event from xenstore.
fn aborted(stage: &Stage) -> anyhow::Result<()> {
    const ATTEMPTS: usize = 100;
    let opened = stage.open()?;
    for _ in 0..ATTEMPTS {
        if abort_while_loop_takes_timeout(stage, &opened)? {
            return opened.close();
        }
    }
    bail!("in none of {ATTEMPTS} attempts was the loop free to take the timeout while libxl cancelled it")
}

/// The first of libxl's two modifies, inside the abort, is not let go before the loop is inside
/// libxl with that timeout, where it waits for libxl's lock. False if the loop was there with another event.
fn awaited_elsewhere(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let mut removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    let nobody = block_on(futures_lite::future::poll_once(&mut removal));
    ensure!(nobody.is_none(), "the removal ended with {nobody:?} while its backend was there");
    let (polled, was_polled) = channel();
    let (sender, ended) = channel();
    std::thread::Builder::new().name("awaits".into()).spawn(move || {
        let mut removal = pin!(removal);
        let result = block_on(std::future::poll_fn(|context| {
            let poll = removal.as_mut().poll(context);
            let _ = polled.send(());
            poll
        }));
        let _ = sender.send(result);
    })?;
    receive("another awaits the removal", &was_polled)?;
    pretend.close_backend(FIVE, 0)?;
    receive("the removal has ended for the other", &ended)??;

    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    let aborts = std::thread::scope(|scope| {
        [(); 2].map(|()| scope.spawn(|| removal.abort())).map(|thread| thread.join().expect("it does not panic"))
    });
    let requested = aborts.iter().filter(|abort| matches!(abort, Ok(Abort::Requested))).count();
    ensure!(requested == 1 && aborts.iter().all(Result::is_ok), "two threads aborted: {aborts:?}");
    let result = block_on(removal);
    ensure!(result.as_ref().is_err_and(Error::is_aborted), "the removal ended with {result:?}");
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn abort_while_loop_takes_timeout(stage: &Stage, opened: &Opened) -> anyhow::Result<bool> {
    let pretend = stage.machine.pretend()?;
    let modifies = || opened.hooks.count(|step| matches!(step, What::TimeoutModify { deadline: (0, 0), .. }));
    let occurrences = || opened.hooks.count(|step| matches!(step, What::TimeoutOccurrence { .. }));
    let before = (modifies(), occurrences());
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;

    let forced = Arc::new(AtomicBool::new(false));
    let (was_forced, hooks) = (forced.clone(), opened.hooks.clone());
    opened.recorder.on_timer_cancelled(move |_| {
        // A hook that waits, which none may do outside a test (R15). It has libxl's lock, so whatever the loop begins stays begun.
        let mut seen = None;
        let entered = eventually("the loop makes an occurrence", || {
            seen = hooks.occurrence_elsewhere();
            seen.is_some()
        });
        was_forced.store(entered.is_ok() && matches!(seen, Some(What::TimeoutOccurrence { .. })), Ordering::SeqCst);
    });
    let abort = removal.abort()?;
    ensure!(abort == Abort::Requested, "{abort:?}");
    let result = block_on(removal);
    ensure!(result.as_ref().is_err_and(xenlight::Error::is_aborted), "the removal ended with {result:?}");
    opened.expect_idle()?;
    let (modified, occurred) = (modifies() - before.0, occurrences() - before.1);
    ensure!(modified == 2, "libxl modified the timeout {modified} times instead of twice (R14)");
    ensure!(occurred == 1, "the timeout occurred {occurred} times instead of once (O5)");
    Ok(forced.load(Ordering::SeqCst))
}

/// A hotplug script that does this.
pub(crate) fn script(stage: &Stage, commands: &str) -> anyhow::Result<PathBuf> {
    let path = stage.folder.join("hotplug");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&path)?;
    writeln!(file, "#!/bin/sh\n{commands}")?;
    Ok(path)
}

/// Waits until libxl has asked the backend of domain 5's device to close.
pub(crate) fn asked_to_close(stage: &Stage) -> anyhow::Result<()> {
    asked_to_close_of(stage, FIVE)
}

fn asked_to_close_of(stage: &Stage, domid: DomainId) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let state = format!("/local/domain/0/backend/vif/{domid}/0/state");
    eventually("libxl asks the backend to close", || pretend.store.read(&state).is_some_and(|state| state == b"5"))
}

/// A removal for domain 7 whose script runs, and does not end by itself: only a loop that is turned learns of its end.
pub(crate) fn remove_with_running_script(stage: &Stage, opened: &Opened) -> anyhow::Result<Operation<()>> {
    let pretend = stage.machine.pretend()?;
    let marker = stage.folder.join("script-runs");
    pretend.add_nic(SEVEN, 0, &script(stage, &format!(": >{}; exec sleep 1000", marker.display()))?)?;
    let removal = opened.ctx.remove_nic(SEVEN, 0);
    asked_to_close_of(stage, SEVEN)?;
    pretend.close_backend(SEVEN, 0)?;
    eventually("the hotplug script runs", || marker.exists())?;
    Ok(removal)
}

/// Every child of this process is reaped: before the result is delivered, or a little later by a thread of libxl's own.
pub(crate) fn no_child_is_left() -> anyhow::Result<()> {
    eventually("no child of libxl's is left, as a zombie or running", || {
        // SAFETY: no pointer but null.
        unsafe {
            libc::waitid(libc::P_ALL, 0, std::ptr::null_mut(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) == -1
        }
    })
}

fn sigchld_is_handled() -> bool {
    // SAFETY: all zero is a valid value of this plain struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `action` is written during the call; nothing is changed.
    unsafe { libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action) };
    action.sa_sigaction != libc::SIG_DFL
}
