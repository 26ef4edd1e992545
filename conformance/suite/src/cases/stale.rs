//! Occurrences after their deregistration, and what 4.2.0 and 4.2.1 need instead of libxl's later patience.

use super::interest::broken_pipe;
use super::registration::read_when_it_occurs;
use crate::boundary::Rule;
use crate::directed::{BOTH, BoundaryCase, SERIALIZED, Setting, breaks, demand};
use crate::files::Ready;
use crate::puppet::Registration;
use crate::threads;
use libc::{POLLIN, POLLOUT};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) static BATCH: BoundaryCase = BoundaryCase {
    name: "deregistered-in-a-batch",
    claim: "Of two fds that became ready together, the second is deregistered in the first one's occurrence, and another fd takes its place, which \
            is not taken for it; under the rule of 4.2.0 the second does not occur at all",
    clauses: &["O3", "R8", "R10", "R16"],
    rules: BOTH,
    sources: &[
        "libvir-list, 16 January 2013, \"RFC: libxl race fixes\", the first race",
        "bc7e8a2a81 in Xen 4.3 and a87ef89729 in 4.2.2",
    ],
    run: batch,
};

pub(super) static CLAIMED: BoundaryCase = BoundaryCase {
    name: "deregistered-while-the-loop-waits",
    claim: "The loop has found an fd ready, or a timeout due, and waits for the outer lock while the holder deregisters it: it does not occur",
    clauses: &["O3", "O5", "O2"],
    rules: SERIALIZED,
    sources: &["bc7e8a2a81 in Xen 4.3 and a87ef89729 in 4.2.2", "5f5ef65bab in Xen 4.3 and 6f0f339dd4 in 4.2.2"],
    run: claimed,
};

pub(super) static READ_MEANWHILE: BoundaryCase = BoundaryCase {
    name: "read-while-the-loop-waits",
    claim: "The loop has found an fd ready, and waits for the outer lock while the holder reads it: it does not occur, and the next input does",
    clauses: &["O4", "O10"],
    rules: SERIALIZED,
    sources: &["56d2350bf5 in Xen 4.6: spurious fd events, which blocked the save helper's reader"],
    run: read_meanwhile,
};

pub(super) static ERRORS: BoundaryCase = BoundaryCase {
    name: "errors-carry-the-interest",
    claim: "For 4.2.0 and 4.2.1 a bare hang-up or error is reported together with the interest, which is all that they look at",
    clauses: &["O4"],
    rules: SERIALIZED,
    sources: &["libxl_event.c of Xen 4.2.0, `revents &= ev->events`"],
    run: errors,
};

pub(super) static ONE_AT_A_TIME: BoundaryCase = BoundaryCase {
    name: "one-call-at-a-time",
    claim: "For 4.2.0 and 4.2.1 a call of the application's does not begin while an occurrence lasts, nor an occurrence during a call",
    clauses: &["O2", "O3"],
    rules: SERIALIZED,
    sources: &[],
    run: one_at_a_time,
};

fn batch(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let files = [Arc::new(Ready::new()?), Arc::new(Ready::new()?)];
    let unready = Arc::new(Ready::new()?);
    let registrations = [opened.fd(files[0].fd(), POLLIN)?, opened.fd(files[1].fd(), POLLIN)?];
    // The one that was deregistered, and the one that took its place.
    let replaced: Arc<Mutex<Option<(usize, Registration)>>> = Arc::default();
    for at in [0, 1] {
        let (file, unready, replaced) = (files[at].clone(), unready.clone(), replaced.clone());
        opened.on(registrations[at], move |puppet| {
            file.unset()?;
            let mut replaced = replaced.lock().unwrap_or_else(PoisonError::into_inner);
            if replaced.is_none() {
                puppet.deregister(registrations[1 - at])?;
                *replaced = Some((1 - at, puppet.fd(unready.fd(), POLLIN)?));
            }
            Ok(())
        });
    }
    let both = files.clone();
    // The loop is inside an occurrence while both become ready.
    opened.in_loop(move |_| both.iter().try_for_each(|file| file.set()))?;
    opened.go_round(4)?;
    let Some((second, other)) = *replaced.lock().unwrap_or_else(PoisonError::into_inner) else {
        return Err(breaks("O10", "of two fds that are ready neither occurred"));
    };
    anyhow::ensure!(files[second].unset()?, "the second fd was read");
    demand("R10", opened.count(other) == 0, || {
        "an fd that is not ready occurred: it has the place, and the value, of one that was deregistered".into()
    })?;
    opened.on(other, {
        let unready = unready.clone();
        move |_| unready.unset().map(|_| ())
    });
    unready.set()?;
    opened.wait_for("R8", other, "an fd that took the place of one that was deregistered in the same batch")?;
    opened.deregister(other)?;
    opened.deregister(registrations[1 - second])?;
    opened.close()
}

