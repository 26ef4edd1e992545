//! Hooks and occurrences at the same time: who waits for whom.

use super::registration::watch;
use crate::directed::{BOTH, BoundaryCase, CONCURRENT, Opened, Setting, demand};
use crate::files::Ready;
use crate::puppet::{Puppet, Registration};
use libc::POLLIN;
use std::sync::Arc;

pub(super) static NOT_INSIDE_A_HOOK: BoundaryCase = BoundaryCase {
    name: "no-occurrence-in-a-hook",
    claim: "Hooks that make something due return before it occurs on their thread, on the loop's thread as well",
    clauses: &["O1"],
    rules: BOTH,
    sources: &[],
    run: not_inside_a_hook,
};

pub(super) static OCCURRENCE_WAITS: BoundaryCase = BoundaryCase {
    name: "hooks-while-an-occurrence-waits",
    claim: "While an occurrence waits for the ctx lock, whoever holds that calls every hook, also for the fd that occurs, and each returns",
    clauses: &["R15", "O2", "R1"],
    rules: CONCURRENT,
    sources: &[],
    run: occurrence_waits,
};

pub(super) static OCCURRENCE_HELD: BoundaryCase = BoundaryCase {
    name: "hooks-while-an-occurrence-lasts",
    claim: "While the loop is inside a long occurrence, another thread calls every hook, and each returns",
    clauses: &["O2", "O12", "R15"],
    rules: CONCURRENT,
    sources: &["libvirt unlocks its object around each occurrence for this reason (2013)"],
    run: occurrence_held,
};

pub(super) static CONSISTENT: BoundaryCase = BoundaryCase {
    name: "changed-while-an-occurrence-lasts",
    claim: "What three threads register, change and end while the loop is inside an occurrence is all there when it comes out, and nothing else",
    clauses: &["O8", "R1"],
    rules: CONCURRENT,
    sources: &[],
    run: consistent,
};

fn not_inside_a_hook(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    // The puppet says where it did.
    let all = |puppet: &Puppet| {
        let file = Arc::new(Ready::new()?);
        file.set()?;
        let ready = puppet.fd(file.fd(), POLLIN)?;
        let read = file.clone();
        puppet.on(ready, move |_| read.unset().map(|_| ()));
        let asked = watch(puppet)?;
        puppet.modify(asked.1, 0)?;
        asked.0.set()?;
        puppet.modify(asked.1, POLLIN)?;
        let timeouts = [puppet.timeout((0, 0))?, puppet.timeout((1, 0))?, puppet.timeout((i64::from(i32::MAX), 0))?];
        puppet.cancel(timeouts[2])?;
        puppet.check()?;
        Ok(([ready, asked.1], timeouts, file))
    };
    for inside in [false, true] {
        let (fds, timeouts, _file) = if inside { opened.in_loop(all)? } else { all(&opened)? };
        for registration in fds {
            opened.wait_for("O1", registration, "an fd that was ready when a hook was called, after the hook")?;
            opened.deregister(registration)?;
        }
        for timeout in &timeouts[..2] {
            opened.wait_for("O1", *timeout, "a timeout that was due when a hook was called, after the hook")?;
        }
        opened.go_round(2)?;
    }
    opened.close()
}

/// Each of the hooks, for registrations of their own.
fn every_hook(puppet: &Puppet) -> anyhow::Result<()> {
    let file = Ready::new()?;
    let registration = puppet.fd(file.fd(), POLLIN)?;
    puppet.modify(registration, 0)?;
    puppet.modify(registration, POLLIN)?;
    puppet.deregister(registration)?;
    let timeout = puppet.timeout((i64::from(i32::MAX), 0))?;
    puppet.cancel(timeout)
}

