//! What nobody asks for any more does not wake the loop, however ready it is. Processor time is the only sign of it.

use super::registration::expect_served;
use crate::directed::{BoundaryCase, CONCURRENT, Setting, demand};
use crate::files::Ready;
use crate::puppet::Registration;
use libc::{POLLIN, POLLOUT, POLLPRI};
use std::sync::Arc;

pub(super) static LESS: BoundaryCase = BoundaryCase {
    name: "asked-for-less",
    claim: "An fd that is ready for what was asked of it before does not occur, and the loop sleeps: after a modification, in an occurrence as \
            elsewhere, and after the end of the registration that asked for it, beside another",
    clauses: &["R4"],
    rules: CONCURRENT,
    sources: &[],
    run: less,
};

pub(super) static ENDED: BoundaryCase = BoundaryCase {
    name: "deregistered-while-ready",
    claim: "An fd that is deregistered while it is ready, in its occurrence as elsewhere, and that stays open, lets the loop sleep",
    clauses: &["R8"],
    rules: CONCURRENT,
    sources: &[],
    run: ended,
};

fn less(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    // Writable all the time, and readable once it is set.
    let file = Arc::new(Ready::new()?);
    let fd = file.fd();
    let input = opened.fd(fd, POLLIN)?;
    let usual = opened.usual_activity()?;
    let expect_silence = |registration: Registration, when: &str| {
        // What the loop had collected before is out after two rounds.
        opened.go_round(2)?;
        let before = opened.count(registration);
        opened.go_round(2)?;
        let now = opened.count(registration);
        demand("R4", now == before, || format!("an fd occurs for what it is not asked for any more, {when}"))?;
        opened.expect_rest_as("R4", usual, &format!("an fd is ready for what nobody asks any more, {when}"))
    };
    opened.modify(input, POLLIN | POLLOUT)?;
    opened.wait_for("R4", input, "an fd that is asked for output, too")?;
    opened.modify(input, POLLIN)?;
    expect_silence(input, "after a modification")?;

    let before = opened.count(input);
    opened.on(input, move |puppet| puppet.modify(input, POLLIN));
    opened.modify(input, POLLIN | POLLOUT)?;
    opened.wait_for_return("R4", input, before + 1, "an fd that is asked for output, too")?;
    expect_silence(input, "after a modification in its occurrence")?;

    for empties in [true, false] {
        let output = opened.fd(fd, POLLOUT)?;
        opened.wait_for("R4", output, "an fd that is registered for output beside one for input")?;
        if empties {
            opened.modify(output, 0)?;
            expect_silence(input, "after the other registration was emptied")?;
        }
        opened.deregister(output)?;
        if !empties {
            expect_silence(input, "after the other registration has ended")?;
        }
    }

    // The older one ends.
    let priority = opened.fd(fd, POLLPRI)?;
    opened.on(input, |_| Ok(()));
    let before = opened.count(input);
    file.set()?;
    opened.wait_for_more("R4", input, before + 1, "an fd that is registered for priority input, too")?;
    opened.deregister(input)?;
    expect_silence(priority, "after the registration before it has ended")?;

    opened.on(priority, {
        let file = file.clone();
        move |_| file.unset().map(|_| ())
    });
    file.unset()?;
    opened.modify(priority, POLLIN)?;
    expect_served(&opened, "R4", &(file, priority), "an fd that is asked for more again")?;
    opened.deregister(priority)?;
    opened.close()
}

fn ended(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let usual = opened.usual_activity()?;
    let file = Ready::new()?;
    file.set()?;
    for inside in [false, true] {
        let registration = opened.undisturbed(|| {
            let registration = opened.fd(file.fd(), POLLIN)?;
            if inside {
                opened.on(registration, move |puppet| puppet.deregister(registration));
            }
            Ok(registration)
        })?;
        opened.wait_for_return("R9", registration, 1, "an fd that is ready")?;
        opened.deregister(registration)?;
        opened.go_round(2)?;
        let when = if inside { "in its occurrence" } else { "outside of its occurrences" };
        opened.expect_rest_as("R8", usual, &format!("an fd that is ready was deregistered {when}, and stays open"))?;
    }
    opened.close()
}
