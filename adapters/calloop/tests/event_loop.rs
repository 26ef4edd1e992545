//! A reactor in real calloop event loops.

use calloop::{Dispatcher, LoopHandle, LoopSignal, RegistrationToken};
use osevent_calloop::LibxlSource;
use osevent_core::{ClientValue, Deadline, EventLoop, Interest};
use osevent_test_kit::{Count, FOREVER, Hosted, KernelThread, eventfd, is_readable};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// The application's data.
struct App {
    handle: LoopHandle<'static, App>,
    token: Option<RegistrationToken>,
    /// What the reactor's source has told: the occurrences of each dispatch.
    dispatches: Vec<usize>,
    /// What a stream or a future has told; `None` at the stream's end.
    told: Vec<Option<u64>>,
}

struct Program {
    calloop: calloop::EventLoop<'static, App>,
    app: App,
}

impl Program {
    fn new() -> Self {
        let calloop = calloop::EventLoop::try_new().expect("fds are free");
        let handle = calloop.handle();
        Self { calloop, app: App { handle, token: None, dispatches: vec![], told: vec![] } }
    }

    /// A program with a loop in it, and that.
    fn with_loop() -> (Self, Arc<dyn EventLoop>) {
        let mut program = Self::new();
        let xen = new_loop();
        let event_loop = xen.event_loop();
        program.app.token = Some(program.insert(xen));
        (program, event_loop)
    }

    fn insert(&self, xen: LibxlSource) -> RegistrationToken {
        self.app.handle.insert_source(xen, |made, _, app| app.dispatches.push(made)).expect("it is a good fd")
    }

    fn token(&self) -> RegistrationToken {
        self.app.token.expect("it was made with a loop")
    }

    /// What is ready now.
    fn turn(&mut self) {
        self.calloop.dispatch(Some(Duration::ZERO), &mut self.app).expect("the fds stay open");
    }

    fn turn_until(&mut self, done: impl Fn(&App) -> bool) {
        let started = Instant::now();
        while !done(&self.app) {
            self.calloop.dispatch(Some(FOREVER), &mut self.app).expect("the fds stay open");
            assert!(started.elapsed() < FOREVER, "nothing wakes the loop");
        }
    }
}

fn new_loop() -> LibxlSource {
    LibxlSource::new().expect("fds are free")
}

/// A program that sleeps in its loop on a thread of its own.
struct Running {
    event_loop: Arc<dyn EventLoop>,
    signal: LoopSignal,
    kernel_thread: KernelThread,
    thread: JoinHandle<()>,
}

impl Running {
    fn start() -> Self {
        let xen = new_loop();
        let event_loop = xen.event_loop();
        let (starts, started) = mpsc::channel();
        // Made here, sent there: only calloop's own handles stay on one thread.
        let thread = thread::spawn(move || {
            let mut program = Program::new();
            program.insert(xen);
            starts.send((program.calloop.get_signal(), KernelThread::current())).expect("the test waits for it");
            program.calloop.run(None, &mut program.app, |_| {}).expect("the fds stay open");
        });
        let (signal, kernel_thread) = started.recv_timeout(FOREVER).expect("it starts");
        Self { event_loop, signal, kernel_thread, thread }
    }

    fn stop(self) -> ThreadId {
        let id = self.thread.thread().id();
        self.signal.stop();
        self.signal.wakeup();
        self.thread.join().expect("it does not panic");
        id
    }
}

#[test]
fn r9_registrations_from_another_thread_wake_the_loop() {
    let running = Running::start();
    let (occurred, told) = mpsc::channel();
    let ready = eventfd(1);
    let hosted = Hosted::new(running.event_loop.clone(), move |value| _ = occurred.send(value));
    hosted.due(1);
    assert_eq!(told.recv_timeout(FOREVER), Ok(1));
    hosted.registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(2)).unwrap();
    assert_eq!(told.recv_timeout(FOREVER), Ok(2));
    assert_eq!(told.recv_timeout(FOREVER), Ok(2), "O10");
    hosted.registry.close();
    let thread = running.stop();
    assert!(hosted.is_served_by(thread));
}

#[test]
fn r9_a_timer_hurried_from_another_thread_wakes_the_loop() {
    let running = Running::start();
    let (occurred, told) = mpsc::channel();
    let hosted = Hosted::new(running.event_loop.clone(), move |value| _ = occurred.send(value));
    let token = hosted.registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(1)).unwrap();
    assert_eq!(told.recv_timeout(Duration::from_millis(20)), Err(mpsc::RecvTimeoutError::Timeout));
    hosted.registry.modify_timeout(token.to_handle(), Deadline::ASAP).unwrap();
    assert_eq!(told.recv_timeout(FOREVER), Ok(1));
    running.stop();
}