fn occurrence_waits(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for own_first in [false, true] {
        let file = Arc::new(Ready::new()?);
        let registration = opened.fd(file.fd(), POLLIN)?;
        let read = file.clone();
        opened.on(registration, move |_| read.unset().map(|_| ()));
        let puppet = Arc::clone(&opened);
        let thread = setting.elsewhere(move || {
            puppet.call(|| {
                let _lock = puppet.ctx_lock();
                file.set()?;
                // Forced: it has begun, and waits for the lock.
                puppet.wait_for(
                    "O8",
                    registration,
                    "an fd that is ready, while another thread is inside the client",
                )?;
                if own_first {
                    puppet.deregister(registration)?;
                    return every_hook(&puppet);
                }
                every_hook(&puppet)?;
                puppet.modify(registration, 0)?;
                puppet.modify(registration, POLLIN)?;
                puppet.deregister(registration)
            })
        })?;
        let what = if own_first { "fd_deregister of an fd whose" } else { "a hook while another fd's" };
        thread.returns("R15", &format!("{what} occurrence waits for the ctx lock of the hook's caller"))??;
        opened.go_round(2)?;
    }
    opened.close()
}

fn occurrence_held(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let other = watch(&opened)?;
    let hold = opened.hold_loop()?;
    let puppet = Arc::clone(&opened);
    let thread = setting.elsewhere(move || {
        every_hook(&puppet)?;
        puppet.deregister(other.1)
    })?;
    thread.returns("O2", "hooks while the loop is inside an occurrence, which may last (O12)")??;
    hold.release()?;
    opened.go_round(2)?;
    opened.close()
}

/// What a thread has registered while the loop was inside an occurrence.
#[derive(Default)]
struct Made {
    /// Each ready; of two, the first has no interest.
    fds: Vec<(Arc<Ready>, Registration)>,
    /// Cancelled.
    due: Vec<Registration>,
    distant: Vec<Registration>,
}

fn consistent(setting: &Setting<'_>) -> anyhow::Result<()> {
    const EACH: usize = 24;
    let opened = setting.open()?;
    let hold = opened.hold_loop()?;
    let mut threads = Vec::new();
    for _ in 0..3 {
        let puppet = Arc::clone(&opened);
        threads.push(setting.elsewhere(move || {
            let Made { mut fds, mut due, mut distant } = Made::default();
            for at in 0..EACH {
                let watched = watch(&puppet)?;
                watched.0.set()?;
                match at % 3 {
                    0 => puppet.deregister(watched.1)?,
                    1 => puppet.modify(watched.1, 0)?,
                    _ => {}
                }
                if at % 3 != 0 {
                    fds.push(watched);
                }
                let timeout = puppet.timeout((i64::from(i32::MAX), 0))?;
                if at % 2 == 0 {
                    puppet.cancel(timeout)?;
                    due.push(timeout);
                } else {
                    distant.push(timeout);
                }
            }
            anyhow::Ok(Made { fds, due, distant })
        })?);
    }
    let mut made = Vec::new();
    for thread in threads {
        made.push(thread.returns("O2", "hooks on several threads while the loop is inside an occurrence")??);
    }
    hold.release()?;
    made.iter().try_for_each(|made| expect_all(&opened, made))?;
    for Made { fds, distant, .. } in made {
        fds.into_iter().try_for_each(|watched| opened.deregister(watched.1))?;
        distant.into_iter().try_for_each(|timeout| opened.cancel(timeout))?;
    }
    opened.go_round(2)?;
    opened.close()
}

fn expect_all(opened: &Opened, Made { fds, due, distant }: &Made) -> anyhow::Result<()> {
    for timeout in due {
        opened.wait_for("O8", *timeout, "a timeout that was cancelled while the loop was inside an occurrence")?;
    }
    opened.go_round(3)?;
    for timeout in distant {
        demand("O8", opened.count(*timeout) == 0, || "a distant timeout occurred".into())?;
    }
    for pair in fds.chunks(2) {
        let [silent, watched] = pair else { continue };
        demand("O8", opened.count(silent.1) == 0, || "an fd with an empty interest occurred".into())?;
        opened.wait_for("O8", watched.1, "an fd that was registered while the loop was inside an occurrence")?;
        opened.modify(silent.1, POLLIN)?;
        opened.wait_for("O8", silent.1, "an fd that is asked for again")?;
    }
    Ok(())
}
