//! Libxl on a thread of its own (O12).

use crate::case::Case;
use crate::cases::device::{asked_to_close, no_child_is_left, remove, script};
use crate::cases::life::expect;
use crate::guests::Kind;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, PATIENCE, Stage, eventually, receive};
use anyhow::ensure;
use futures_lite::future::block_on;
use std::sync::mpsc::{Sender, channel};
use xenlight::{Abort, Error, EventKind};

pub(crate) static DOES_NOT_WAIT: Case = Case {
    name: "thread-does-not-wait",
    claim: "While libxl works on its own thread, under its lock, nothing that the application begins, ends or asks waits for it",
    clauses: &["O12", "R15", "E6", "E9"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: does_not_wait,
};

pub(crate) static CLOSED_MEANWHILE: Case = Case {
    name: "thread-closed-meanwhile",
    claim: "What libxl's own thread has not begun when the ctx is closed is not begun, and ends with an error that says so",
    clauses: &["O12", "X3", "X4", "E9"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: closed_meanwhile,
};

pub(crate) static LOOP_IS_FREE: Case = Case {
    name: "thread-leaves-loop-free",
    claim: "While libxl works on its own thread, under its lock, the host's loop delivers another ctx's events",
    clauses: &["O9", "O12"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Thread],
    run: loop_is_free,
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
    let pretend = stage.guest.pretend()?;
    pretend.add_nic(5, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(5, 0)?;
    asked_to_close(stage)?;
    let (entered, is_inside) = channel();
    let (let_go, go_on) = channel::<()>();
    opened.recorder.on_timer_added(move |_| {
        let _ = entered.send(());
        // A hook that waits, which none may do outside a test (R15).
        let _ = go_on.recv_timeout(PATIENCE);
    });
    pretend.close_backend(5, 0)?;
    receive("libxl's thread is inside libxl", &is_inside)?;
    ensure!(opened.ctx.census().in_flight == 1, "it is not: {:?}", opened.ctx.census());
    Ok((Held(let_go), removal))
}

fn does_not_wait(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.guest.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let seven = ctx.watch_death(7)?;
    let (held, removal) = hold(stage, &opened)?;

    // Had any of these waited for the lock, it would still, and the case with it.
    ensure!(ctx.domains()?.len() == 3 && ctx.info(5)?.domid == 5, "there are other domains");
    ensure!(ctx.name(5)?.is_some() && ctx.find("pretend-7")? == Some(7), "domains have other names");
    let five = ctx.watch_death(5)?;
    drop(ctx.watch_death(5)?);
    pretend.add_nic(7, 0, &script(stage, "true")?)?;
    let not_begun = ctx.remove_nic(7, 0)?;
    ensure!(not_begun.abort()? == Abort::Requested && not_begun.abort()? == Abort::AlreadyRequested);
    let paused = ctx.pause(5)?;
    drop(seven);
    ensure!(ctx.census().in_flight == 1, "libxl's thread was let go meanwhile: {:?}", ctx.census());
    drop(held);

    block_on(removal)?;
    let result = block_on(not_begun);
    ensure!(result.as_ref().is_err_and(Error::is_aborted), "what was aborted before it began ended with {result:?}");
    ensure!(pretend.store.read("/libxl/7/device/vif/0/type").is_some(), "the device that was to stay is gone");
    block_on(paused)?;
    pretend.destroy(5)?;
    eventually("the death of domain 5 is reported", || {
        opened.events.next().is_ok_and(|event| event.watch == Some(five.id()) && event.kind == EventKind::Death)
    })?;
    drop(five);
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn closed_meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.guest.pretend()?;
    let opened = stage.open()?;
    let (held, removal) = hold(stage, &opened)?;
    pretend.add_nic(7, 0, &script(stage, "true")?)?;
    let not_begun = opened.ctx.remove_nic(7, 0)?;
    let seven = opened.ctx.watch_death(7)?;
    let close = opened.ctx.close();
    ensure!(matches!(opened.ctx.pause(7), Err(Error::Closed)), "a ctx that is being closed takes an operation");
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
    let pretend = stage.guest.pretend()?;
    let (busy, other) = (stage.open()?, stage.open()?);
    remove(stage, &busy)?;
    let seven = other.ctx.watch_death(7)?;
    let (held, removal) = hold(stage, &busy)?;
    pretend.destroy(7)?;
    expect(&other.events, 7, &seven, &EventKind::Death)?;
    ensure!(busy.ctx.census().in_flight == 1, "libxl's thread was let go meanwhile");
    drop(held);
    block_on(removal)?;
    drop(seven);
    no_child_is_left()?;
    other.close()?;
    busy.close()
}
