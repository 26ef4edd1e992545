//! The end of a client: when it is freed, and what must not come after.

use super::registration::{expect_served, watch};
use super::sleep::in_micros;
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use crate::directed::{BOTH, BoundaryCase, Opened, Setting, breaks, demand};
use crate::files::{self, Ready};
use crate::puppet::{Puppet, Registration, wall_micros, wall_time};
use libc::{POLLIN, POLLOUT};
use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

pub(super) static CALL_IN_PROGRESS: BoundaryCase = BoundaryCase {
    name: "closed-during-a-call",
    claim: "A client that is closed during an occurrence, or a call, is freed when that is over, and no call or occurrence begins meanwhile",
    clauses: &["X4"],
    rules: BOTH,
    sources: &["libvir-list, 16 January 2013, \"RFC: libxl race fixes\", the second race"],
    run: call_in_progress,
};

pub(super) static INSIDE: BoundaryCase = BoundaryCase {
    name: "closed-inside",
    claim: "A client that is closed inside its own occurrence, or inside a call, is freed after that has returned",
    clauses: &["X5", "X4"],
    rules: BOTH,
    sources: &[],
    run: inside,
};

pub(super) static REGISTERED: BoundaryCase = BoundaryCase {
    name: "closed-with-registrations",
    claim: "A client that has fds registered is freed all the same, deregisters them from inside that, and its files can be closed then",
    clauses: &["X2", "S5"],
    rules: BOTH,
    sources: &[
        "libvir-list, 16 January 2013, \"RFC: libxl race fixes\": references for registrations would keep the ctx",
    ],
    run: registered,
};

pub(super) static NOTHING_AFTER: BoundaryCase = BoundaryCase {
    name: "nothing-after-the-end",
    claim: "After a client was freed none of its fds occurs, though they are ready, and none of its timeouts, though they were cancelled and due",
    clauses: &["X4", "X6"],
    rules: BOTH,
    sources: &["libvirt's libxlRegisteredTimeoutsCleanup of 2013"],
    run: nothing_after,
};

pub(super) static TWICE: BoundaryCase = BoundaryCase {
    name: "closed-more-than-once",
    claim: "A client that is closed again, by several threads at once, or inside and outside, is freed once, and takes no call any more",
    clauses: &["X4"],
    rules: BOTH,
    sources: &[],
    run: twice,
};

pub(super) static FDS: BoundaryCase = BoundaryCase {
    name: "fds-of-the-host",
    claim: "Every fd that hosting takes is closed on exec, and gone after the end",
    clauses: &["S3", "S5"],
    rules: BOTH,
    sources: &[],
    run: fds,
};

fn call_in_progress(setting: &Setting<'_>) -> anyhow::Result<()> {
    let beside = setting.open()?;
    for application in [false, true] {
        let opened = setting.open()?;
        let other = watch(&opened)?;
        let (release, released) = channel();
        let (arrive, arrived) = channel();
        let hold = move || {
            // The case may have failed meanwhile; then the hold is over.
            let _ = arrive.send(());
            let _ = released.recv();
            Ok(())
        };
        let puppet = Arc::clone(&opened);
        let (thread, occurrence) = if application {
            (Some(setting.elsewhere(move || puppet.call(hold))?), None)
        } else {
            (None, Some(opened.begin_in_loop(move |_| hold())?))
        };
        let begun = arrived.recv_timeout(setting.patience());
        opened.check()?;
        begun.map_err(|_| breaks("R9", "an fd was registered, became ready, and did not occur"))?;

        let hosting = opened.hosting().clone();
        setting
            .elsewhere(move || hosting.close())?
            .returns("X4", "close while a call is in progress, which it does not wait for")?;
        // Due while nobody may begin any more.
        other.0.set()?;
        let hosting = opened.hosting().clone();
        let late = setting.elsewhere(move || {
            let mut ran = false;
            (hosting.call(&mut || ran = true), ran)
        })?;
        if application && setting.rule() == Rule::Concurrent {
            // The loop is free to look at what is due.
            beside.go_round(2)?;
            beside.expect_rest("X4", "an fd is ready of a client that is being closed while a call is in progress")?;
        }
        // The puppet says whether it was freed meanwhile.
        opened.check()?;
        release.send(())?;
        opened.wait_for_free("X4", "a client that was closed during a call, once that is over")?;
        if let Some(thread) = thread {
            thread.returns("X4", "a call during which the client was closed")??;
        }
        let (called, ran) = late.returns("X4", "a call into a client that is being closed")?;
        demand("X4", !called && !ran, || "a call began after the client was closed".into())?;
        beside.go_round(3)?;
        opened.check()?;
        demand("X4", opened.count(other.1) == 0, || "an occurrence began after the client was closed".into())?;
        drop(occurrence);
    }
    beside.close()
}

