//! A ctx is closed, at the worst of times ([X1] to [X6]).

use crate::case::Case;
use crate::cases::application::{Hold, hold_loop};
use crate::cases::device::{asked_to_close, no_child_is_left, remove, remove_with_running_script, script};
#[cfg(doc)]
use crate::contract::*;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Hooks, Opened, Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance::patience::patience;
use osevent_conformance::record::What;
use osevent_conformance::threads;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use xenlight::{Ctx, DomainId, Error, EventKind, Operation};

pub(crate) static IDLE: Case = Case {
    name: "close-idle",
    claim: "An idle ctx is closed at once, by blocking, by awaiting and by dropping it",
    clauses: &["X1", "X2", "S5"],
    tiers: &[Tier::Libxl, Tier::Xen],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: idle,
};

pub(crate) static WATCHING: Case = Case {
    name: "close-with-watches",
    claim: "Closing ends the watches; libxl deregisters the xenstore fd from inside libxl_ctx_free or before, and no event comes after",
    clauses: &["X2", "X4", "E7", "E10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: watching,
};

pub(crate) static OPERATING: Case = Case {
    name: "close-with-operation",
    claim: "Closing aborts an operation in progress, waits for it, and then frees the ctx",
    clauses: &["X3", "X6", "E6"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: operating,
};

pub(crate) static ASKING: Case = Case {
    name: "close-with-wait",
    claim: "Closing does not wait for one that waits for memory, and asks for it from time to time: that ends with Closed, and is delivered \
            though the loop calls no more",
    clauses: &[],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: asking,
};

pub(crate) static INSIDE_CALLBACK: Case = Case {
    name: "close-inside-callback",
    claim: "A ctx can be dropped inside its own event callback; a blocking close is refused there",
    clauses: &["X5", "E2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: inside_callback,
};

pub(crate) static EVENT_WAITS: Case = Case {
    name: "close-with-event-waiting",
    claim: "An event that waits to be delivered when the close begins is not delivered any more",
    clauses: &["E2", "E10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Loop],
    run: event_waits,
};

pub(crate) static DURING_OCCURRENCE: Case = Case {
    name: "close-during-occurrence",
    claim: "A close that begins on another thread while the loop is inside libxl neither waits for it nor frees the ctx under it",
    clauses: &["X3", "X4", "O8", "O12"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: during_occurrence,
};

pub(crate) static SEVERAL_WAIT: Case = Case {
    name: "close-with-several-waiting",
    claim: "Two threads that close and turn the loop, two that await the close, and one that gave up: all learn of the end, which comes once; also \
            after the host's loop has gone",
    clauses: &["X3", "X4"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: several_wait,
};

pub(crate) static LOOP_GONE: Case = Case {
    name: "close-after-loop",
    claim: "After the host's loop has gone, operations are refused, and a blocking close aborts what is in progress and turns the loop itself",
    clauses: &["X2", "X3", "X6"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: loop_gone,
};

pub(crate) static DROPPED_LOOP_GONE: Case = Case {
    name: "drop-after-loop",
    claim: "After the host's loop has gone, dropping the ctx with an operation in progress does not wait, and a thread of its own closes it",
    clauses: &["X2", "X3", "X6"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: dropped_loop_gone,
};

fn idle(stage: &Stage) -> anyhow::Result<()> {
    // Whatever is loaded and opened once for the process, also by the loop's thread when it first runs.
    let first = stage.open()?;
    let watch = first.ctx.watch_death(DomainId::DOM0)?;
    eventually("the loop runs", || first.hooks.count(|step| matches!(step, What::FdOccurrence { .. })) > 0)?;
    drop(watch);
    first.close()?;
    let fds = open_fds()?;
    stage.open()?.close()?;
    let blocked = stage.open()?;
    blocked.ctx.close_blocking()?;
    blocked.recorder.expect_nothing()?;
    ensure!(matches!(blocked.ctx.watch_death(DomainId::DOM0), Err(Error::Closed)), "a closed ctx takes work");
    drop(blocked);
    let Opened { ctx, recorder, attached, .. } = stage.open()?;
    drop(ctx);
    // At once, unless the loop is inside libxl with an event from xenstore, or libxl has a thread of its own.
    eventually("the ctx is closed", || recorder.expect_nothing().is_ok())?;
    drop((recorder, attached));
    // xenstored and the loop let go of their ends a little later.
    let mut now = fds;
    eventually("all fds are closed", || {
        now = open_fds().unwrap_or(usize::MAX);
        now <= fds
    })
    .with_context(|| format!("{now} fds are open instead of {fds}"))
}

fn watching(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    opened.ctx.watch_death(FIVE)?.keep();
    let seven = opened.ctx.watch_death(SEVEN)?;
    let Opened { ctx, events, recorder, attached: _attached, .. } = opened;
    ctx.close_blocking()?;
    stage.machine.pretend()?.destroy(FIVE)?;
    stage.machine.pretend()?.destroy(SEVEN)?;
    drop(ctx);
    events.expect_end()?;
    // A guard that outlives its ctx.
    drop(seven);
    recorder.expect_nothing()
}

fn operating(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    opened.close()?;
    let result = block_on(removal);
    ensure!(result.as_ref().is_err_and(Error::is_aborted), "the removal ended with {result:?}");
    no_child_is_left()
}

fn asking(stage: &Stage) -> anyhow::Result<()> {
    const NEVER_FREE_KIB: u64 = u64::MAX;
    const LONG: u32 = 3_600;
    let asleep = || threads::named("xenlight-wait").is_some_and(|thread| threads::wait_for_sleep(thread, patience()));
    let ended = |waiting: Operation<()>| {
        let result = block_on(waiting);
        ensure!(matches!(result, Err(Error::Closed)), "the wait ended with {result:?}");
        eventually("the thread that asked ends", || threads::named("xenlight-wait").is_none())
    };
    // Between two questions: the ctx is closed and there, or has gone.
    for is_kept in [true, false] {
        let opened = stage.open()?;
        let waiting = opened.ctx.wait_for_free_memory(NEVER_FREE_KIB, LONG);
        eventually("the first question has its answer", asleep)?;
        if is_kept {
            block_on(opened.ctx.close());
            ended(waiting)?;
            opened.close()?;
        } else {
            opened.close()?;
            ended(waiting)?;
        }
    }
    // Before, during or after the first.
    let opened = stage.open()?;
    let waiting = opened.ctx.wait_for_free_memory(NEVER_FREE_KIB, LONG);
    opened.close()?;
    ended(waiting)
}

fn event_waits(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let shared: Arc<Mutex<Option<Ctx>>> = Arc::default();
    let hooks: Arc<OnceLock<Arc<Hooks>>> = Arc::default();
    let (to_close, counted) = (shared.clone(), hooks.clone());
    let (sender, callbacks) = channel();
    let opened = stage.open_observed(xenlight::Children::default(), move |event| {
        let occurrences = counted.get().map(|hooks| hooks.count(|step| matches!(step, What::OccurrenceReturned)));
        let ctx = || to_close.lock().unwrap_or_else(PoisonError::into_inner).take();
        let close = (event.kind == EventKind::Death).then(ctx).flatten().map(|ctx| ctx.close());
        // The case may be over.
        let _ = sender.send((occurrences, close));
    })?;
    let _ = hooks.set(opened.hooks.clone());
    // Until its script has ended, which the loop has to learn, the close goes no further, and nobody takes the watches away.
    let removal = remove_with_running_script(stage, &opened)?;
    // Libxl tells all watches of a domain in one occurrence, so the second event waits while the first is delivered.
    let watches = (opened.ctx.watch_death(FIVE)?, opened.ctx.watch_death(FIVE)?);
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened.ctx);
    pretend.shut_down(FIVE, 0)?;
    let (first, _) = receive("the first event", &callbacks)?;
    let (second, _) = receive("the second event", &callbacks)?;
    ensure!(first == second, "the events came in an occurrence each: {first:?}, {second:?}");
    pretend.destroy(FIVE)?;
    let (_, close) = receive("the event that closes", &callbacks)?;
    block_on(close.context("the callback closes")?);
    ensure!(callbacks.try_recv().is_err(), "an event was delivered after the close had begun");
    drop((watches, removal));
    no_child_is_left()?;
    opened.recorder.expect_nothing()
}

fn inside_callback(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let shared: Arc<Mutex<Option<Ctx>>> = Arc::default();
    let (sender, outcome) = channel();
    let to_drop = shared.clone();
    let opened = stage.open_observed(xenlight::Children::default(), move |event| {
        let ctx = to_drop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (EventKind::Death, Some(ctx)) = (&event.kind, ctx) {
            let refused = ctx.close_blocking();
            let close = ctx.close();
            drop(ctx);
            let _ = sender.send((refused, close));
        }
    })?;
    let watch = opened.ctx.watch_death(FIVE)?;
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened.ctx);
    pretend.destroy(FIVE)?;
    let (refused, close) = receive("the callback runs", &outcome)?;
    ensure!(matches!(refused, Err(Error::InsideCallback(_))), "a blocking close inside a callback: {refused:?}");
    block_on(close);
    drop(watch);
    opened.recorder.expect_nothing()
}

/// The loop is held inside libxl: in the hook that registers the second timeout, inside the occurrence that tells libxl of the
/// backend's closing. Meanwhile another thread begins to close.
fn during_occurrence(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(FIVE, 0, &script(stage, "exec sleep 1000")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;

    let (entered, loop_is_inside) = channel();
    let (let_go, go_on) = channel::<()>();
    let held = Arc::new(AtomicBool::new(false));
    let was_held = held.clone();
    opened.recorder.on_timer_added(move |_| {
        let _ = entered.send(());
        // A hook that waits, which none may do outside a test (R15).
        was_held.store(go_on.recv_timeout(patience()).is_ok(), Ordering::SeqCst);
    });
    pretend.close_backend(FIVE, 0)?;
    receive("the loop is inside libxl", &loop_is_inside)?;
    ensure!(opened.ctx.census().in_flight == 1, "the loop is not inside libxl: {:?}", opened.ctx.census());
    // Returns although the loop holds libxl's lock.
    let close = opened.ctx.close();
    drop(opened.ctx);
    ensure!(close.census().in_flight == 1, "the close waited for the loop");
    let_go.send(())?;
    block_on(close);
    ensure!(held.load(Ordering::SeqCst), "the loop was not held inside libxl");
    // The script is killed, which libxl does not take for a failure of the removal.
    let result = block_on(removal);
    ensure!(result.as_ref().map_or_else(Error::is_aborted, |()| true), "the removal ended with {result:?}");
    opened.recorder.expect_nothing()?;
    no_child_is_left()
}

fn several_wait(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    // Nobody can bring the close to its end before all wait for it.
    let hold = hold_loop(stage, &opened)?;
    wait_for_close(opened, [removal], Some(hold))?;

    let (opened, removals) = in_progress_without_loop(stage)?;
    wait_for_close(opened, removals, None)
}

/// Where the loop is not held, the first of those who wait may end it before the others come.
fn wait_for_close<const N: usize>(
    opened: Opened,
    removals: [Operation<()>; N],
    hold: Option<Hold>,
) -> anyhow::Result<()> {
    let Opened { ctx, recorder, hooks, attached: _attached, .. } = opened;
    let ctx = Arc::new(ctx);
    let gave_up = ctx.close();
    ensure!(futures_lite::future::block_on(futures_lite::future::poll_once(gave_up)).is_none() || hold.is_none());
    let (sender, ended) = channel();
    for turns in [true, true, false, false] {
        let (ctx, sender) = (ctx.clone(), sender.clone());
        let (begin, begun) = channel();
        std::thread::Builder::new().name("waits".into()).spawn(move || {
            let close = ctx.close();
            let _ = begin.send(threads::current());
            let result = if turns {
                ctx.close_blocking()
            } else {
                block_on(close);
                Ok(())
            };
            // Alone then: a ctx that is closed can be dropped anywhere.
            drop(ctx);
            let _ = sender.send(result);
        })?;
        let thread = receive("a thread begins to wait", &begun)?;
        ensure!(hold.is_none() || threads::wait_for_sleep(thread, patience()), "a thread that waits spins");
    }
    drop(hold);
    for _ in 0..4 {
        receive("the end for all who wait", &ended)??;
    }
    let freed = hooks.count(|step| *step == What::Freed);
    ensure!(freed == 1, "the ctx was freed {freed} times");
    for removal in removals {
        let result = block_on(removal);
        ensure!(result.as_ref().map_or_else(Error::is_aborted, |()| true), "the removal ended with {result:?}");
    }
    recorder.expect_nothing()?;
    no_child_is_left()
}

fn loop_gone(stage: &Stage) -> anyhow::Result<()> {
    let (opened, removals) = in_progress_without_loop(stage)?;
    opened.ctx.close_blocking()?;
    expect_aborted(removals)?;
    opened.recorder.expect_nothing()?;
    no_child_is_left()
}

fn dropped_loop_gone(stage: &Stage) -> anyhow::Result<()> {
    let (opened, removals) = in_progress_without_loop(stage)?;
    drop(opened.ctx);
    expect_aborted(removals)?;
    eventually("the ctx is closed", || opened.recorder.expect_nothing().is_ok())?;
    no_child_is_left()
}

/// The end of the operations of [`in_progress_without_loop`].
fn expect_aborted([waiting, running]: [Operation<()>; 2]) -> anyhow::Result<()> {
    let result = block_on(waiting);
    ensure!(result.as_ref().is_err_and(Error::is_aborted), "the removal ended with {result:?}");
    // Its script is killed, which libxl does not take for a failure of the removal.
    let result = block_on(running);
    ensure!(result.as_ref().map_or_else(Error::is_aborted, |()| true), "the removal ended with {result:?}");
    Ok(())
}

/// A ctx that has worked, with a watch on and two operations in progress, whose loop has ended. The one waits for its backend, and is over
/// as soon as it is aborted; the other has a child, of whose end only a loop learns that is turned.
fn in_progress_without_loop(stage: &Stage) -> anyhow::Result<(Opened, [Operation<()>; 2])> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    remove(stage, &opened)?;
    opened.ctx.watch_death(FIVE)?.keep();
    let running = remove_with_running_script(stage, &opened)?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let waiting = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    stage.host.end();
    ensure!(matches!(opened.ctx.watch_death(SEVEN), Err(Error::LoopGone)), "a ctx without a loop takes a watch");
    ensure!(
        matches!(block_on(opened.ctx.remove_nic(FIVE, 0)), Err(Error::LoopGone)),
        "a ctx without a loop takes an operation"
    );
    Ok((opened, [waiting, running]))
}

fn open_fds() -> anyhow::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}
