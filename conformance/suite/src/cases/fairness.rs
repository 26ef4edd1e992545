//! What is ready all the time leaves room for the rest ([O9]).

use super::registration::{expect_served, watch};
use super::sleep::in_micros;
#[cfg(doc)]
use crate::contract::*;
use crate::directed::{BOTH, BoundaryCase, Setting};
use crate::files::Ready;
use crate::puppet::{Puppet, Registration};
use libc::{POLLIN, POLLOUT};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) static FDS: BoundaryCase = BoundaryCase {
    name: "fds-ready-all-the-time",
    claim: "Beside 40 fds and a file that are ready all the time, each of them, other fds, timeouts, and the rest of the program are served",
    clauses: &["O9", "O10"],
    rules: BOTH,
    sources: &[],
    run: fds,
};

pub(super) static TIMEOUTS: BoundaryCase = BoundaryCase {
    name: "timeouts-due-all-the-time",
    claim: "Beside timeouts of which there is always one due, fds, other timeouts, and the rest of the program are served",
    clauses: &["O9", "O6"],
    rules: BOTH,
    sources: &[],
    run: timeouts,
};

/// Others are served, and another client of the same loop.
fn expect_others_served(setting: &Setting<'_>, opened: &Puppet) -> anyhow::Result<()> {
    let other = watch(opened)?;
    for _ in 0..3 {
        expect_served(opened, "O9", &other, "an fd beside what is ready all the time")?;
    }
    opened.deregister(other.1)?;
    for deadline in [(0, 0), (1, 0), in_micros(0), in_micros(5_000)] {
        let timeout = opened.timeout(deadline)?;
        opened.wait_for("O9", timeout, "a timeout beside what is ready all the time")?;
    }
    let beside = setting.open()?;
    let other = watch(&beside)?;
    expect_served(&beside, "O9", &other, "an fd of another client beside what is ready all the time")?;
    let timeout = beside.timeout(in_micros(5_000))?;
    beside.wait_for("O9", timeout, "a timeout of another client beside what is ready all the time")?;
    beside.deregister(other.1)?;
    beside.close()
}

fn fds(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let mut files = Vec::new();
    for _ in 0..40 {
        let file = Ready::new()?;
        file.set()?;
        files.push((opened.fd(file.fd(), POLLIN)?, file));
    }
    let regular = tempfile::tempfile()?;
    let always = opened.fd(regular.as_raw_fd(), POLLOUT)?;
    expect_others_served(setting, &opened)?;
    let busy: Vec<Registration> = files.iter().map(|(registration, _)| *registration).chain([always]).collect();
    for registration in &busy {
        let before = opened.count(*registration);
        opened.wait_for_more("O9", *registration, before + 2, "one of many fds that are ready all the time")?;
    }
    for registration in busy {
        opened.deregister(registration)?;
    }
    opened.go_round(2)?;
    opened.close()
}

fn timeouts(setting: &Setting<'_>) -> anyhow::Result<()> {
    fn go_on(puppet: &Puppet, ends: &Arc<AtomicBool>) -> anyhow::Result<()> {
        // Relaxed: it is seen in one of the next occurrences.
        if ends.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Not {0,0}: that is earlier than all others, which would have to wait (O7).
        let timeout = puppet.timeout(in_micros(0))?;
        let ends = ends.clone();
        puppet.on(timeout, move |puppet| go_on(puppet, &ends));
        Ok(())
    }
    let opened = setting.open()?;
    let ends = Arc::new(AtomicBool::new(false));
    let chain = ends.clone();
    opened.in_loop(move |puppet| go_on(puppet, &chain))?;
    let result = expect_others_served(setting, &opened);
    ends.store(true, Ordering::Relaxed);
    result?;
    opened.go_round(3)?;
    opened.expect_rest("O5", "the last of many timeouts has occurred")?;
    opened.close()
}
