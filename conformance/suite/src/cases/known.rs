//! Known bugs of the field that no other theme has: each cites where it is told.

use super::registration::{expect_served, read_when_it_occurs, watch};
use crate::directed::{BOTH, BoundaryCase, CONCURRENT, Setting, demand};
use crate::files::Ready;
use libc::{POLLIN, POLLNVAL};
use std::sync::Arc;

pub(super) static POLLNVAL_RACE: BoundaryCase = BoundaryCase {
    name: "closed-and-reopened-while-asleep",
    claim: "While the loop sleeps, an fd is deregistered and closed, and its number registered for another file: nothing is reported but what that \
            file has to say",
    clauses: &["R8", "R9"],
    rules: BOTH,
    sources: &[
        "681ce16816 in Xen 4.6: poll(2) reported POLLNVAL for an fd that had been deregistered, closed, opened and registered",
    ],
    run: pollnval_race,
};

pub(super) static EATEN_MEANWHILE: BoundaryCase = BoundaryCase {
    name: "read-before-the-occurrence",
    claim: "An fd's input is read by another thread while the fd's occurrence waits for the ctx lock: the next input occurs",
    clauses: &["O4", "O10"],
    rules: CONCURRENT,
    sources: &["56d2350bf5 in Xen 4.6: spurious fd events, which blocked the save helper's reader"],
    run: eaten_meanwhile,
};

pub(super) static TWO_THREADS: BoundaryCase = BoundaryCase {
    name: "interest-from-an-occurrence-of-another-client",
    claim: "While one client's occurrence lasts on the loop's thread, another thread registers for a second client, and both are served after",
    clauses: &["R9", "O8"],
    rules: CONCURRENT,
    sources: &[
        "5a533d0ba5 in Xen 4.14: a thread slept on without the fds and timeouts that another one had registered",
    ],
    run: two_threads,
};

fn pollnval_race(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for closed_first in [false, true] {
        let file = Ready::new()?;
        let registration = opened.fd(file.fd(), POLLIN)?;
        opened.wait_for_sleep("R9")?;
        // Forced: the loop sleeps, with the old file in its set.
        opened.deregister(registration)?;
        let number = if closed_first {
            let number = file.fd();
            let next = Ready::new()?;
            drop(file);
            // Seen first: the loop has had time to notice that nothing is open there.
            opened.go_round(2)?;
            Arc::new(next.at(number)?)
        } else {
            file.become_file_of(&Ready::new()?)?;
            Arc::new(file)
        };
        let again = opened.fd(number.fd(), POLLIN)?;
        let read = number.clone();
        opened.on(again, move |_| read.unset().map(|_| ()));
        opened.go_round(3)?;
        demand("R8", opened.count(again) == 0, || {
            "an fd that is not ready occurred, whose number had been closed and opened while the loop slept".into()
        })?;
        opened.expect_rest("R8", "a number was closed and opened again while the loop slept")?;
        expect_served(&opened, "R9", &(number, again), "a file whose number was another's when the loop fell asleep")?;
        let seen = opened.occurrences_of(again);
        let valid = seen.iter().all(|occurrence| occurrence.fd.is_some_and(|(_, _, revents)| revents & POLLNVAL == 0));
        demand("R8", valid, || format!("POLLNVAL is reported of an fd that is open: {seen:?}"))?;
        opened.deregister(again)?;
    }
    opened.close()
}

fn eaten_meanwhile(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let (file, registration, told) = read_when_it_occurs(&opened)?;
    for _ in 0..3 {
        let (puppet, eaten) = (Arc::clone(&opened), file.clone());
        let before = opened.count(registration);
        let thread = setting.elsewhere(move || {
            puppet.call(|| {
                let _lock = puppet.ctx_lock();
                eaten.set()?;
                puppet.wait_for_more(
                    "O8",
                    registration,
                    before + 1,
                    "an fd that is ready, while another thread is inside the client",
                )?;
                // Forced: its occurrence has begun.
                anyhow::ensure!(eaten.unset()?, "the input was there to be read");
                Ok(())
            })
        })?;
        thread.returns("R15", "a call for whose ctx lock an occurrence waits")??;
        let found = told.recv_timeout(setting.patience())?;
        anyhow::ensure!(!found, "the occurrence found input although another thread had read it");
        opened.go_round(2)?;
        opened.expect_rest("O4", "an fd's input was read by another thread than the occurrence's")?;
        file.set()?;
        let found = told.recv_timeout(setting.patience());
        opened.check()?;
        demand("O10", found == Ok(true), || "input after a spurious occurrence did not occur".into())?;
    }
    opened.deregister(registration)?;
    opened.close()
}

fn two_threads(setting: &Setting<'_>) -> anyhow::Result<()> {
    let (first, second) = (setting.open()?, setting.open()?);
    let hold = first.hold_loop()?;
    let (puppet, both) = (Arc::clone(&second), Arc::clone(&first));
    let thread = setting.elsewhere(move || {
        let watched = [watch(&puppet)?, watch(&both)?];
        watched.iter().try_for_each(|(file, _)| file.set())?;
        anyhow::Ok((watched, puppet.timeout((1, 0))?, both.timeout((1, 0))?))
    })?;
    let ([here, there], timeout, other) =
        thread.returns("O2", "hooks while the loop is inside another client's occurrence")??;
    hold.release()?;
    second.wait_for("R9", here.1, "an fd that was registered while the loop was inside another client")?;
    first.wait_for("R9", there.1, "an fd that was registered while the loop was inside its client")?;
    second.wait_for("R9", timeout, "a timeout that was registered while the loop was inside another client")?;
    first.wait_for("R9", other, "a timeout that was registered while the loop was inside its client")?;
    second.deregister(here.1)?;
    first.deregister(there.1)?;
    second.close()?;
    first.close()
}
