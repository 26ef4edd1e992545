//! An application's code that runs inside libxl's hooks, and what it must not do there.

use crate::case::Case;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Hooks, Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{DOMAINS, FIVE, SEVEN};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance::log_lines::observe_log;
use osevent_conformance::record::What;
use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use xenlight::{Ctx, DomainConfig, DomainId, Error, EventKind, Trace};

pub(crate) static CALLS: Case = Case {
    name: "calls-from-hooks",
    claim: "Whatever a tracer tries inside a hook is refused, or done later; no occurrence is made there, none is lost, and libxl goes on well",
    clauses: &["O1", "R15"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: calls,
};

pub(crate) static CALLS_FROM_LOGGER: Case = Case {
    name: "calls-from-logger",
    claim: "What a logger asks of libxl while it is told libxl's words is refused",
    clauses: &["R15"],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: calls_from_logger,
};

pub(crate) static DROPS: Case = Case {
    name: "drops-in-hooks",
    claim: "Watches and other ctxs can be dropped inside a hook; what libxl has to do for that is done after it",
    clauses: &["O1", "R15", "X4"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: drops,
};

pub(crate) static DELIVERED_LATER: Case = Case {
    name: "event-waiting-in-hook",
    claim: "A hook that runs the loop while an event waits to be delivered is not called back there; the event comes afterwards",
    clauses: &["O1", "R15", "E2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Loop],
    run: delivered_later,
};

thread_local! {
    /// What it does may be traced, too.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Calls it, unless this thread is in such a call.
fn once(work: impl FnOnce()) {
    if !BUSY.replace(true) {
        work();
        BUSY.set(false);
    }
}

fn is_hook(step: Trace) -> bool {
    use Trace::{FdDeregister, FdModify, FdRegister, TimeoutDeregister, TimeoutModify, TimeoutRegister};
    matches!(
        step,
        FdRegister { .. }
            | FdModify { .. }
            | FdDeregister { .. }
            | TimeoutRegister { .. }
            | TimeoutModify { .. }
            | TimeoutDeregister { .. }
    )
}

/// Each call that would get into libxl on this thread; the first that did not say so.
fn refused(ctx: &Ctx, with_thread: bool) -> Result<(), String> {
    let config =
        DomainConfig::from_json(r#"{"c_info":{"type":"pv","name":"x"},"b_info":{"max_memkb":4096,"type.pv":{}}}"#);
    let domid = DomainId::new(9);
    let mut answers = vec![
        ("domains", ctx.domains().map(drop)),
        ("info", ctx.info(domid).map(drop)),
        ("name", ctx.name(domid).map(drop)),
        ("watch_eject", ctx.watch_eject(domid, "hdc").map(drop)),
        ("create", config.map_err(Error::from).and_then(|config| block_on(ctx.create(&config))).map(drop)),
        ("close_blocking", ctx.close_blocking()),
        ("open", Ctx::open(ctx.library(), osevent_epoll::Reactor::new().expect("fds are left")).map(drop)),
        ("child_exited", ctx.child_exited(1, 0).map(drop)),
    ];
    // Otherwise that thread begins them, later.
    if !with_thread {
        answers.push(("watch_death", ctx.watch_death(domid).map(drop)));
        answers.push(("destroy", block_on(ctx.destroy(domid))));
        answers.push(("pause", block_on(ctx.pause(domid))));
    }
    match answers.into_iter().find(|(_, answer)| !matches!(answer, Err(Error::InsideHook))) {
        Some((what, answer)) => Err(format!("{what}: {answer:?}")),
        None => Ok(()),
    }
}

fn calls(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let attached = stage.host.attach()?;
    let event_loop = attached.event_loop.clone();
    // Readable at any time, so that the turn does not wait.
    let interrupt = File::open("/dev/zero")?;
    let shared: Arc<Mutex<Weak<Ctx>>> = Arc::default();
    let (in_hook, (told, answers)) = (shared.clone(), channel());
    let with_thread = stage.mode == Mode::Thread;
    let occurred = Arc::new(AtomicBool::new(false));
    let occurs = occurred.clone();
    let (sender, events) = channel();
    let ctx = stage
        .builder()
        .trace(move |step| {
            if matches!(step, Trace::FdOccurrence { .. } | Trace::TimeoutOccurrence { .. }) && BUSY.get() {
                occurs.store(true, Ordering::SeqCst);
            }
            let Some(ctx) = in_hook.lock().unwrap_or_else(PoisonError::into_inner).upgrade() else { return };
            if !is_hook(step) {
                return;
            }
            once(|| {
                let _ = told.send(refused(&ctx, with_thread));
                let _ = event_loop.turn(Some(interrupt.as_raw_fd()));
            });
            // The last reference would end the ctx here.
            std::mem::forget(ctx);
        })
        .on_event(move |event| _ = sender.send(event.kind))
        .open(attached.event_loop.clone())?;
    let ctx = Arc::new(ctx);
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&ctx);
    for domid in DOMAINS {
        let watch = ctx.watch_death(domid)?;
        pretend.destroy(domid)?;
        ensure!(receive("the domain's death", &events)? == EventKind::Death);
        drop(watch);
    }
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Weak::new();
    let mut hooks = 0;
    for answer in answers.try_iter() {
        hooks += 1;
        answer.map_err(anyhow::Error::msg)?;
    }
    ensure!(hooks > 0, "no hook was traced");
    ensure!(!occurred.load(Ordering::SeqCst), "an occurrence was made inside a hook");
    block_on(ctx.close());
    Ok(())
}

fn calls_from_logger(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = Arc::new(opened.ctx);
    let (asked, (told, answers)) = (Arc::downgrade(&ctx), channel());
    let with_thread = stage.mode == Mode::Thread;
    observe_log(move |record| {
        if record.target() == "libxl"
            && let Some(ctx) = asked.upgrade()
        {
            once(|| _ = told.send(refused(&ctx, with_thread)));
        }
    });
    let config = DomainConfig::from_json(
        r#"{"c_info":{"type":"pv","name":"x"},"b_info":{"max_memkb":4096,"kernel":"/nowhere","type.pv":{}}}"#,
    )?;
    let result = block_on(ctx.create(&config));
    ensure!(result.is_err(), "the stand-in made a domain");
    receive("libxl says why", &answers)?.map_err(anyhow::Error::msg)?;
    for answer in answers.try_iter() {
        answer.map_err(anyhow::Error::msg)?;
    }
    block_on(ctx.close());
    Ok(())
}

fn drops(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let attached = stage.host.attach()?;
    let (other, unrelated) = (stage.open()?, stage.host.attach()?);
    let other_close = Arc::new(Mutex::new(None));
    let to_drop = Arc::new(Mutex::new(None));
    let (in_hook, closing) = (to_drop.clone(), other_close.clone());
    let (sender, events) = channel();
    let ctx = stage
        .builder()
        .trace(move |step| {
            if !is_hook(step) {
                return;
            }
            once(|| {
                let taken: Option<(Vec<xenlight::Watch>, Ctx)> =
                    in_hook.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some((watches, ctx)) = taken {
                    drop(watches);
                    *closing.lock().unwrap_or_else(PoisonError::into_inner) = Some(ctx.close());
                    drop(ctx);
                }
            });
        })
        .on_event(move |event| _ = sender.send(event.domid))
        .open(attached.event_loop.clone())?;
    let watches = vec![ctx.watch_death(FIVE)?, other.ctx.watch_death(FIVE)?];
    *to_drop.lock().unwrap_or_else(PoisonError::into_inner) = Some((watches, other.ctx));
    // Its hooks drop them.
    let seven = ctx.watch_death(SEVEN)?;
    pretend.add_nic(FIVE, 0, &crate::cases::device::script(stage, "true")?)?;
    let removal = ctx.remove_nic(FIVE, 0);
    crate::cases::device::asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    block_on(removal)?;
    let dropped = || to_drop.lock().unwrap_or_else(PoisonError::into_inner).is_none();
    eventually("a hook drops them", dropped)?;
    let close = other_close.lock().unwrap_or_else(PoisonError::into_inner).take().context("the other ctx closes")?;
    block_on(close);
    pretend.destroy(FIVE)?;
    pretend.destroy(SEVEN)?;
    ensure!(receive("the death of 7", &events)? == SEVEN, "5 was not watched any more");
    drop(seven);
    block_on(ctx.close());
    drop(unrelated);
    Ok(())
}

fn delivered_later(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    // Readable at any time, so that no turn waits.
    let interrupt = File::open("/dev/zero")?;
    let other: Arc<Mutex<Option<Ctx>>> = Arc::default();
    let (in_callback, hooks) = (other.clone(), Arc::<OnceLock<Arc<Hooks>>>::default());
    let (counted, (sender, callbacks)) = (hooks.clone(), channel());
    let opened = stage.open_observed(xenlight::Children::default(), move |_| {
        let occurrences = counted.get().map(|hooks| hooks.count(|step| matches!(step, What::OccurrenceReturned)));
        let other = in_callback.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Its first watch has the hook called for xenstore's fd.
        let hooked = other.map(|other| other.watch_death(DomainId::new(9)).map(|_| other));
        let _ = sender.send((BUSY.get(), occurrences, hooked));
    })?;
    let _ = hooks.set(opened.hooks.clone());
    let (event_loop, attached) = (opened.attached.event_loop.clone(), stage.host.attach()?);
    let (told, turned) = channel();
    let ctx = stage
        .builder()
        .trace(move |step| {
            if matches!(step, Trace::FdRegister { .. }) {
                once(|| {
                    for _ in 0..3 {
                        let _ = told.send(event_loop.turn(Some(interrupt.as_raw_fd())));
                    }
                });
            }
        })
        .open(attached.event_loop.clone())?;
    *other.lock().unwrap_or_else(PoisonError::into_inner) = Some(ctx);
    // Libxl tells of a death by both in one occurrence, so the second event waits while the first is delivered.
    let watches = (opened.ctx.watch_death(FIVE)?, opened.ctx.watch_death(FIVE)?);
    pretend.destroy(FIVE)?;
    let mut told = [receive("an event", &callbacks)?, receive("an event", &callbacks)?];
    ensure!(told.iter().all(|(in_hook, ..)| !in_hook), "an event was delivered inside a hook");
    ensure!(told[0].1 == told[1].1, "the events came in an occurrence each, so none waited");
    let [(.., hooked), _] = &mut told;
    let other = hooked.take().context("the first callback has the other ctx")??;
    receive("the hook runs the loop", &turned)??;
    drop(watches);
    block_on(other.close());
    opened.close()
}