#[test]
fn the_source_tells_how_many_occurrences_a_dispatch_made() {
    let (mut program, event_loop) = Program::with_loop();
    let hosted = Hosted::logging(event_loop);
    hosted.due(1);
    hosted.due(2);
    program.turn();
    assert_eq!(program.app.dispatches, [2]);
}

#[test]
fn what_occurs_reaches_the_applications_data_as_a_stream_and_as_a_future() {
    let (mut program, event_loop) = Program::with_loop();
    let (sender, values) = smol::channel::unbounded();
    let awaited = values.clone();
    let handle = program.calloop.handle();
    let hosted = Hosted::new(event_loop, move |value| sender.try_send(value).expect("somebody listens"));

    let (results, operations) = calloop::futures::executor().unwrap();
    handle.insert_source(results, |value: u64, _, app| app.told.push(Some(value))).unwrap();
    operations.schedule(async move { awaited.recv().await.expect("the client is there") }).unwrap();
    hosted.due(1);
    program.turn_until(|app| !app.told.is_empty());

    let source = calloop::stream::StreamSource::new(Box::pin(values.clone())).unwrap();
    handle.insert_source(source, |value, _, app| app.told.push(value)).unwrap();
    hosted.due(2);
    hosted.due(3);
    program.turn_until(|app| app.told.len() == 3);
    // As the close of a ctx ends its streams.
    values.close();
    program.turn_until(|app| app.told.len() == 4);
    assert_eq!(program.app.told, [Some(1), Some(2), Some(3), None]);
    assert!(!is_readable(&program.calloop, 0), "the source that has ended is not watched any more");
}

#[test]
fn a_disabled_loop_makes_nothing_and_loses_nothing() {
    let (mut program, event_loop) = Program::with_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop);
    let ready = eventfd(1);
    hosted.due(1);
    program.calloop.handle().disable(&program.token()).unwrap();
    hosted.registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(2)).unwrap();
    for _ in 0..5 {
        program.turn();
    }
    assert!(hosted.log().is_empty());
    assert!(!is_readable(&program.calloop, 0), "it does not even wake the loop");
    program.calloop.handle().enable(&program.token()).unwrap();
    program.turn();
    assert_eq!(hosted.log(), [2, 1]);
    assert_eq!(gone.get(), 0);
}

#[test]
fn a_loop_can_be_disabled_from_its_own_callback_and_updated() {
    let mut program = Program::new();
    let xen = new_loop();
    let hosted = Hosted::logging(xen.event_loop());
    let inserted = program.calloop.handle().insert_source(xen, |_, _, app| {
        let token = app.token.expect("set before the turn");
        app.handle.disable(&token).unwrap();
    });
    let token = inserted.unwrap();
    program.app.token = Some(token);
    hosted.due(1);
    program.turn();
    hosted.due(2);
    program.turn();
    assert_eq!(hosted.log(), [1]);
    program.calloop.handle().enable(&token).unwrap();
    program.calloop.handle().update(&token).unwrap();
    program.turn();
    assert_eq!(hosted.log(), [1, 2]);
}

#[test]
fn a_removed_loop_is_gone_and_leaves_the_event_loop() {
    let (mut program, event_loop) = Program::with_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop.clone());
    hosted.due(1);
    program.calloop.handle().remove(program.token());
    assert_eq!(gone.get(), 1);
    program.turn();
    assert!(!is_readable(&program.calloop, 0));
    assert!(hosted.log().is_empty(), "nothing is dispatched any more");
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1], "S6");
    drop(program);
    assert_eq!(gone.get(), 1);
}

#[test]
fn a_loop_removed_from_its_own_callback_is_gone_after_that_dispatch() {
    let mut program = Program::new();
    let xen = new_loop();
    let event_loop = xen.event_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop);
    let seen = gone.clone();
    let inserted = program.calloop.handle().insert_source(xen, move |_, _, app| {
        app.handle.remove(app.token.expect("set before the turn"));
        assert_eq!(seen.get(), 0, "it is still dispatching");
    });
    program.app.token = Some(inserted.unwrap());
    hosted.due(1);
    program.turn();
    assert_eq!(gone.get(), 1);
    hosted.due(2);
    program.turn();
    assert_eq!(hosted.log(), [1]);
}