fn claimed(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let thread = opened.in_loop(|_| Ok(threads::current()))?;
    let file = Ready::new()?;
    for _ in 0..3 {
        opened.call(|| {
            let registration = opened.fd(file.fd(), POLLIN)?;
            file.set()?;
            opened.wait_for_lock(thread)?;
            opened.deregister(registration)
        })?;
        // The puppet says whether it occurred.
        opened.go_round(2)?;
        file.unset()?;
        opened.call(|| {
            let timeout = opened.timeout((1, 0))?;
            opened.wait_for_lock(thread)?;
            opened.cancel(timeout)
        })?;
        opened.go_round(2)?;
    }
    opened.close()
}

fn read_meanwhile(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let thread = opened.in_loop(|_| Ok(threads::current()))?;
    let (file, registration, told) = read_when_it_occurs(&opened)?;
    for before in 0..3 {
        opened.call(|| {
            file.set()?;
            opened.wait_for_lock(thread)?;
            anyhow::ensure!(file.unset()?, "the input was there to be read");
            Ok(())
        })?;
        opened.go_round(2)?;
        demand("O4", opened.count(registration) == before, || {
            "an fd occurs whose input was read while the loop waited for the outer lock: 4.2.0 waits for it".into()
        })?;
        file.set()?;
        opened.wait_for_more("O10", registration, before + 1, "the next input of an fd that was read meanwhile")?;
        anyhow::ensure!(told.recv_timeout(setting.patience())?, "the input was there to be read");
        opened.go_round(2)?;
    }
    opened.deregister(registration)?;
    opened.close()
}

fn errors(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let (reader, writer) = std::io::pipe()?;
    drop(writer);
    for (fd, events) in [(OwnedFd::from(reader), POLLIN), (broken_pipe()?, POLLOUT)] {
        let registration = opened.fd(fd.as_raw_fd(), events)?;
        opened.on(registration, move |puppet| puppet.modify(registration, 0));
        opened.wait_for("O4", registration, "an fd whose other end is gone")?;
        let seen = opened.occurrences_of(registration);
        let carries = seen.iter().all(|occurrence| {
            occurrence.fd.is_some_and(|(_, asked, revents)| asked & events == events && revents & events == events)
        });
        demand("O4", carries, || {
            format!("4.2.0 masks {seen:?} with its interest {events:#x}, finds nothing, and the loop spins")
        })?;
        opened.deregister(registration)?;
    }
    opened.close()
}

fn one_at_a_time(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    anyhow::ensure!(setting.rule() == Rule::Serialized, "this is about the outer lock");
    let hold = opened.hold_loop()?;
    let puppet = Arc::clone(&opened);
    let (tell, told) = channel();
    let thread = setting.elsewhere(move || {
        // The case may have failed meanwhile.
        let _ = tell.send(threads::current());
        puppet.call(|| Ok(()))
    })?;
    opened.wait_for_lock(told.recv()?)?;
    hold.release().and_then(|()| thread.returns("O2", "a call into the client, once the occurrence is over"))??;
    opened.go_round(2)?;

    let thread = opened.in_loop(|_| Ok(threads::current()))?;
    let file = Ready::new()?;
    let registration = opened.fd(file.fd(), POLLIN)?;
    opened.call(|| {
        file.set()?;
        opened.wait_for_lock(thread)
    })?;
    opened.wait_for("O2", registration, "an fd that became ready during a call, after that")?;
    opened.deregister(registration)?;
    opened.close()
}
