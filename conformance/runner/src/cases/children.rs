//! The hotplug script's end is reported, whoever owns SIGCHLD ([S1]).

use crate::case::Case;
use crate::cases::device::{asked_to_close, no_child_is_left, remove, script};
#[cfg(doc)]
use crate::contract::*;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::ensure;
use futures_lite::future::block_on;
use osevent_conformance::log_lines::observe_log;
use osevent_conformance::patience::patience;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use xenlight::{Children, Ctx, Error};

pub(crate) static SELECTIVE_REAP: Case = Case {
    name: "children-selective-reap",
    claim: "Removing a device works where libxl owns SIGCHLD and reaps its own children",
    clauses: &["S1", "R1", "X1", "X2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: |stage| remove_with(stage, Children::SelectiveReap),
};

pub(crate) static LIBXL: Case = Case {
    name: "children-libxl",
    claim: "Removing a device works where libxl owns SIGCHLD while it has children; the pipe is deregistered from inside its own occurrence",
    clauses: &["S1", "R16"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: |stage| remove_with(stage, Children::Libxl),
};

pub(crate) static LIBXL_ALWAYS: Case = Case {
    name: "children-libxl-always",
    claim: "Removing a device works where libxl owns SIGCHLD always; the pipe stays registered until the ctx is freed",
    clauses: &["S1", "X2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: |stage| remove_with(stage, Children::LibxlAlways),
};

pub(crate) static HOST: Case = Case {
    name: "children-host",
    claim: "Removing a device works where the application handles SIGCHLD and reports the children",
    clauses: &["S1", "S2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: reported_by_host,
};

pub(crate) static WITHOUT_PIDFD: Case = Case {
    name: "children-without-pidfd",
    claim: "A child whose pidfd the loop refuses is looked at until it has ended, and reported all the same",
    clauses: &["S2", "S6", "R3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: without_pidfd,
};

pub(crate) static HANDLED: Case = Case {
    name: "children-handled-already",
    claim: "Where the process has a SIGCHLD handler, libxl's own ways are refused at the opening, and the process lives; a second ctx of libxl's way is not",
    clauses: &["S1", "S8"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: handled_already,
};

fn handled_already(stage: &Stage) -> anyhow::Result<()> {
    let open = |children| -> anyhow::Result<_> {
        let attached = stage.host.attach()?;
        let ctx = stage.builder().children(children).open(attached.event_loop.clone());
        Ok((ctx, attached))
    };
    let (one, two) = (open(Children::SelectiveReap)?, open(Children::SelectiveReap)?);
    two.0?.close_blocking()?;
    one.0?.close_blocking()?;

    let _reaper = Reaper::install()?;
    for children in [Children::SelectiveReap, Children::Libxl, Children::LibxlAlways] {
        let (opened, _attached) = open(children)?;
        ensure!(matches!(opened, Err(Error::SigchldTaken(_))), "{children:?}: {opened:?}");
    }
    remove_with(stage, Children::ByPidfd)
}

pub(crate) static IGNORED: Case = Case {
    name: "children-ignored",
    claim: "Where the process ignores SIGCHLD, or asks that no child becomes a zombie, opening says so: no status would reach libxl",
    clauses: &["S1", "S2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: ignored,
};

pub(crate) static REAPED_BY_OTHERS: Case = Case {
    name: "children-reaped-by-others",
    claim: "A child that somebody else reaps counts as failed for libxl, which says so, since its status is lost; nothing hangs",
    clauses: &["S1", "S2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Loop],
    run: reaped_by_others,
};

fn reaped_by_others(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let ((entered, is_inside), (go_on, may_go_on)) = (channel(), channel::<()>());
    let may_go_on = Mutex::new(may_go_on);
    let opened = stage.open_observed(Children::ByPidfd, move |_| {
        // The case waits on the other side, or is over.
        let _ = entered.send(());
        let _ = may_go_on.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience());
    })?;
    let (says, said) = channel();
    observe_log(move |record| {
        if record.target() == "libxl" {
            // Nobody listens once the case is over.
            let _ = says.send(record.args().to_string());
        }
    });
    let fifo = fifo(stage)?;
    let mut release = File::options().read(true).write(true).open(&fifo)?;
    let marker = stage.folder.join("script-runs");
    let commands = format!(": >{}; read -r word <{}", marker.display(), fifo.display());
    pretend.add_nic(FIVE, 0, &script(stage, &commands)?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    eventually("the hotplug script runs", || marker.exists())?;
    let watch = opened.ctx.watch_death(SEVEN)?;
    pretend.destroy(SEVEN)?;
    receive("the loop is in the callback", &is_inside)?;
    writeln!(release, "go")?;
    // SAFETY: no pointer is given. The script is the only child, and the loop, which would ask for it, stands in the callback.
    let reaped = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
    ensure!(reaped > 0, "waitpid: {}", std::io::Error::last_os_error());
    go_on.send(())?;
    // Libxl removes the device all the same.
    block_on(removal)?;
    let libxl_said = said.try_iter().any(|line| line.contains("exited with error status 255"));
    ensure!(libxl_said, "a script whose status is lost counts as one that did well");
    drop(watch);
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn ignored(stage: &Stage) -> anyhow::Result<()> {
    let set = |handler: usize, flags: i32| {
        // SAFETY: all zero is a valid value of this plain struct.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        (action.sa_sigaction, action.sa_flags) = (handler, flags);
        // SAFETY: no handler is installed; the process is the case's own.
        ensure!(unsafe { libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut()) } == 0, "sigaction");
        anyhow::Ok(())
    };
    for (handler, flags) in [(libc::SIG_IGN, 0), (libc::SIG_DFL, libc::SA_NOCLDWAIT)] {
        set(handler, flags)?;
        for children in [Children::ByPidfd, Children::Host] {
            let attached = stage.host.attach()?;
            let opened = stage.builder().children(children).open(attached.event_loop.clone());
            ensure!(matches!(opened, Err(Error::SigchldIgnored)), "{children:?}: {opened:?}");
        }
    }
    set(libc::SIG_DFL, 0)?;
    remove_with(stage, Children::ByPidfd)
}

fn remove_with(stage: &Stage, children: Children) -> anyhow::Result<()> {
    let opened = stage.open_with(children)?;
    remove(stage, &opened)?;
    opened.close()
}

fn reported_by_host(stage: &Stage) -> anyhow::Result<()> {
    let reaper = Reaper::install()?;
    let opened = stage.open_with(Children::Host)?;
    let result = std::thread::scope(|scope| {
        scope.spawn(|| reaper.report_to(&opened.ctx));
        let result = remove(stage, &opened);
        reaper.end();
        result
    });
    result?;
    opened.close()
}

fn without_pidfd(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let fifo = fifo(stage)?;
    // For both directions, so that neither end waits for the other to be opened.
    let mut release = File::options().read(true).write(true).open(&fifo)?;
    pretend.add_nic(FIVE, 0, &script(stage, &format!("read -r word <{}", fifo.display()))?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    eventually("whichever thread began the removal has left libxl", || opened.ctx.census().in_flight == 0)?;
    let before = opened.recorder.record();
    // From here on only the script's pidfd is registered anew.
    opened.recorder.refuse_fds(Some(libc::ENOSPC));
    pretend.close_backend(FIVE, 0)?;
    // The limit for the script, and three looks at it, of which two found it alive.
    eventually("a timer looks after the child, again and again", || {
        opened.recorder.record().timers_added > before.timers_added + 3
    })?;
    writeln!(release, "go")?;
    block_on(removal)?;
    let after = opened.recorder.record();
    ensure!(after.fds_added == before.fds_added, "an fd was registered in spite of the refusal: {after:?}");
    opened.recorder.refuse_fds(None);
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

/// An application's own SIGCHLD handling: the handler writes to an eventfd, and a thread reads that and reaps.
struct Reaper(std::io::PipeReader);

static WRITING_END: AtomicI32 = AtomicI32::new(-1);

impl Reaper {
    fn install() -> anyhow::Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        // Open as long as the process lives: the handler may come at any time.
        WRITING_END.store(std::os::fd::IntoRawFd::into_raw_fd(writer), Ordering::SeqCst);
        // SAFETY: all zero is a valid value of this plain struct.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_sigchld as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the handler is async-signal-safe.
        let set = unsafe { libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut()) };
        ensure!(set == 0, "sigaction: {}", std::io::Error::last_os_error());
        Ok(Self(reader))
    }

    fn end(&self) {
        write(b'E');
    }

    fn report_to(&self, ctx: &Ctx) {
        let mut byte = [0];
        while std::io::Read::read(&mut &self.0, &mut byte).is_ok_and(|read| read == 1) && byte[0] == b'C' {
            loop {
                let mut status = 0;
                // SAFETY: `status` is written during the call.
                let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
                if pid <= 0 {
                    break;
                }
                let ours = ctx.child_exited(pid, status).expect("the ctx is open");
                assert!(ours, "libxl does not know its child {pid}");
            }
        }
        debug_assert!(self.0.as_raw_fd() >= 0);
    }
}

extern "C" fn on_sigchld(_: libc::c_int) {
    write(b'C');
}

fn write(byte: u8) {
    // SAFETY: one readable byte; the fd is the pipe's.
    unsafe { libc::write(WRITING_END.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
}

fn fifo(stage: &Stage) -> anyhow::Result<PathBuf> {
    let path = stage.folder.join("fifo");
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a C string that lives during the call.
    ensure!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) } == 0, "mkfifo: {}", std::io::Error::last_os_error());
    Ok(path)
}
