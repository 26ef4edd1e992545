//! Libxl on a thread of its own ([O12]).

use crate::case::Case;
use crate::cases::device::{asked_to_close, no_child_is_left, remove, script};
use crate::cases::life::expect;
use crate::cases::shared_process::children;
#[cfg(doc)]
use crate::contract::*;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::ensure;
use futures_lite::future::block_on;
use osevent_conformance::patience::patience;
use osevent_core::EventLoop;
use osevent_epoll::Reactor;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use xenlight::{Abort, Error, EventKind};

pub(crate) static DOES_NOT_WAIT: Case = Case {
    name: "thread-does-not-wait",
    claim: "While libxl works on its own thread, under its lock, nothing that the application begins, ends or asks waits for it",
    clauses: &["O12", "R15", "E6", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: does_not_wait,
};

pub(crate) static CLOSED_MEANWHILE: Case = Case {
    name: "thread-closed-meanwhile",
    claim: "What libxl's own thread has not begun when the ctx is closed is not begun, and ends with an error that says so",
    clauses: &["O12", "X3", "X4", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: closed_meanwhile,
};

pub(crate) static LOOP_IS_FREE: Case = Case {
    name: "thread-leaves-loop-free",
    claim: "While libxl works on its own thread, under its lock, the host's loop delivers another ctx's events",
    clauses: &["O9", "O12"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: loop_is_free,
};

pub(crate) static CANNOT_START: Case = Case {
    name: "thread-cannot-start",
    claim: "Where no thread can be made for libxl, opening fails and says so, and nothing is left of the ctx",
    clauses: &["O12", "X2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: cannot_start,
};

pub(crate) static LOOP_BREAKS: Case = Case {
    name: "thread-loop-breaks",
    claim: "When the loop of libxl's own thread breaks, new work is refused and nobody waits for ever; where that loop turns again, a close that was begun ends",
    clauses: &["O12", "S6", "X3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: loop_breaks,
};

/// Libxl's thread, inside libxl with its lock, until this is dropped.
struct Held(Sender<()>);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Of the removal of domain 5's device: held where the second timeout is registered, inside an occurrence.
fn hold(stage: &Stage, opened: &Opened) -> anyhow::Result<(Held, xenlight::Operation<()>)> {
    let pretend = stage.machine.pretend()?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    let (entered, is_inside) = channel();
    let (let_go, go_on) = channel::<()>();
    opened.recorder.on_timer_added(move |_| {
        let _ = entered.send(());
        // A hook that waits, which none may do outside a test (R15).
        let _ = go_on.recv_timeout(patience());
    });
    pretend.close_backend(FIVE, 0)?;
    receive("libxl's thread is inside libxl", &is_inside)?;
    ensure!(opened.ctx.census().in_flight == 1, "it is not: {:?}", opened.ctx.census());
    Ok((Held(let_go), removal))
}

fn does_not_wait(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let seven = ctx.watch_death(SEVEN)?;
    let (held, removal) = hold(stage, &opened)?;

    // Had any of these waited for the lock, it would still, and the case with it.
    ensure!(ctx.domains()?.len() == 3 && ctx.info(FIVE)?.domid == FIVE, "there are other domains");
    ensure!(ctx.name(FIVE)?.is_some() && ctx.find("pretend-7")? == Some(SEVEN), "domains have other names");
    let five = ctx.watch_death(FIVE)?;
    drop(ctx.watch_death(FIVE)?);
    pretend.add_nic(SEVEN, 0, &script(stage, "true")?)?;
    let not_begun = ctx.remove_nic(SEVEN, 0);
    ensure!(not_begun.abort()? == Abort::Requested && not_begun.abort()? == Abort::AlreadyRequested);
    let paused = ctx.pause(FIVE);
    drop(seven);
    ensure!(ctx.census().in_flight == 1, "libxl's thread was let go meanwhile: {:?}", ctx.census());
    drop(held);

    block_on(removal)?;
    let result = block_on(not_begun);
    ensure!(result.as_ref().is_err_and(Error::is_aborted), "what was aborted before it began ended with {result:?}");
    ensure!(pretend.store.read("/libxl/7/device/vif/0/type").is_some(), "the device that was to stay is gone");
    block_on(paused)?;
    pretend.destroy(FIVE)?;
    eventually("the death of domain 5 is reported", || {
        opened.events.next().is_ok_and(|event| event.watch == Some(five.id()) && event.kind == EventKind::Death)
    })?;
    drop(five);
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn closed_meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let (held, removal) = hold(stage, &opened)?;
    pretend.add_nic(SEVEN, 0, &script(stage, "true")?)?;
    let not_begun = opened.ctx.remove_nic(SEVEN, 0);
    let seven = opened.ctx.watch_death(SEVEN)?;
    let close = opened.ctx.close();
    ensure!(
        matches!(block_on(opened.ctx.pause(SEVEN)), Err(Error::Closed)),
        "a ctx that is being closed takes an operation"
    );
    ensure!(matches!(not_begun.abort(), Err(Error::Closed)), "a ctx that is being closed takes an abort");
    drop(opened.ctx);
    drop(held);
    block_on(close);
    let result = block_on(not_begun);
    ensure!(matches!(result, Err(Error::Closed)), "what had not begun ended with {result:?}");
    ensure!(pretend.store.read("/libxl/7/device/vif/0/type").is_some(), "the device that was to stay is gone");
    // The script may have been faster than its end.
    let result = block_on(removal);
    ensure!(result.as_ref().map_or_else(Error::is_aborted, |()| true), "the removal ended with {result:?}");
    drop(seven);
    opened.recorder.expect_nothing()?;
    no_child_is_left()
}

fn loop_is_free(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let (busy, other) = (stage.open()?, stage.open()?);
    remove(stage, &busy)?;
    let seven = other.ctx.watch_death(SEVEN)?;
    let (held, removal) = hold(stage, &busy)?;
    pretend.destroy(SEVEN)?;
    expect(&other.events, SEVEN, &seven, &EventKind::Death)?;
    ensure!(busy.ctx.census().in_flight == 1, "libxl's thread was let go meanwhile");
    drop(held);
    block_on(removal)?;
    drop(seven);
    no_child_is_left()?;
    other.close()?;
    busy.close()
}

fn cannot_start(stage: &Stage) -> anyhow::Result<()> {
    let attached = stage.host.attach()?;
    let event_loop = Arc::downgrade(&attached.event_loop);
    let before = event_loop.strong_count();
    let own = Reactor::new()?;
    let builder = stage.builder().thread(own.clone());
    let result = std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            forbid_threads()?;
            anyhow::Ok(builder.open(attached.event_loop.clone()))
        });
        opening.join().expect("opening does not panic")
    })?;
    ensure!(
        matches!(result, Err(Error::Io { doing, .. }) if doing.contains("thread")),
        "opening ended with {result:?}"
    );
    ensure!(
        Arc::strong_count(&own) == 1 && event_loop.strong_count() == before,
        "something is left that has the loops"
    );
    stage.open()?.close()
}

/// From now on, this thread can make no other.
fn forbid_threads() -> anyhow::Result<()> {
    let deny = libc::SECCOMP_RET_ERRNO | libc::EAGAIN as u32;
    let is = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    // SAFETY: these only put together what they are given.
    let mut instructions = unsafe {
        [
            // The number of the system call is the first that a filter sees.
            libc::BPF_STMT((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0),
            libc::BPF_JUMP(is, libc::SYS_clone as u32, 2, 0),
            libc::BPF_JUMP(is, libc::SYS_clone3 as u32, 1, 0),
            libc::BPF_STMT(answer, libc::SECCOMP_RET_ALLOW),
            libc::BPF_STMT(answer, deny),
        ]
    };
    let program = libc::sock_fprog { len: instructions.len() as u16, filter: instructions.as_mut_ptr() };
    // SAFETY: no pointers.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    ensure!(set == 0, "no_new_privs: {}", io::Error::last_os_error());
    // SAFETY: the program is read during the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    ensure!(set == 0, "seccomp: {}", io::Error::last_os_error());
    Ok(())
}

fn loop_breaks(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let attached = stage.host.attach()?;
    let own = Reactor::new()?;
    let ctx = Arc::new(stage.builder().thread(own.clone()).open(attached.event_loop.clone())?);
    // Its abort ends with the child's, which the loop has to notice.
    pretend.add_nic(FIVE, 0, &script(stage, "exec sleep 1000")?)?;
    let removal = ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    eventually("the script runs, and libxl's thread waits", || !children().is_empty() && ctx.census().in_flight == 0)?;

    // Its number for another file, which nobody can wait on as on an epoll set; and something to wake up for.
    let epoll = own.as_fd().try_clone_to_owned()?;
    let zero = File::open("/dev/zero")?;
    replace(&*own, &zero)?;
    ctx.watch_death(SEVEN)?.keep();
    eventually("new work is refused", || matches!(ctx.watch_death(FIVE), Err(Error::LoopGone)))?;
    ensure!(matches!(block_on(ctx.pause(FIVE)), Err(Error::LoopGone)), "an operation is taken");
    let (sender, closed) = channel();
    let closing = ctx.clone();
    std::thread::spawn(move || sender.send(closing.close_blocking()));
    let result = receive("a blocking close returns", &closed)?;
    ensure!(matches!(result, Err(Error::Loop(_))), "a blocking close ended with {result:?}");

    replace(&*own, &epoll)?;
    let close = ctx.close();
    let (sender, closed) = channel();
    std::thread::spawn(move || {
        block_on(close);
        sender.send(())
    });
    eventually("the loop ends what was in progress", || {
        own.turn(Some(zero.as_raw_fd())).is_ok() && closed.try_recv().is_ok()
    })?;
    // Libxl does not take a script's being killed for a failure of the removal.
    let result = block_on(removal);
    ensure!(result.as_ref().map_or_else(Error::is_aborted, |()| true), "the removal ended with {result:?}");
    no_child_is_left()
}

/// Has the fd's number stand for another file.
fn replace(fd: &impl AsRawFd, by: &impl AsRawFd) -> anyhow::Result<()> {
    // SAFETY: no pointers; both are open.
    let replaced = unsafe { libc::dup3(by.as_raw_fd(), fd.as_raw_fd(), libc::O_CLOEXEC) };
    ensure!(replaced >= 0, "dup3: {}", io::Error::last_os_error());
    Ok(())
}
