//! A program whose callbacks share its data: what libxl reports arrives with `&mut Data`, by calloop's own means.

use crate::case::Case;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use crate::tiers::libxl::{DOMAINS, FIVE, SEVEN};
use anyhow::ensure;
use calloop::EventLoop;
use calloop::futures::executor;
use calloop::stream::StreamSource;
use osevent_conformance::patience::patience;
use std::thread::ThreadId;
use std::time::Instant;
use xenlight::{Error, Event, EventKind, ShutdownReason};

pub(crate) static DELIVERED: Case = Case {
    name: "calloop-data",
    claim: "Events and results reach the application's data on the loop's thread, in order; removing the source ends that, as closing the ctx does",
    clauses: &["R9", "E1", "E2", "E9"],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Calloop],
    modes: Mode::ALL,
    run: delivered,
};

pub(crate) static LOOP_FIRST: Case = Case {
    name: "calloop-data-loop-first",
    claim: "An event loop that ends with its sources for events and results, while an operation goes on, leaves a ctx that closes",
    clauses: &["X2", "X3", "X6"],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Calloop],
    modes: Mode::ALL,
    run: loop_first,
};

/// The application's data.
#[derive(Default)]
struct App {
    /// What the stream told, `None` for its end, and where.
    events: Vec<(Option<Event>, ThreadId)>,
    /// How many events a second stream told.
    elsewhere: usize,
    /// How operations have ended, and where that was told.
    results: Vec<(Result<(), Error>, ThreadId)>,
}

/// A program on this case's own thread.
struct Program {
    event_loop: EventLoop<'static, App>,
    app: App,
}

impl Program {
    fn new(xen: osevent_calloop::LibxlSource) -> anyhow::Result<Self> {
        let event_loop = EventLoop::try_new()?;
        event_loop.handle().insert_source(xen, |_, _, _| {}).map_err(|refused| refused.error)?;
        Ok(Self { event_loop, app: App::default() })
    }

    fn turn_until(&mut self, what: &str, done: impl Fn(&App) -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + patience();
        while !done(&self.app) {
            ensure!(Instant::now() < end, "not within {:?}: {what}", patience());
            self.event_loop.dispatch(Some(patience()), &mut self.app)?;
        }
        Ok(())
    }
}

fn delivered(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let xen = osevent_calloop::LibxlSource::new()?;
    let ctx = stage.builder().open(xen.event_loop())?;
    let mut program = Program::new(xen)?;
    let handle = program.event_loop.handle();
    let here = || std::thread::current().id();
    let first = StreamSource::new(ctx.events())?;
    let told = handle.insert_source(first, move |event, _, app| app.events.push((event, here())));
    told.map_err(|refused| refused.error)?;
    let second = StreamSource::new(ctx.events())?;
    let told = handle.insert_source(second, |_, _, app| app.elsewhere += 1);
    let second = told.map_err(|refused| refused.error)?;
    let (results, operations) = executor()?;
    let told = handle.insert_source(results, move |result, _, app| app.results.push((result, here())));
    told.map_err(|refused| refused.error)?;

    // Asked for on another thread: all the same they are told on this one.
    let _watches: Vec<_> = std::thread::scope(|scope| {
        let watching =
            scope.spawn(|| DOMAINS.into_iter().map(|domid| ctx.watch_death(domid)).collect::<Result<_, _>>());
        watching.join().expect("it does not panic")
    })?;
    pretend.shut_down(FIVE, 0)?;
    program.turn_until("both streams tell the shutdown", |app| app.events.len() == 1 && app.elsewhere == 1)?;
    handle.remove(second);
    pretend.destroy(FIVE)?;
    program.turn_until("the death", |app| app.events.len() == 2)?;
    operations.schedule(ctx.destroy(SEVEN))?;
    program
        .turn_until("the operation's result, and the event", |app| app.results.len() == 1 && app.events.len() == 3)?;
    drop(ctx);
    program.turn_until("the stream's end", |app| app.events.len() == 4)?;

    let App { events, elsewhere, results } = program.app;
    ensure!(elsewhere == 1, "a removed source told {elsewhere} events");
    ensure!(events.iter().all(|(_, thread)| *thread == here()), "told on another thread (E2)");
    let expected = [
        Some((FIVE, EventKind::Shutdown(ShutdownReason::Poweroff))),
        Some((FIVE, EventKind::Death)),
        Some((SEVEN, EventKind::Death)),
        None,
    ];
    let events: Vec<_> = events.into_iter().map(|(event, _)| event.map(|event| (event.domid, event.kind))).collect();
    ensure!(events == expected, "{events:?} instead of {expected:?}");
    ensure!(matches!(&*results, [(Ok(()), thread)] if *thread == here()), "{results:?}");
    Ok(())
}

fn loop_first(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let xen = osevent_calloop::LibxlSource::new()?;
    let ctx = stage.builder().open(xen.event_loop())?;
    let program = Program::new(xen)?;
    let handle = program.event_loop.handle();
    let events = StreamSource::new(ctx.events())?;
    handle.insert_source(events, |_, _, _| {}).map_err(|refused| refused.error)?;
    let (results, operations) = executor()?;
    handle.insert_source(results, |_, _, _| {}).map_err(|refused| refused.error)?;
    ctx.watch_death(SEVEN)?.keep();
    // Nobody closes the backend: it goes on until it is aborted.
    pretend.add_nic(FIVE, 0, &stage.folder.join("script"))?;
    operations.schedule(ctx.remove_nic(FIVE, 0))?;
    drop(handle);
    drop(program);

    ensure!(matches!(ctx.watch_death(FIVE), Err(Error::LoopGone)), "a ctx without a loop takes work");
    ensure!(operations.schedule(std::future::ready(Ok(()))).is_err(), "an executor that has gone takes work");
    ctx.close_blocking()?;
    eventually("nothing is left", || {
        let census = ctx.census();
        census.registered == 0 && census.alive == 0 && census.in_flight == 0
    })
}
