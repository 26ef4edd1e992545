//! What an application does in the code that it gives to a ctx: panic, run the loop again, drop things, fork.

use crate::case::Case;
use crate::cases::device::{asked_to_close, no_child_is_left, remove, script};
use crate::cases::life::expect;
use crate::cases::save_file::{STREAM, header};
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, SEVEN};
use anyhow::{Context, ensure};
use futures_lite::Stream;
use futures_lite::future::block_on;
use osevent_conformance::hosts::Turn;
use osevent_conformance::patience::patience;
use osevent_conformance::record::What;
use std::cell::RefCell;
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Wake, Waker};
use xenlight::{Children, Ctx, DomainId, Error, EventKind, Operation, ShutdownReason, Watch};

pub(crate) static NESTED_LOOP: Case = Case {
    name: "nested-loop-in-callback",
    claim: "A callback that runs the loop again until the next event has come gets it, also when that was waiting already",
    clauses: &["E2", "R9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: nested_loop,
};

pub(crate) static ONE_AT_A_TIME: Case = Case {
    name: "events-one-at-a-time",
    claim: "While a callback runs, another thread that turns the same loop delivers nothing of that ctx's; what comes meanwhile is delivered afterwards",
    clauses: &["E2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: one_at_a_time,
};

pub(crate) static DROPS_IN_CALLBACK: Case = Case {
    name: "drops-in-callback",
    claim: "A callback can drop its own watch, which reports no more, and an operation in progress, which goes on",
    clauses: &["E2", "E9", "E10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: drops_in_callback,
};

pub(crate) static CALLBACK_PANICS: Case = Case {
    name: "callback-panics",
    claim: "A panic in the event callback loses that event only; where the loop hands it to the application, that catches it and goes on",
    clauses: &["R15", "E2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: callback_panics,
};

pub(crate) static TRACER_PANICS: Case = Case {
    name: "tracer-panics",
    claim: "A panic in the tracer, which runs in libxl's hooks, does not unwind into libxl nor end the process",
    clauses: &["R15"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: tracer_panics,
};

pub(crate) static WAKER_PANICS: Case = Case {
    name: "waker-panics",
    claim: "A waker that panics keeps no event from the callback and no close from its end",
    clauses: &["E1", "E2", "X3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: waker_panics,
};

pub(crate) static REPORTED_TO_OTHERS: Case = Case {
    name: "child-reported-to-wrong-ctx",
    claim: "Reporting a child to a ctx whose libxl looks after its children itself is an error, and libxl does not end the process",
    clauses: &["S1", "S2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: reported_to_others,
};

pub(crate) static FORKED: Case = Case {
    name: "dropped-in-forked-child",
    claim: "What is dropped in a forked child, as by the destructors that exit(3) runs, leaves the parent's ctx, xenstore and loop alone",
    clauses: &["X7", "S7"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: forked,
};

pub(crate) static FILE_IS_CLOSED: Case = Case {
    name: "file-closed-at-end",
    claim: "When an operation has ended, the file that it was given is closed already, also where libxl ends it before the call that begins it has returned",
    clauses: &["E1", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: file_is_closed,
};

/// Whether another thread has come to it yet.
type Shared<T> = Arc<Mutex<Option<T>>>;

fn take<T>(shared: &Mutex<Option<T>>) -> Option<T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn put<T>(shared: &Mutex<Option<T>>, value: T) {
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

/// The loop is held in a callback until two more events are certain to come in one occurrence.
fn nested_loop(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let (held, is_held) = channel();
    let (let_go, go_on) = channel::<()>();
    let (sender, nested) = channel();
    let go_on = Mutex::new(go_on);
    let run_again: Arc<OnceLock<Turn>> = Arc::default();
    let (again, deaths) = (run_again.clone(), AtomicUsize::new(0));
    let opened = stage.open_observed(Children::default(), move |event| {
        if event.kind == EventKind::Shutdown(ShutdownReason::Poweroff) {
            let _ = held.send(());
            let _ = go_on.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience());
        } else if deaths.fetch_add(1, Ordering::SeqCst) == 0 {
            let served = eventually("the nested loop delivers the second death", || {
                again.get().expect("it is set before the first event")();
                deaths.load(Ordering::SeqCst) == 2
            });
            let _ = sender.send(served);
        }
    })?;
    let set = run_again.set(one_turn(stage, &opened)?);
    ensure!(set.is_ok());
    let watches = (opened.ctx.watch_death(FIVE)?, opened.ctx.watch_death(SEVEN)?);
    pretend.shut_down(FIVE, 0)?;
    receive("the callback holds the loop", &is_held)?;
    pretend.destroy(FIVE)?;
    pretend.destroy(SEVEN)?;
    let_go.send(())?;
    nested.recv_timeout(2 * patience()).context("the nested loop ends")??;
    drop(watches);
    opened.close()
}

/// One turn of the host's loop, without waiting, on the thread that calls it; of a loop that cannot be run so, of what osevent has in it.
fn one_turn(stage: &Stage, opened: &Opened) -> anyhow::Result<Turn> {
    if let Some(turn) = stage.host.turn() {
        return Ok(turn);
    }
    let event_loop = opened.attached.event_loop.clone();
    // Readable at any time, so that the turn does not wait.
    let interrupt = File::open("/dev/zero")?;
    Ok(Box::new(move || event_loop.turn(Some(interrupt.as_raw_fd())).expect("the reactor's fds are open")))
}

fn one_at_a_time(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let ((entered, is_entered), (go_on, may_go_on)) = (channel(), channel());
    let (may_go_on, busy) = (Mutex::new(may_go_on), AtomicBool::new(false));
    let overlaps = Arc::new(AtomicBool::new(false));
    let seen = overlaps.clone();
    // Relaxed: what they tell is ordered by the channels.
    let opened = stage.open_observed(Children::default(), move |event| {
        if busy.swap(true, Ordering::Relaxed) {
            seen.store(true, Ordering::Relaxed);
        }
        if event.domid == FIVE {
            // The case waits on the other side, or is over.
            let _ = entered.send(());
            let _ = may_go_on.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience());
        }
        busy.store(false, Ordering::Relaxed);
    })?;
    let (five, seven) = (opened.ctx.watch_death(FIVE)?, opened.ctx.watch_death(SEVEN)?);
    pretend.shut_down(FIVE, 0)?;
    receive("the callback is called", &is_entered)?;

    let event_loop = &opened.attached.event_loop;
    let (never, _open) = UnixStream::pair()?;
    let occurrences = || opened.hooks.count(|step| matches!(step, What::OccurrenceReturned));
    let before = occurrences();
    pretend.destroy(SEVEN)?;
    match stage.mode {
        Mode::Loop => {
            while occurrences() == before {
                event_loop.turn(Some(never.as_raw_fd()))?;
            }
        }
        Mode::Thread => eventually("libxl's thread learns of it", || occurrences() > before)?,
    }
    // Something is to be delivered now, so none of these waits.
    for _ in 0..3 {
        event_loop.turn(Some(never.as_raw_fd()))?;
    }
    go_on.send(())?;
    expect(&opened.events, FIVE, &five, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    expect(&opened.events, SEVEN, &seven, &EventKind::Death)?;
    ensure!(!overlaps.load(Ordering::Relaxed), "a callback was called while another one ran");
    drop((five, seven));
    opened.close()
}

fn drops_in_callback(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let shared: Shared<(Watch, Operation<()>)> = Arc::default();
    let to_drop = shared.clone();
    let opened = stage.open_observed(Children::default(), move |_| drop(take(&to_drop)))?;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let removal = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    let five = opened.ctx.watch_death(FIVE)?;
    let id = five.id();
    put(&shared, (five, removal));
    pretend.shut_down(FIVE, 0)?;
    let event = opened.events.next()?;
    ensure!(event.watch == Some(id) && matches!(event.kind, EventKind::Shutdown(_)), "{event:?}");

    // Nothing of 5 comes before, although it dies before.
    let seven = opened.ctx.watch_death(SEVEN)?;
    pretend.destroy(FIVE)?;
    pretend.destroy(SEVEN)?;
    expect(&opened.events, SEVEN, &seven, &EventKind::Death)?;
    pretend.close_backend(FIVE, 0)?;
    drop(seven);
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn callback_panics(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open_observed(Children::default(), |event| {
        assert!(!matches!(event.kind, EventKind::Shutdown(_)), "as the case wants it");
    })?;
    let seven = opened.ctx.watch_death(SEVEN)?;
    pretend.shut_down(SEVEN, 0)?;
    pretend.destroy(SEVEN)?;
    // The shutdown is recorded behind the panic: not at all.
    expect(&opened.events, SEVEN, &seven, &EventKind::Death)?;
    drop(seven);
    remove(stage, &opened)?;
    opened.close()
}

fn tracer_panics(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let attached = stage.host.attach()?;
    let (sender, events) = channel();
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = panics.clone();
    let ctx = stage
        .builder()
        .trace(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("as the case wants it");
        })
        .on_event(move |event| _ = sender.send(event.kind))
        .open(attached.event_loop.clone())?;
    let watch = ctx.watch_death(FIVE)?;
    pretend.destroy(FIVE)?;
    ensure!(receive("the domain's death", &events)? == EventKind::Death);
    drop(watch);
    block_on(ctx.close());
    ensure!(panics.load(Ordering::SeqCst) > 0, "the tracer was not called");
    Ok(())
}

/// A task that panics when it is woken.
struct Panics(AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("as the case wants it");
    }
}

fn waker_panics(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let task = Arc::new(Panics(AtomicUsize::new(0)));
    let woken =
        |times| eventually(&format!("the waker was called {times} times"), || task.0.load(Ordering::SeqCst) == times);
    let waker = Waker::from(task.clone());
    let mut context = std::task::Context::from_waker(&waker);

    let mut stream = opened.ctx.events();
    ensure!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
    let five = opened.ctx.watch_death(FIVE)?;
    pretend.shut_down(FIVE, 0)?;
    expect(&opened.events, FIVE, &five, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    woken(1)?;

    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let mut removal = pin!(opened.ctx.remove_nic(FIVE, 0));
    ensure!(removal.as_mut().poll(&mut context).is_pending());
    asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    woken(2)?;
    block_on(removal)?;

    // The stream's, then the close's own, before that of another who waits.
    while Pin::new(&mut stream).poll_next(&mut context).is_ready() {}
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let aborted = opened.ctx.remove_nic(FIVE, 0);
    asked_to_close(stage)?;
    let mut aborted = pin!(aborted);
    ensure!(aborted.as_mut().poll(&mut context).is_pending());
    let hold = hold_loop(stage, &opened)?;
    let mut close = opened.ctx.close();
    ensure!(Pin::new(&mut close).poll(&mut context).is_pending());
    let (sender, closed) = channel();
    let other = opened.ctx.close();
    let (polled, was_polled) = channel();
    std::thread::spawn(move || {
        let mut other = pin!(other);
        block_on(std::future::poll_fn(|context| {
            let poll = other.as_mut().poll(context);
            let _ = polled.send(());
            poll
        }));
        let _ = sender.send(());
    });
    receive("another waits for the close", &was_polled)?;
    drop(hold);
    receive("the close has ended for the other", &closed)?;
    woken(5)?;
    let result = block_on(aborted);
    // Its script may have been faster.
    ensure!(result.as_ref().map_or_else(Error::is_aborted, |()| true), "the removal ended with {result:?}");
    opened.recorder.expect_nothing()?;
    no_child_is_left()
}

/// Holds the loop in a call into libxl until it is dropped: that of a backend of domain 5 which closes.
pub(crate) struct Hold(Sender<()>);

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

pub(crate) fn hold_loop(stage: &Stage, opened: &Opened) -> anyhow::Result<Hold> {
    let (entered, is_inside) = channel();
    let (let_go, go_on) = channel::<()>();
    opened.recorder.on_timer_added(move |_| {
        let _ = entered.send(());
        // A hook that waits, which none may do outside a test (R15).
        let _ = go_on.recv_timeout(patience());
    });
    stage.machine.pretend()?.close_backend(FIVE, 0)?;
    receive("the loop is inside libxl", &is_inside)?;
    Ok(Hold(let_go))
}

fn reported_to_others(stage: &Stage) -> anyhow::Result<()> {
    for children in [Children::SelectiveReap, Children::Libxl, Children::LibxlAlways] {
        let opened = stage.open_with(children)?;
        let reported = opened.ctx.child_exited(1, 0);
        ensure!(matches!(reported, Err(Error::ChildrenOf(_))), "{children:?}: {reported:?}");
        remove(stage, &opened)?;
        opened.close()?;
    }
    let opened = stage.open()?;
    let reported = opened.ctx.child_exited(1, 0);
    ensure!(matches!(reported, Ok(false)), "{reported:?}");
    opened.close()
}

fn forked(stage: &Stage) -> anyhow::Result<()> {
    thread_local!(static HELD: RefCell<Option<(Watch, Ctx)>> = const { RefCell::new(None) });
    let pretend = stage.machine.pretend()?;
    let mut opened = stage.open()?;
    let watch = opened.ctx.watch_death(FIVE)?;
    HELD.set(Some((watch, opened.ctx)));
    // SAFETY: the child makes no call but the one that the case is about.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // It drops what this thread holds.
        // SAFETY: the child has no other thread that could call it, too.
        unsafe { libc::exit(0) };
    }
    let watch;
    (watch, opened.ctx) = HELD.take().context("nobody has taken it")?;
    ensure!(pid > 0, "fork: {}", std::io::Error::last_os_error());
    let ended = eventually("the child ends", || {
        // SAFETY: no pointer but null.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) == pid }
    });
    if ended.is_err() {
        // SAFETY: it has not been reaped, so the pid names it.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    ended?;
    pretend.destroy(FIVE)?;
    expect(&opened.events, FIVE, &watch, &EventKind::Death)?;
    drop(watch);
    opened.close()
}

/// When it is woken, whether the file is open.
struct Woken<F> {
    is_open: F,
    told: Sender<bool>,
}

impl<F: Fn() -> bool + Send + Sync> Wake for Woken<F> {
    fn wake(self: Arc<Self>) {
        let _ = self.told.send((self.is_open)());
    }
}

/// Restores from a file, and from a pipe, which another thread reads. No domain can be created on the pretend machine, which libxl finds out
/// before the call that begins it there returns.
fn file_is_closed(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    // Libxl refuses the pool before it reads the stream.
    let json = r#"{"c_info": {"type": "pv", "name": "restored", "pool_name": "nowhere"}, "b_info": {"max_memkb": 4096, "target_memkb": 4096, "type.pv": {}}}"#;
    let saved = [&header(json)[..], STREAM].concat();
    let path = stage.folder.join("saved");
    std::fs::write(&path, &saved)?;
    for _ in 0..20 {
        let file = File::open(&path)?;
        file.lock()?;
        // The lock goes with the last fd of the same opening.
        let other = File::open(&path)?;
        let is_locked = move || other.try_lock().is_err();
        closed_at_end(opened.ctx.restore(file), is_locked).context("a file")?;

        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(&saved)?;
        let has_reader = move || {
            let mut fd = libc::pollfd { fd: writer.as_raw_fd(), events: 0, revents: 0 };
            // SAFETY: one pollfd, for the length of the call.
            unsafe { libc::poll(&mut fd, 1, 0) == 0 }
        };
        closed_at_end(opened.ctx.restore(reader), has_reader).context("a pipe")?;
    }
    opened.expect_idle()?;
    opened.close()
}

fn closed_at_end(
    restore: Operation<DomainId>,
    is_open: impl Fn() -> bool + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let mut restore = pin!(restore);
    let (told, woken) = channel();
    let waker = Waker::from(Arc::new(Woken { is_open, told }));
    let mut context = std::task::Context::from_waker(&waker);
    if let Poll::Ready(result) = restore.as_mut().poll(&mut context) {
        log::info!("over before it was awaited: {result:?}");
        // As if it had been woken now.
        waker.wake_by_ref();
    }
    let is_open = receive("the restore has ended", &woken)?;
    ensure!(!is_open, "the operation has ended, and its file is still open");
    Ok(())
}