fn inside(setting: &Setting<'_>) -> anyhow::Result<()> {
    let beside = setting.open()?;
    for timeout in [false, true] {
        let opened = setting.open()?;
        let (tell, told) = channel();
        let hosting = opened.hosting().clone();
        let close = move || {
            hosting.close();
            // The case may have failed meanwhile.
            let _ = tell.send(());
            Ok(())
        };
        let _occurrence = if timeout {
            opened.undisturbed(|| {
                let timeout = opened.timeout(in_micros(50_000))?;
                opened.on(timeout, move |_| close());
                Ok(())
            })?;
            None
        } else {
            Some(opened.begin_in_loop(move |_| close())?)
        };
        let closed = told.recv_timeout(setting.patience());
        // The puppet says whether it was freed in there.
        opened.check()?;
        closed.map_err(|_| breaks("X5", "closing a client inside its own occurrence does not return"))?;
        opened.wait_for_free("X5", "a client that was closed inside its own occurrence, after that")?;
        beside.go_round(2)?;
        opened.check()?;
    }
    let opened = setting.open()?;
    opened.call(|| {
        opened.hosting().close();
        opened.check()?;
        demand("X5", opened.frees() == 0, || "a client was freed inside a call".into())
    })?;
    opened.wait_for_free("X5", "a client that was closed inside a call, after that")?;
    opened.check()?;
    beside.close()
}

fn registered(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let file = Ready::new()?;
    let elsewhere = file.duplicate()?;
    file.set()?;
    let (near, _far) = UnixStream::pair()?;
    opened.fd(file.fd(), 0)?;
    opened.fd(near.as_raw_fd(), POLLIN)?;
    opened.fd(near.as_raw_fd(), POLLOUT)?;
    watch(&opened)?;
    opened.fd(file.fd(), POLLIN)?;
    opened.go_round(1)?;
    let hosting = opened.hosting().clone();
    setting.elsewhere(move || hosting.close())?.returns("X2", "close of a client that has registrations")?;
    opened.wait_for_free("X2", "a client that has registrations, which it ends when it is freed")?;
    opened.check()?;
    drop((file, near));
    let beside = setting.open()?;
    beside.go_round(2)?;
    opened.check()?;
    beside.expect_rest("X2", "a file is ready that a client deregistered when it was freed, and is open elsewhere")?;
    drop(elsewhere);
    beside.close()
}

fn nothing_after(setting: &Setting<'_>) -> anyhow::Result<()> {
    let beside = setting.open()?;
    let opened = setting.open()?;
    let file = Ready::new()?;
    let watched = opened.fd(file.fd(), POLLIN)?;
    let near = in_micros(150_000);
    let close = {
        let hosting = opened.hosting().clone();
        let file = file.duplicate()?;
        move |puppet: &Puppet| {
            file.set()?;
            for deadline in [(1, 0), near, (i64::from(i32::MAX), 0)] {
                let timeout = puppet.timeout(deadline)?;
                puppet.cancel(timeout)?;
            }
            // Forced: all of them are due and have not occurred, for the loop is in here.
            hosting.close();
            Ok(())
        }
    };
    let _occurrence = opened.begin_in_loop(close)?;
    opened.wait_for_free("X6", "a client whose timeouts have been cancelled and have not occurred")?;
    while wall_time(wall_micros()) <= near {
        std::thread::sleep(Duration::from_millis(5));
    }
    beside.go_round(4)?;
    // The puppet says whether anything came after.
    opened.check()?;
    demand("X4", opened.count(watched) == 0, || "an occurrence began after the client was closed".into())?;
    drop(file);
    beside.expect_rest("X4", "a client was freed whose fds were ready and whose timeouts were due")?;
    beside.close()
}

