//! The loop refuses (R3).

use crate::case::Case;
use crate::cases::device::{self, script};
use crate::cases::life::expect;
use crate::guests::Kind;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use anyhow::ensure;
use futures_lite::future::block_on;
use xenlight::{Code, EventKind, ShutdownReason};

pub(crate) static FD: Case = Case {
    name: "refused-fd",
    claim: "When the loop refuses an fd, the watch fails with that errno, nothing stays registered, and the next watch works",
    clauses: &["R3"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: fd,
};

pub(crate) static TIMEOUT: Case = Case {
    name: "refused-timeout",
    claim: "When the loop refuses a timeout, the operation fails with that errno, nothing stays registered, and the next one works",
    clauses: &["R3", "E9"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: timeout,
};

const ERRNO: i32 = libc::ENOSPC;

fn fd(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.guest.pretend()?;
    let opened = stage.open()?;
    opened.recorder.refuse_fds(Some(ERRNO));
    let refused = opened.ctx.watch_death(5);
    match stage.mode {
        Mode::Loop => {
            let code = refused.as_ref().err().and_then(xenlight::Error::code);
            ensure!(code == Some(Code(ERRNO)), "the watch ended with {refused:?} instead of the loop's errno");
        }
        Mode::Thread => expect(&opened.events, 5, &refused?, &EventKind::WatchFailed(Code(ERRNO)))?,
    }
    opened.expect_idle()?;

    opened.recorder.refuse_fds(None);
    let watch = opened.ctx.watch_death(5)?;
    pretend.shut_down(5, 3)?;
    expect(&opened.events, 5, &watch, &EventKind::Shutdown(ShutdownReason::Crash))?;
    drop(watch);
    opened.expect_idle()?;
    opened.close()
}

fn timeout(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.guest.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(5, 0, &script(stage, "true")?)?;
    opened.recorder.refuse_timers(Some(ERRNO));
    // At the start or at the end.
    let result = opened.ctx.remove_nic(5, 0).and_then(block_on);
    let code = result.as_ref().err().and_then(xenlight::Error::code);
    ensure!(code == Some(Code(ERRNO)), "the removal ended with {result:?} instead of the loop's errno");
    opened.expect_idle()?;

    opened.recorder.refuse_timers(None);
    device::remove(stage, &opened)?;
    opened.close()
}
