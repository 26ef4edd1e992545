//! Opening, often and where it fails.

use crate::case::Case;
use crate::cases::device::remove;
use crate::cases::life::expect;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{Context, bail, ensure};
use futures_lite::future::block_on;
use std::fs::File;
use std::sync::Arc;
use xenlight::{DomainId, EventKind};

pub(crate) static OFTEN: Case = Case {
    name: "open-often",
    claim: "A hundred ctxs that are opened and closed, in every way, on one attachment leave no fd, no thread and no registration",
    clauses: &["X1", "X2", "S5"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: often,
};

pub(crate) static WITHOUT_FDS: Case = Case {
    name: "open-without-fds",
    claim: "Opening fails cleanly and says why, at whichever fd the table is full",
    clauses: &["X1", "R3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: without_fds,
};

pub(crate) static WATCH_WITHOUT_FDS: Case = Case {
    name: "watch-without-fds",
    claim: "A first watch when the fd table is full works, where libxl by itself would end the process",
    clauses: &["R3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: watch_without_fds,
};

pub(crate) static SILENT: Case = Case {
    name: "open-reports-nothing",
    claim: "Opening reports nothing of any domain, although it has libxl watch one for a moment: not even where that one has shut down",
    clauses: &["E10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: silent,
};

fn often(stage: &Stage) -> anyhow::Result<()> {
    let attached = stage.host.attach()?;
    let open = || anyhow::Ok(stage.builder().open(attached.event_loop.clone())?);
    warm_up(stage)?;
    let before = (open_fds(), threads()?);
    for round in 0..100 {
        let ctx = open()?;
        if round % 2 == 0 {
            ctx.watch_death(FIVE)?.keep();
        }
        match round % 4 {
            0 | 1 => block_on(ctx.close()),
            2 => drop(ctx),
            _ => ctx.close_blocking()?,
        }
    }
    let mut now = before;
    eventually("fds and threads are as many as before", || {
        now = (open_fds(), threads().unwrap_or(usize::MAX));
        // xenstored lets go of its ends a little later, also of the first one's.
        now.0 <= before.0 && now.1 <= before.1
    })
    .with_context(|| format!("{now:?} fds and threads instead of {before:?}"))
}

fn without_fds(stage: &Stage) -> anyhow::Result<()> {
    /// Far more than a ctx takes.
    const ENOUGH: usize = 32;
    /// The pretend xenstored, in this process, has some in reserve, takes and gives back its ends a little later. Fewer than there are
    /// openings that fail for lack of fds, so one that leaves an fd open each time is found.
    const RESERVE: usize = 8;
    let attached = stage.host.attach()?;
    let open = || anyhow::Ok(stage.builder().open(attached.event_loop.clone())?);
    warm_up(stage)?;
    // Xenstored answers this one after it has let go of the one before: from here on nothing else becomes free.
    let witness = stage.open()?;
    let watch = witness.ctx.watch_death(SEVEN)?;
    let mut full = fill()?;
    let (start, mut failures) = (open_fds(), 0);
    for free in 0..ENOUGH {
        match open() {
            Ok(ctx) => {
                ctx.close_blocking()?;
                ensure!(failures > RESERVE, "only {failures} steps of opening need an fd");
                drop(watch);
                return witness.close();
            }
            Err(error) => {
                failures += 1;
                let text = error.to_string().to_lowercase();
                // Ours, and strerror(3)'s.
                let says_why = text.contains("too many files open") || text.contains("too many open files");
                ensure!(says_why, "with {free} fds left: {text:?} does not say why");
            }
        }
        let most = start - free + RESERVE;
        eventually("all fds are closed", || open_fds() <= most)
            .with_context(|| format!("with {free} fds left: {} are open, not at most {most}", open_fds()))?;
        full.pop().context("as many as were filled")?;
    }
    bail!("a ctx cannot be opened with {ENOUGH} fds left")
}

fn watch_without_fds(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let full = fill()?;
    let watch = opened.ctx.watch_death(FIVE)?;
    // The pretence of it needs fds.
    drop(full);
    stage.machine.pretend()?.destroy(FIVE)?;
    expect(&opened.events, FIVE, &watch, &EventKind::Death)?;
    drop(watch);
    opened.close()
}

fn silent(stage: &Stage) -> anyhow::Result<()> {
    stage.machine.pretend()?.shut_down(DomainId::DOM0, 0)?;
    for _ in 0..100 {
        let opened = stage.open()?;
        let seven = opened.ctx.watch_death(SEVEN)?;
        stage.machine.pretend()?.shut_down(SEVEN, 0)?;
        let event = opened.events.next()?;
        ensure!(event.watch == Some(seven.id()), "nobody asked for {event:?}");
        opened.close()?;
        stage.machine.pretend()?.add_domain(SEVEN)?;
    }
    Ok(())
}

/// Leaves this process without a free fd.
pub(crate) fn fill() -> anyhow::Result<Vec<File>> {
    limit_fds(256)?;
    let mut full = Vec::new();
    let null = File::open("/dev/null")?;
    while let Ok(file) = null.try_clone() {
        full.push(file);
    }
    Ok(full)
}

/// Whatever is loaded or made once, also by the loop's thread when it first runs.
fn warm_up(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let attachment = Arc::downgrade(&opened.attached.event_loop);
    remove(stage, &opened)?;
    opened.close()?;
    // The loop's thread closes its fds.
    eventually("the loop lets go of the attachment", || attachment.strong_count() == 0)
}

fn limit_fds(soft: u64) -> anyhow::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: written during the call.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_cur = soft;
    // SAFETY: read during the call.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    ensure!(set == 0, "setrlimit: {}", std::io::Error::last_os_error());
    Ok(())
}

/// Without needing one itself.
fn open_fds() -> usize {
    // SAFETY: takes no pointers.
    (0..1024).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).count()
}

fn threads() -> anyhow::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}
