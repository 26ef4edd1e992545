//! Several ctxs, several threads, and children that are not libxl's.

use crate::case::Case;
use crate::cases::device::{no_child_is_left, script};
use crate::cases::life::expect;
use crate::guests::Kind;
use crate::hosts::{Adapter, GlibHost};
use crate::stage::{Stage, eventually, receive};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use std::any::Any;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use xenlight::EventKind;

pub(crate) static TWO_CTXS: Case = Case {
    name: "two-ctxs-on-one-loop",
    claim: "Two ctxs on one loop each get their events and their children; closing one leaves the other at work",
    clauses: &["S2", "S8", "E3", "X4"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    run: two_ctxs,
};

pub(crate) static FOUR_THREADS: Case = Case {
    name: "four-threads",
    claim: "Four threads use one ctx while the loop runs: each operation completes once, none is lost",
    clauses: &["R1", "R8", "R9", "R10", "O2", "O8", "E1"],
    guests: &[Kind::Libxl],
    adapters: Adapter::ALL,
    run: four_threads,
};

pub(crate) static OTHER_CHILDREN: Case = Case {
    name: "other-children",
    claim: "A GLib child watch and the application's own SIGCHLD handler get their children, and libxl's are reported all the same",
    clauses: &["S1", "S2"],
    guests: &[Kind::Libxl],
    adapters: &[Adapter::Glib],
    run: other_children,
};

fn two_ctxs(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.guest.pretend()?;
    let (one, two) = (stage.open()?, stage.open()?);
    let (first, second) = (one.ctx.watch_death(7)?, two.ctx.watch_death(7)?);
    let other = two.ctx.watch_death(5)?;
    // Both with a child at the same time.
    pretend.store.auto_close_backends(true);
    let script = script(stage, "true")?;
    pretend.add_nic(5, 1, &script)?;
    pretend.add_nic(5, 2, &script)?;
    let removals = (one.ctx.remove_nic(5, 1)?, two.ctx.remove_nic(5, 2)?);
    block_on(removals.0)?;
    block_on(removals.1)?;

    pretend.destroy(7)?;
    expect(&one.events, 7, &first, &EventKind::Death)?;
    expect(&two.events, 7, &second, &EventKind::Death)?;
    drop((first, second));
    one.close()?;

    pretend.destroy(5)?;
    expect(&two.events, 5, &other, &EventKind::Death)?;
    drop(other);
    two.close()
}

fn four_threads(stage: &Stage) -> anyhow::Result<()> {
    const THREADS: u32 = 4;
    const ROUNDS: usize = 10;
    let pretend = stage.guest.pretend()?;
    pretend.store.auto_close_backends(true);
    let script = script(stage, "true")?;
    let opened = stage.open()?;
    let (ctx, script) = (&opened.ctx, &script);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|devid| {
                scope.spawn(move || -> anyhow::Result<()> {
                    for _ in 0..ROUNDS {
                        let watch = ctx.watch_death(7)?;
                        pretend.add_nic(5, devid, script)?;
                        block_on(ctx.remove_nic(5, devid)?)?;
                        drop(watch);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

static SIGCHLDS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_sigchld(_: libc::c_int) {
    SIGCHLDS.fetch_add(1, Ordering::SeqCst);
}

fn other_children(stage: &Stage) -> anyhow::Result<()> {
    let host: &dyn Any = &*stage.host;
    let host = host.downcast_ref::<GlibHost>().context("this case is for GLib")?;
    let opened = stage.open()?;
    // A child that GLib waits for, and that ends while libxl has one.
    let (reader, writer) = std::io::pipe()?;
    let child = Command::new("sh").args(["-c", "read line; exit 7"]).stdin(reader).spawn()?;
    let pid = child.id().try_into().context("a pid")?;
    let (sender, exited) = channel();
    // What Command leaves to be waited for, GLib waits for.
    drop(child);
    let watch = glib::child_watch_source_new(glib::Pid(pid), None, glib::Priority::DEFAULT, move |_, status| {
        let _ = sender.send(status);
    });
    watch.attach(Some(&host.context()?));
    // After GLib has installed its own handler, if it does: an application that does so knows.
    let handler = on_sigchld as extern "C" fn(libc::c_int) as usize;
    // SAFETY: all zero is a valid value of this plain struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: all zero is a valid value of this plain struct.
    let mut glibs: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the handler is async-signal-safe; `glibs` is written during the call.
    unsafe { libc::sigaction(libc::SIGCHLD, &action, &mut glibs) };
    // An older GLib needs its own handler: then the application's calls it, which is not libxl's business.
    ensure!(glibs.sa_sigaction == libc::SIG_DFL, "this GLib handles SIGCHLD itself");

    let pretend = stage.guest.pretend()?;
    pretend.store.auto_close_backends(true);
    pretend.add_nic(5, 1, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(5, 1)?;
    drop(writer);
    block_on(removal)?;
    let status = ExitStatus::from_raw(receive("GLib reports its child", &exited)?);
    ensure!(status.code() == Some(7), "GLib's child ended with {status}");
    eventually("the application's handler sees both children", || SIGCHLDS.load(Ordering::SeqCst) >= 1)?;
    // SAFETY: as above; nothing is changed.
    unsafe { libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action) };
    ensure!(action.sa_sigaction == handler, "the application's SIGCHLD handler was replaced (S1)");
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}