#[test]
fn an_event_loop_that_ends_first_is_noticed() {
    let (program, event_loop) = Program::with_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop.clone());
    let Program { calloop, app } = program;
    drop(calloop);
    assert_eq!(gone.get(), 0, "calloop keeps its sources for the handle in the data");
    drop(app);
    assert_eq!(gone.get(), 1);
    hosted.due(1);
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1], "S6");
    assert_eq!(gone.get(), 1);
}

#[test]
fn a_loop_that_is_in_no_event_loop_is_gone_when_it_is_dropped() {
    let xen = new_loop();
    let event_loop = xen.event_loop();
    let gone = Count::of_gone(&*event_loop);
    assert_eq!(gone.get(), 0);
    drop(xen);
    assert_eq!(gone.get(), 1);
    let late = Count::of_gone(&*event_loop);
    assert_eq!(late.get(), 1, "who asks later is told at once");
}

#[test]
fn a_loop_inserted_twice_is_refused_and_stays_where_it_is() {
    let mut program = Program::new();
    let xen = new_loop();
    let event_loop = xen.event_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop);
    let dispatcher = Dispatcher::new(xen, |made, _: &mut (), app: &mut App| app.dispatches.push(made));
    let handle = program.calloop.handle();
    handle.register_dispatcher(dispatcher.clone()).unwrap();
    match handle.register_dispatcher(dispatcher) {
        Err(calloop::Error::IoError(error)) => assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists),
        other => panic!("{other:?}"),
    }
    hosted.due(1);
    program.turn();
    assert_eq!(hosted.log(), [1]);
    assert_eq!(gone.get(), 0);
}

#[test]
fn a_loop_moves_from_one_event_loop_to_another() {
    let (mut one, mut two) = (Program::new(), Program::new());
    let xen = new_loop();
    let event_loop = xen.event_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop);
    let dispatcher = Dispatcher::new(xen, |_, _: &mut (), _: &mut App| {});
    let token = one.calloop.handle().register_dispatcher(dispatcher.clone()).unwrap();
    hosted.due(1);
    one.turn();
    one.calloop.handle().remove(token);
    hosted.due(2);
    two.insert(Dispatcher::into_source_inner(dispatcher));
    one.turn();
    assert_eq!(hosted.log(), [1]);
    two.turn();
    assert_eq!(hosted.log(), [1, 2]);
    assert_eq!(gone.get(), 0);
}

#[test]
fn two_loops_share_an_event_loop() {
    let (mut program, event_loop) = Program::with_loop();
    let of_one = Hosted::logging(event_loop);
    let other = new_loop();
    let of_two = Hosted::logging(other.event_loop());
    program.insert(other);
    of_one.due(1);
    of_two.due(2);
    program.turn();
    program.calloop.handle().remove(program.token());
    of_two.due(3);
    program.turn();
    assert_eq!((of_one.log(), of_two.log()), (vec![1], vec![2, 3]));
}

#[test]
fn a_turn_inside_an_occurrence_serves_further_occurrences() {
    let (mut program, event_loop) = Program::with_loop();
    let hosted = Hosted::nesting(event_loop.clone(), move |_| event_loop.turn(None).unwrap());
    hosted.due(1);
    program.turn();
    assert_eq!(hosted.log(), [1, 2]);
}

#[test]
fn a_panic_in_an_occurrence_reaches_the_caller_and_the_loop_goes_on() {
    let (mut program, event_loop) = Program::with_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::panicking(event_loop);
    hosted.due(1);
    hosted.due(2);
    assert!(catch_unwind(AssertUnwindSafe(|| program.turn())).is_err());
    program.turn();
    assert_eq!(hosted.log(), [1, 2]);
    assert_eq!(gone.get(), 0);
}

#[test]
fn an_idle_loop_wakes_nobody() {
    let running = Running::start();
    let (occurred, told) = mpsc::channel();
    let hosted = Hosted::new(running.event_loop.clone(), move |value| _ = occurred.send(value));
    let quiet = eventfd(0);
    hosted.registry.register_fd(quiet.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
    hosted.registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(2)).unwrap();
    hosted.due(3);
    assert_eq!(told.recv_timeout(FOREVER), Ok(3), "it is at work");
    let sleeps = running.kernel_thread.sleeps();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(running.kernel_thread.sleeps(), sleeps);
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
    hosted.due(4);
    assert_eq!(told.recv_timeout(FOREVER), Ok(4), "it was asleep, not dead");
    assert!(running.kernel_thread.sleeps() > sleeps, "the count counts");
    running.stop();
}

#[test]
fn a_loop_can_be_sent_to_its_thread() {
    fn sent<T: Send + 'static>() {}
    sent::<LibxlSource>();
}