fn twice(setting: &Setting<'_>) -> anyhow::Result<()> {
    let beside = setting.open()?;
    for inside in [false, true] {
        let opened = setting.open()?;
        let _occurrence = if inside {
            let hosting = opened.hosting().clone();
            let occurrence = opened.begin_in_loop(move |_| {
                hosting.close();
                hosting.close();
                Ok(())
            })?;
            opened.wait_for_free("X4", "a client that was closed twice inside its own occurrence")?;
            Some(occurrence)
        } else {
            None
        };
        let mut threads = Vec::new();
        for _ in 0..4 {
            let hosting = opened.hosting().clone();
            threads.push(setting.elsewhere(move || {
                hosting.close();
                hosting.close();
            })?);
        }
        for thread in threads {
            thread.returns("X4", "close of a client that several threads close")?;
        }
        opened.wait_for_free("X4", "a client that several threads have closed")?;
        beside.go_round(2)?;
        opened.check()?;
        let mut ran = false;
        let called = opened.hosting().call(&mut || ran = true);
        demand("X4", !called && !ran, || "a call began after the client was freed".into())?;
    }
    beside.close()
}

fn fds(setting: &Setting<'_>) -> anyhow::Result<()> {
    // What is opened once for the process, or for the loop.
    let first = setting.open()?;
    first.go_round(1)?;
    first.close()?;
    let beside = setting.open()?;
    beside.go_round(1)?;
    let before = files::open()?;
    for _ in 0..3 {
        let opened = setting.open()?;
        let (own, distant) = use_much(&opened)?;
        for fd in files::open()?.difference(&before).filter(|fd| !own.contains(fd)) {
            demand("S3", files::is_closed_on_exec(*fd), || {
                format!("fd {fd} ({}) of the host is inherited by libxl's children", files::name(*fd))
            })?;
        }
        distant.into_iter().try_for_each(|timeout| opened.cancel(timeout))?;
        opened.close()?;
    }
    for fd in before.difference(files::inherited()) {
        demand("S3", files::is_closed_on_exec(*fd), || {
            format!("fd {fd} ({}) of the host is inherited by libxl's children", files::name(*fd))
        })?;
    }
    beside.go_round(2)?;
    let end = Instant::now() + setting.patience();
    loop {
        // Numbers can change; the loop can let go of some a little later.
        let now = files::open()?;
        if now.len() <= before.len() {
            break;
        }
        let left: Vec<_> = now.difference(&before).map(|fd| files::name(*fd)).collect();
        demand("S5", Instant::now() < end, || format!("fds are left open after the end of their clients: {left:?}"))?;
        std::thread::sleep(Duration::from_millis(5));
    }
    beside.close()
}

/// Registers some of everything, and says which fds are the client's, and which timeouts have to be cancelled before it ends ([X3]).
fn use_much(opened: &Opened) -> anyhow::Result<(BTreeSet<RawFd>, Vec<Registration>)> {
    let (mut own, mut distant) = (BTreeSet::new(), Vec::new());
    for _ in 0..5 {
        let watched = watch(opened)?;
        expect_served(opened, "R9", &watched, "an fd")?;
        own.insert(watched.0.fd());
        let timeout = opened.timeout(in_micros(1_000))?;
        opened.wait_for("O5", timeout, "a timeout in 1 ms")?;
        distant.push(opened.timeout((i64::from(i32::MAX), 0))?);
    }
    Ok((own, distant))
}
