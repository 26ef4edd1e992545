//! The loop refuses ([R3]).

use crate::case::Case;
use crate::cases::device::{self, script};
use crate::cases::life::expect;
#[cfg(doc)]
use crate::contract::*;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::tiers::Tier;
use crate::tiers::libxl::FIVE;
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_core::{LoopError, RegistrationError};
use osevent_epoll::Reactor;
use std::sync::Arc;
use xenlight::{Children, Code, Ctx, Error, EventKind, ShutdownReason};

pub(crate) static FD: Case = Case {
    name: "refused-fd",
    claim: "When the loop refuses an fd, the watch fails with that errno, nothing stays registered, and the next watch works",
    clauses: &["R3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: fd,
};

pub(crate) static TIMEOUT: Case = Case {
    name: "refused-timeout",
    claim: "When the loop refuses a timeout, the operation fails with that errno, nothing stays registered, and the next one works",
    clauses: &["R3", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: timeout,
};

pub(crate) static MODIFICATION: Case = Case {
    name: "refused-modification",
    claim: "When the loop refuses to modify the SIGCHLD pipe, its interest stays, libxl goes on, and operations end well",
    clauses: &["R3", "S6"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: modification,
};

pub(crate) static OPEN: Case = Case {
    name: "refused-open",
    claim: "At whichever fd a loop refuses a ctx that is being opened, opening fails with that errno, and no thread, fd or registration is left",
    clauses: &["R3", "X2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: open,
};

const ERRNO: i32 = libc::ENOSPC;

fn fd(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    opened.recorder.refuse_fds(Some(ERRNO));
    let refused = opened.ctx.watch_death(FIVE);
    match stage.mode {
        Mode::Loop => {
            let code = refused.as_ref().err().and_then(xenlight::Error::code);
            ensure!(code == Some(Code(ERRNO)), "the watch ended with {refused:?} instead of the loop's errno");
        }
        Mode::Thread => {
            let (watch, event) = (refused?, opened.events.next()?);
            let is_it = matches!(&event.kind, EventKind::WatchFailed { code: Code(ERRNO), .. });
            ensure!(is_it && event.watch == Some(watch.id()), "{event:?} came for {watch:?}");
        }
    }
    opened.expect_idle()?;

    opened.recorder.refuse_fds(None);
    let watch = opened.ctx.watch_death(FIVE)?;
    pretend.shut_down(FIVE, 3)?;
    expect(&opened.events, FIVE, &watch, &EventKind::Shutdown(ShutdownReason::Crash))?;
    drop(watch);
    opened.expect_idle()?;
    opened.close()
}

fn timeout(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    opened.recorder.refuse_timers(Some(ERRNO));
    // At the start or at the end.
    let result = block_on(opened.ctx.remove_nic(FIVE, 0));
    let code = result.as_ref().err().and_then(xenlight::Error::code);
    ensure!(code == Some(Code(ERRNO)), "the removal ended with {result:?} instead of the loop's errno");
    opened.expect_idle()?;

    opened.recorder.refuse_timers(None);
    device::remove(stage, &opened)?;
    opened.close()
}

/// Libxl asks for its SIGCHLD pipe anew at each fork, and in these two modes it is registered already.
fn modification(stage: &Stage) -> anyhow::Result<()> {
    for children in [Children::SelectiveReap, Children::LibxlAlways] {
        let opened = stage.open_with(children)?;
        let watched = opened.recorder.record().watched;
        opened.recorder.refuse_modifications(Some(ERRNO));
        device::remove(stage, &opened).with_context(|| format!("{children:?}, with a loop that refuses"))?;
        let record = opened.recorder.record();
        ensure!(record.modifications_refused > 0, "{children:?}: libxl modified nothing");
        ensure!(record.watched == watched, "{children:?}: the interests were {watched:?}: {record:?}");

        opened.recorder.refuse_modifications(None);
        device::remove(stage, &opened)?;
        ensure!(opened.recorder.record().fds_modified > 0, "{children:?}: libxl modified nothing the next time");
        opened.close()?;
    }
    Ok(())
}

fn open(stage: &Stage) -> anyhow::Result<()> {
    let attached = stage.host.attach()?;
    // What is made once, also by the loop's thread.
    stage.open()?.close()?;
    for of_its_own in [false, true] {
        if of_its_own && stage.mode == Mode::Loop {
            continue;
        }
        for room in 0.. {
            let host = Recorder::new(attached.event_loop.clone());
            let own = Recorder::new(Reactor::new()?);
            let refusing = if of_its_own { &own } else { &host };
            refusing.refuse_fds_after(room, ERRNO);
            let builder = Ctx::builder(&stage.library);
            let builder = if stage.mode == Mode::Thread { builder.thread(own.clone()) } else { builder };
            let opened = builder.open(host.clone());
            let accepted = opened.is_ok();
            match opened {
                Ok(ctx) => ctx.close_blocking()?,
                Err(error) => ensure!(
                    error.code() == Some(Code(ERRNO))
                        || matches!(error, Error::Registration(RegistrationError::Loop(LoopError::Os(ERRNO)))),
                    "with room for {room} fds: {error}"
                ),
            }
            // What is held here is the last.
            eventually("ctx and thread let go of their loops", || {
                Arc::strong_count(&host) + Arc::strong_count(&own) == 2
            })
            .with_context(|| {
                format!("with room for {room} fds on {}", if of_its_own { "its own" } else { "the host's" })
            })?;
            host.expect_nothing()?;
            own.expect_nothing()?;
            if accepted {
                ensure!(room > 0, "no fd was watched");
                break;
            }
        }
    }
    Ok(())
}
