//! Domains come to their end.

use crate::case::Case;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Events, Opened, Stage};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{bail, ensure};
use futures_lite::future::block_on;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use xenlight::{DomainId, Error, EventKind, ShutdownReason, Watch};

pub(crate) static DEATH: Case = Case {
    name: "domain-death",
    claim: "A domain that another process shuts down and removes is reported as shut down, then as dead, once each, for the right watch",
    clauses: &["R1", "R2", "R6", "R9", "R16", "O10", "E1", "E2", "E3", "E10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: death,
};

fn death(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let five = opened.ctx.watch_death(FIVE)?;
    let seven = opened.ctx.watch_death(SEVEN)?;
    ensure!(five.id() != seven.id());

    pretend.shut_down(FIVE, 0)?;
    expect(&opened.events, FIVE, &five, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    ensure!(pretend.hypercalls() > 0, "libxl made no hypercall: it is not the stand-in that it talks to");
    pretend.destroy(FIVE)?;
    expect(&opened.events, FIVE, &five, &EventKind::Death)?;
    // Without having shut down before.
    pretend.destroy(SEVEN)?;
    expect(&opened.events, SEVEN, &seven, &EventKind::Death)?;

    // The xenstore fd goes with the last watch.
    drop((five, seven));
    opened.expect_idle()?;
    let Opened { ctx, events, recorder, attached: _attached, .. } = opened;
    ctx.close_blocking()?;
    drop(ctx);
    events.expect_end()?;
    recorder.expect_nothing()
}

pub(crate) static DEATH_BEFORE: Case = Case {
    name: "death-before-watch",
    claim: "A domain that has shut down or is gone before it is watched is reported, once, whatever else the ctx watches",
    clauses: &["E11"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: death_before,
};

fn death_before(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let seven = opened.ctx.watch_death(SEVEN)?;
    pretend.shut_down(FIVE, 1)?;
    pretend.destroy(SEVEN)?;
    // Libxl has looked, and will not again before another domain goes.
    expect(&opened.events, SEVEN, &seven, &EventKind::Death)?;
    let five = opened.ctx.watch_death(FIVE)?;
    expect(&opened.events, FIVE, &five, &EventKind::Shutdown(ShutdownReason::Reboot))?;
    let gone = opened.ctx.watch_death(SEVEN)?;
    expect(&opened.events, SEVEN, &gone, &EventKind::Death)?;
    let beyond = DomainId::new(65_541);
    let never = opened.ctx.watch_death(beyond)?;
    expect(&opened.events, beyond, &never, &EventKind::Death)?;
    // Now it does, and finds again what has been reported.
    pretend.destroy(FIVE)?;
    expect(&opened.events, FIVE, &five, &EventKind::Death)?;
    drop((seven, five, gone, never));
    opened.expect_idle()?;

    // The first watch of all.
    let first = opened.ctx.watch_death(SEVEN)?;
    expect(&opened.events, SEVEN, &first, &EventKind::Death)?;
    let Opened { ctx, events, recorder, attached: _attached, .. } = opened;
    ctx.close_blocking()?;
    drop((first, ctx));
    events.expect_end()?;
    recorder.expect_nothing()
}

pub(crate) static EJECT: Case = Case {
    name: "disk-eject",
    claim: "A disk that the domain ejects is reported for the right watch, with its name; after the watch is dropped nothing is",
    clauses: &["E1", "E2", "E3", "E7", "E10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: eject,
};

fn eject(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let frontend = "/local/domain/5/device/vbd/51712";
    let backend = "/local/domain/0/backend/vbd/5/51712";
    for (path, value) in [
        (format!("{frontend}/dev"), "xvda"),
        (format!("{frontend}/eject"), ""),
        (format!("{frontend}/backend"), backend),
        ("/libxl/5/device/vbd/51712/dev".into(), "xvda"),
        ("/libxl/5/device/vbd/51712/backend".into(), backend),
    ] {
        pretend.store.write(&path, value.as_bytes())?;
    }
    let watch = opened.ctx.watch_eject(FIVE, "xvda")?;
    pretend.store.write(&format!("{frontend}/eject"), b"eject")?;
    let event = opened.events.next()?;
    ensure!(event.domid == FIVE && event.watch == Some(watch.id()), "{event:?} came for {watch:?}");
    ensure!(matches!(&event.kind, EventKind::Eject { vdev, .. } if vdev == "xvda"), "{event:?}");
    drop(watch);
    opened.expect_idle()?;
    opened.close()
}

pub(crate) static XENSTORED_LOST: Case = Case {
    name: "xenstored-lost",
    claim: "When xenstored goes, also for an idle ctx, an event tells, what needs it is refused with the reason, and the ctx can be closed",
    clauses: &["E15"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: xenstored_lost,
};

fn xenstored_lost(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    for watching in [true, false] {
        let opened = stage.open()?;
        let watch = watching.then(|| opened.ctx.watch_death(FIVE)).transpose()?;
        if let Some(watch) = &watch {
            pretend.shut_down(FIVE, 0)?;
            expect(&opened.events, FIVE, watch, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
        }
        pretend.store.disconnect();
        // Whether or not the loop has come to tell.
        let name = opened.ctx.name(FIVE);
        ensure!(matches!(name, Err(Error::XenstoredLost)), "{name:?}");
        let found = opened.ctx.find("pretend-5");
        ensure!(matches!(found, Err(Error::XenstoredLost)), "{found:?}");
        let late = opened.ctx.watch_death(SEVEN);
        ensure!(matches!(late, Err(Error::XenstoredLost)), "{late:?}");
        let operation = block_on(opened.ctx.destroy(SEVEN));
        ensure!(matches!(operation, Err(Error::XenstoredLost)), "{operation:?}");
        ensure!(opened.ctx.domains()?.len() == 3, "the hypervisor was not asked");
        loop {
            let event = opened.events.next()?;
            let EventKind::Disaster { message, errno } = &event.kind else { bail!("{event:?}") };
            ensure!(event.watch.is_none() && *errno != 0, "{event:?}");
            if message.contains("the connection to xenstored is lost") {
                break;
            }
            // Libxl's own: it may be reading a watch at that moment.
        }
        drop(watch);
        opened.close()?;
    }
    Ok(())
}

pub(crate) static INTERRUPTED: Case = Case {
    name: "interrupted",
    claim: "While signals interrupt the system calls of all threads, ctxs open and close, domains have their names, and a death is reported",
    clauses: &["R1", "R9", "E1", "E3", "E15"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: interrupted,
};

fn interrupted(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let storm = Storm::begin()?;
    for _ in 0..5 {
        let opened = stage.open()?;
        let five = opened.ctx.watch_death(FIVE)?;
        for _ in 0..200 {
            let name = opened.ctx.name(FIVE)?;
            ensure!(name.as_deref() == Some("pretend-5"), "{name:?}");
        }
        drop(five);
        opened.close()?;
    }
    let opened = stage.open()?;
    let five = opened.ctx.watch_death(FIVE)?;
    pretend.destroy(FIVE)?;
    expect(&opened.events, FIVE, &five, &EventKind::Death)?;
    drop(five);
    opened.close()?;
    drop(storm);
    Ok(())
}

/// Sends signals to all threads of the process, again and again, until it is dropped.
struct Storm {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Storm {
    fn begin() -> anyhow::Result<Self> {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: all zero is a valid value of this plain struct.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        // As most programs have it. poll(2) and its like are interrupted all the same.
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the handler does nothing.
        let set = unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
        ensure!(set == 0, "sigaction: {}", std::io::Error::last_os_error());
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        // Relaxed: nothing else is told by it.
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                for thread in std::fs::read_dir("/proc/self/task").expect("a process has threads").flatten() {
                    let thread: i32 = thread.file_name().to_string_lossy().parse().expect("a thread has a number");
                    // SAFETY: no pointers. A thread that has ended meanwhile gets none.
                    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
                }
            }
        });
        Ok(Self { is_over, thread: Some(thread) })
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the storm does not panic");
        }
    }
}

/// The next event is this one.
pub(crate) fn expect(events: &Events, domid: DomainId, watch: &Watch, kind: &EventKind) -> anyhow::Result<()> {
    let event = events.next()?;
    ensure!(
        event.domid == domid && event.watch == Some(watch.id()) && event.kind == *kind,
        "{event:?} came instead of {kind:?} of domain {domid} for {watch:?}"
    );
    Ok(())
}
