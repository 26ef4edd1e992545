//! The loop sleeps while something is registered ([R9]).

use super::registration::{expect_served, watch};
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use crate::directed::{BOTH, BoundaryCase, Setting};
use crate::files::Ready;
use crate::puppet::{wall_micros, wall_time};
use libc::POLLIN;

pub(super) static FD: BoundaryCase = BoundaryCase {
    name: "fd-registered-while-asleep",
    claim: "An fd that is registered, or asked for, while the loop sleeps occurs: ready already, or ready later",
    clauses: &["R9"],
    rules: BOTH,
    sources: &["5a533d0ba5 and ba7a0dbb37 in Xen 4.14: libxl's own loop slept on a set that was out of date"],
    run: fd,
};

pub(super) static TIMEOUT: BoundaryCase = BoundaryCase {
    name: "timeout-registered-while-asleep",
    claim: "A timeout that is registered while the loop sleeps towards a later one, or has none, occurs in time, and so does one that is cancelled",
    clauses: &["R9", "R13"],
    rules: BOTH,
    sources: &["5a533d0ba5 in Xen 4.14"],
    run: timeout,
};

pub(super) static AFTER_NOTHING: BoundaryCase = BoundaryCase {
    name: "registered-after-nothing-was",
    claim: "A loop that has had nothing to wait for still serves what comes next",
    clauses: &["R9"],
    rules: BOTH,
    sources: &[],
    run: after_nothing,
};

fn fd(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let file = Ready::new()?;
    file.set()?;
    opened.wait_for_sleep("R9")?;
    let ready = opened.fd(file.fd(), POLLIN)?;
    opened.wait_for("R9", ready, "an fd that was ready when it was registered, while the loop slept")?;
    opened.deregister(ready)?;

    let idle = opened.fd(file.fd(), 0)?;
    opened.wait_for_sleep("R9")?;
    opened.modify(idle, POLLIN)?;
    opened.wait_for("R9", idle, "an fd that was ready when it was asked for, while the loop slept")?;
    opened.deregister(idle)?;

    opened.wait_for_sleep("R9")?;
    let later = watch(&opened)?;
    opened.wait_for_sleep("R9")?;
    expect_served(&opened, "R9", &later, "an fd that became ready after it was registered, while the loop slept")?;
    opened.deregister(later.1)?;
    opened.close()
}

fn timeout(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for beside_distant in [false, true] {
        let distant = if beside_distant { Some(opened.timeout(in_micros(3_600_000_000))?) } else { None };
        for deadline in [(0, 0), (1, 0), in_micros(1_000), in_micros(50_000)] {
            opened.wait_for_sleep("R9")?;
            let soon = opened.timeout(deadline)?;
            opened.wait_for("R9", soon, "a timeout that was registered while the loop slept")?;
        }
        let Some(distant) = distant else { continue };
        opened.wait_for_sleep("R9")?;
        opened.cancel(distant)?;
        if setting.rule() == Rule::Concurrent {
            opened.wait_for("R9", distant, "a timeout that was cancelled while the loop slept")?;
        }
    }
    opened.close()
}

fn after_nothing(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for _ in 0..3 {
        let file = watch(&opened)?;
        expect_served(&opened, "R9", &file, "an fd that is registered after a time without any")?;
        opened.deregister(file.1)?;
        let timeout = opened.timeout((1, 0))?;
        opened.wait_for_return("R9", timeout, 1, "a timeout that is registered after a time without any")?;
        opened.expect_rest("R9", "nothing is registered")?;
    }
    opened.close()
}

/// So far from now.
pub(super) fn in_micros(micros: i64) -> crate::boundary::WallTime {
    wall_time(wall_micros() + micros)
}
