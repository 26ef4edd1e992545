//! Several ctxs, several threads, and children that are not libxl's.

use crate::case::Case;
use crate::cases::device::{no_child_is_left, script};
use crate::cases::life::expect;
use crate::eventually::eventually;
use crate::hosts::{Adapter, GlibHost, Mode};
use crate::stage::{Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use xenlight::{DomainId, EventKind};

pub(crate) static TWO_CTXS: Case = Case {
    name: "two-ctxs-on-one-loop",
    claim: "Two ctxs on one loop each get their events and their children; closing one leaves the other at work",
    clauses: &["S2", "S8", "E3", "X4"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: two_ctxs,
};

pub(crate) static FOUR_THREADS: Case = Case {
    name: "four-threads",
    claim: "Four threads use one ctx while the loop runs: each operation completes once, none is lost",
    clauses: &["R1", "R8", "R9", "R10", "O2", "O8", "E1"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: four_threads,
};

pub(crate) static FOUR_CTXS: Case = Case {
    name: "four-ctxs-destroy",
    claim: "Four threads destroy 200 domains with a ctx each: no ctx takes another's children, none of which hangs",
    clauses: &["S2", "S8", "S9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: four_ctxs,
};

pub(crate) static LOCK_HELD_AT_FORK: Case = Case {
    name: "lock-held-at-fork",
    claim: "A child that is forked while another thread holds a lock below libxl is given up, and the operation completes",
    clauses: &["S5", "S9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: lock_held_at_fork,
};

pub(crate) static OTHER_CHILDREN: Case = Case {
    name: "other-children",
    claim: "Who waits for a child of the application's, on GLib a child watch, gets it, its own SIGCHLD handler stays, and libxl's child is reported all the same",
    clauses: &["S1", "S2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: other_children,
};

fn two_ctxs(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let (one, two) = (stage.open()?, stage.open()?);
    let (first, second) = (one.ctx.watch_death(SEVEN)?, two.ctx.watch_death(SEVEN)?);
    let other = two.ctx.watch_death(FIVE)?;
    // Both with a child at the same time.
    pretend.store.auto_close_backends(true);
    let script = script(stage, "true")?;
    pretend.add_nic(FIVE, 1, &script)?;
    pretend.add_nic(FIVE, 2, &script)?;
    let removals = (one.ctx.remove_nic(FIVE, 1), two.ctx.remove_nic(FIVE, 2));
    block_on(removals.0)?;
    block_on(removals.1)?;

    pretend.destroy(SEVEN)?;
    expect(&one.events, SEVEN, &first, &EventKind::Death)?;
    expect(&two.events, SEVEN, &second, &EventKind::Death)?;
    drop((first, second));
    one.close()?;

    pretend.destroy(FIVE)?;
    expect(&two.events, FIVE, &other, &EventKind::Death)?;
    drop(other);
    two.close()
}

fn four_threads(stage: &Stage) -> anyhow::Result<()> {
    const THREADS: u32 = 4;
    const ROUNDS: usize = 10;
    let pretend = stage.machine.pretend()?;
    pretend.store.auto_close_backends(true);
    let script = script(stage, "true")?;
    let opened = stage.open()?;
    let (ctx, script) = (&opened.ctx, &script);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|devid| {
                scope.spawn(move || -> anyhow::Result<()> {
                    for _ in 0..ROUNDS {
                        let watch = ctx.watch_death(SEVEN)?;
                        pretend.add_nic(FIVE, devid, script)?;
                        block_on(ctx.remove_nic(FIVE, devid))?;
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

fn four_ctxs(stage: &Stage) -> anyhow::Result<()> {
    const THREADS: u32 = 4;
    const ROUNDS: usize = 50;
    let pretend = stage.machine.pretend()?;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                scope.spawn(move || -> anyhow::Result<()> {
                    // One ctx's end meets the others' children, too.
                    let opened = stage.open()?;
                    let domid = DomainId::new(10 + worker);
                    for _ in 0..ROUNDS {
                        pretend.add_domain(domid)?;
                        block_on(opened.ctx.destroy(domid))?;
                    }
                    opened.expect_idle()?;
                    opened.close()
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    no_child_is_left()
}

fn lock_held_at_fork(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let (held, is_held) = channel();
    std::thread::scope(|scope| {
        let holder = scope.spawn(move || {
            with_handles_locked(move || {
                let _ = held.send(());
                let mut first = None;
                eventually("libxl has forked", || {
                    first = children().first().copied();
                    first.is_some()
                })?;
                let first = first.context("a child")?;
                let gone = eventually("the child that cannot go on is gone", || !children().contains(&first));
                if gone.is_err() {
                    // So that the operation ends, and with it the case.
                    // SAFETY: no pointers; it is a child of this process.
                    unsafe { libc::kill(first, libc::SIGKILL) };
                }
                gone
            })
        });
        receive("the lock is held", &is_held)?;
        let destroyed = block_on(opened.ctx.destroy(FIVE));
        holder.join().expect("the holder does not panic")?;
        destroyed?;
        anyhow::Ok(())
    })?;
    ensure!(opened.ctx.info(FIVE).is_err_and(|error| error.is_no_such_domain()), "the domain is still there");
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

/// The children of this process.
pub(crate) fn children() -> Vec<libc::pid_t> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// What libxentoolcore keeps in its list of the handles of Xen's libraries: a callback, and the list's links.
#[repr(C)]
struct ActiveHandle {
    restrict: unsafe extern "C" fn(*mut ActiveHandle, u16) -> c_int,
    links: [*mut c_void; 2],
    act: Option<Box<dyn FnOnce() -> anyhow::Result<()>>>,
    outcome: anyhow::Result<()>,
}

/// Acts with libxentoolcore's list of handles locked, as it is while another thread opens or closes one. No handle
/// may be opened meanwhile.
fn with_handles_locked(act: impl FnOnce() -> anyhow::Result<()> + 'static) -> anyhow::Result<()> {
    unsafe extern "C" fn restrict(handle: *mut ActiveHandle, _: u16) -> c_int {
        // SAFETY: the handle below, which nobody else uses during the call.
        let handle = unsafe { &mut *handle };
        if let Some(act) = handle.act.take() {
            handle.outcome = act();
        }
        // Stops it: the handles that follow are libxl's, and are not to be restricted.
        -1
    }
    // SAFETY: libxl has loaded it already; it has no initialiser.
    let library = unsafe { libloading::Library::new("libxentoolcore.so.1") }?;
    let mut handle =
        ActiveHandle { restrict, links: [std::ptr::null_mut(); 2], act: Some(Box::new(act)), outcome: Ok(()) };
    // SAFETY: the functions have these types; the handle stays where it is until it is off the list. It is the newest of
    // the list, so its callback is called first, and is the only one.
    unsafe {
        let register = library.get::<unsafe extern "C" fn(*mut ActiveHandle)>("xentoolcore__register_active_handle")?;
        let restrict_all = library.get::<unsafe extern "C" fn(u16) -> c_int>("xentoolcore_restrict_all")?;
        let deregister =
            library.get::<unsafe extern "C" fn(*mut ActiveHandle)>("xentoolcore__deregister_active_handle")?;
        register(&mut handle);
        restrict_all(0);
        deregister(&mut handle);
    }
    ensure!(handle.act.is_none(), "libxentoolcore did not call back");
    handle.outcome
}

static SIGCHLDS: AtomicUsize = AtomicUsize::new(0);

/// The handler that was there before the application's, GLib's perhaps, as a number.
static EARLIER_HANDLER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);

extern "C" fn on_sigchld(signal: libc::c_int) {
    SIGCHLDS.fetch_add(1, Ordering::SeqCst);
    let earlier = EARLIER_HANDLER.load(Ordering::SeqCst);
    if ![libc::SIG_DFL, libc::SIG_IGN].contains(&earlier) {
        // SAFETY: it was installed as a handler that takes the signal's number alone.
        let earlier = unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(earlier) };
        earlier(signal);
    }
}

fn other_children(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    // A child that ends while libxl has one.
    let (reader, writer) = std::io::pipe()?;
    let child = Command::new("sh").args(["-c", "read line; exit 7"]).stdin(reader).spawn()?;
    let exited = wait_for(stage, child)?;
    // SAFETY: all zero is a valid value of this plain struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // GLib before 2.74 has a handler of its own by now; the application's calls it, so it is known before that is installed.
    // SAFETY: nothing is changed; `action` is written during the call.
    unsafe { libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action) };
    ensure!(action.sa_flags & libc::SA_SIGINFO == 0, "this GLib's handler takes more than the signal");
    EARLIER_HANDLER.store(action.sa_sigaction, Ordering::SeqCst);
    let handler = on_sigchld as extern "C" fn(libc::c_int) as usize;
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler is async-signal-safe, as the one that it calls is.
    unsafe { libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut()) };

    let pretend = stage.machine.pretend()?;
    pretend.store.auto_close_backends(true);
    pretend.add_nic(FIVE, 1, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 1);
    drop(writer);
    block_on(removal)?;
    let status = ExitStatus::from_raw(receive("the application's child is reported", &exited)?);
    ensure!(status.code() == Some(7), "the application's child ended with {status}");
    eventually("the application's handler sees both children", || SIGCHLDS.load(Ordering::SeqCst) >= 1)?;
    // SAFETY: as above; nothing is changed.
    unsafe { libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action) };
    // A GLib that has a handler puts back the default with the last child that it waits for, whoever's handler is there.
    let by_glib = EARLIER_HANDLER.load(Ordering::SeqCst) != libc::SIG_DFL && action.sa_sigaction == libc::SIG_DFL;
    ensure!(action.sa_sigaction == handler || by_glib, "the application's SIGCHLD handler was replaced (S1)");
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

/// Has the application wait for a child in the way of its loop: its wait status.
fn wait_for(stage: &Stage, mut child: Child) -> anyhow::Result<Receiver<c_int>> {
    let (sender, exited) = channel();
    let host: &dyn Any = &*stage.host;
    if let Some(host) = host.downcast_ref::<GlibHost>() {
        let pid = child.id().try_into().context("a pid")?;
        // What Command leaves to be waited for, GLib waits for.
        drop(child);
        let watch = glib::child_watch_source_new(glib::Pid(pid), None, glib::Priority::DEFAULT, move |_, status| {
            let _ = sender.send(status);
        });
        watch.attach(Some(&host.context()?));
    } else {
        std::thread::spawn(move || {
            let status = child.wait().expect("nobody else waits for it");
            let _ = sender.send(status.into_raw());
        });
    }
    Ok(exited)
}
