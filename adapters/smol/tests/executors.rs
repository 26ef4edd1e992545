//! A reactor as a task of real executors.

use futures_lite::future::{or, poll_once, yield_now};
use osevent_core::{ClientValue, Deadline, EventLoop, Interest};
use osevent_smol::LibxlSource;
use osevent_test_kit::{Count, FOREVER, Hosted, KernelThread, eventfd};
use smol::channel::{Receiver, unbounded};
use smol::{Executor, LocalExecutor, Task, Timer};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

fn new_loop() -> (LibxlSource, Arc<dyn EventLoop>) {
    let xen = LibxlSource::new().expect("fds are free");
    let event_loop = xen.event_loop();
    (xen, event_loop)
}

/// A client, and what gets each occurrence's value.
fn telling(event_loop: Arc<dyn EventLoop>) -> (Hosted, Receiver<u64>) {
    let (occurred, told) = unbounded();
    (Hosted::new(event_loop, move |value| _ = occurred.try_send(value)), told)
}

/// The next value, which comes in time.
async fn next(told: &Receiver<u64>) -> u64 {
    let late = async {
        Timer::after(FOREVER).await;
        panic!("nothing wakes the task")
    };
    or(async { told.recv().await.expect("the client is there") }, late).await
}

/// What a client needs, wherever the loop is polled: registrations made here, and by a thread while it sleeps (R9).
async fn is_served(event_loop: Arc<dyn EventLoop>) {
    let (hosted, told) = telling(event_loop);
    hosted.due(1);
    assert_eq!(next(&told).await, 1);
    let ready = eventfd(1);
    let (fd, registry) = (ready.as_raw_fd(), hosted.registry.clone());
    let registering = once_asleep(move || {
        registry.register_fd(fd, Interest::IN, ClientValue(2)).unwrap();
    });
    assert_eq!(next(&told).await, 2);
    assert_eq!(next(&told).await, 2, "O10");
    registering.join().expect("it does not panic");
    hosted.registry.close();
}

/// Runs `work` on a thread of its own as soon as this one sleeps.
fn once_asleep(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let me = KernelThread::current();
    thread::spawn(move || {
        me.sleeps();
        work();
    })
}

/// An executor's program which never ends by itself.
async fn forever(xen: LibxlSource) {
    let error = xen.await;
    panic!("the loop ended: {error}");
}

#[test]
fn it_is_served_by_block_on_alone() {
    let (xen, event_loop) = new_loop();
    smol::block_on(or(is_served(event_loop), forever(xen)));
}

#[test]
fn it_is_served_by_a_local_executor() {
    let executor = LocalExecutor::new();
    let (xen, event_loop) = new_loop();
    executor.spawn(xen).detach();
    smol::block_on(executor.run(is_served(event_loop)));
}

#[test]
fn it_is_served_by_an_executor_on_several_threads() {
    let executor = Arc::new(Executor::new());
    let (stop, stopped) = unbounded::<()>();
    let (xen, event_loop) = new_loop();
    executor.spawn(xen).detach();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| smol::block_on(executor.run(stopped.recv())));
        }
        // Its waiting task runs elsewhere, where nothing is dispatched.
        smol::block_on(is_served(event_loop));
        drop(stop);
    });
}

#[test]
fn it_is_served_by_an_executor_that_knows_nothing_of_async_io() {
    let (xen, event_loop) = new_loop();
    futures_lite::future::block_on(or(is_served(event_loop), forever(xen)));
}

#[test]
fn it_is_served_by_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it needs nothing");
    let (xen, event_loop) = new_loop();
    let driving = runtime.spawn(xen);
    runtime.block_on(is_served(event_loop.clone()));
    let gone = Count::of_gone(&*event_loop);
    driving.abort();
    assert!(runtime.block_on(driving).expect_err("it was aborted").is_cancelled());
    assert_eq!(gone.get(), 1);
}

#[test]
fn r9_a_timer_hurried_from_another_thread_wakes_the_task() {
    let (xen, event_loop) = new_loop();
    let (hosted, told) = telling(event_loop);
    let token = hosted.registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(1)).unwrap();
    let registry = hosted.registry.clone();
    let hurrying = once_asleep(move || registry.modify_timeout(token.to_handle(), Deadline::ASAP).unwrap());
    let hurried = async { assert_eq!(next(&told).await, 1) };
    smol::block_on(or(forever(xen), hurried));
    hurrying.join().expect("it does not panic");
}

#[test]
fn a_cancelled_task_is_a_loop_that_is_gone() {
    let executor = LocalExecutor::new();
    let (xen, event_loop) = new_loop();
    let gone = Count::of_gone(&*event_loop);
    let (hosted, told) = telling(event_loop.clone());
    let driving = executor.spawn(xen);
    smol::block_on(executor.run(async {
        hosted.due(1);
        assert_eq!(next(&told).await, 1);
        assert_eq!(gone.get(), 0);
        assert!(driving.cancel().await.is_none());
        assert_eq!(gone.get(), 1);
        hosted.due(2);
        yield_now().await;
    }));
    assert_eq!(hosted.log(), [1], "nothing is dispatched any more");
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1, 2], "S6");
    drop(executor);
    assert_eq!(gone.get(), 1);
}

#[test]
fn a_loop_dropped_in_any_state_is_gone_once_and_loses_nothing() {
    for polls in 0..4 {
        for due in [false, true] {
            let (mut xen, event_loop) = new_loop();
            let gone = Count::of_gone(&*event_loop);
            let hosted = Hosted::logging(event_loop.clone());
            let ready = eventfd(1);
            for _ in 0..polls {
                assert!(smol::block_on(poll_once(&mut xen)).is_none());
                // Ready, and perhaps noticed by async-io, perhaps not.
                hosted.registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(2)).unwrap();
            }
            if due {
                hosted.due(1);
            }
            drop(xen);
            assert_eq!(gone.get(), 1, "{polls} polls, due: {due}");
            let before = hosted.log().len();
            hosted.due(3);
            event_loop.turn(None).unwrap();
            assert_eq!(hosted.log()[before..].iter().filter(|value| **value != 2).count(), 1 + usize::from(due));
            assert_eq!(gone.get(), 1);
        }
    }
}

#[test]
fn an_executor_that_ends_first_is_noticed() {
    let (xen, event_loop) = new_loop();
    let gone = Count::of_gone(&*event_loop);
    let executor = Executor::new();
    executor.spawn(xen).detach();
    while executor.try_tick() {}
    assert_eq!(gone.get(), 0);
    drop(executor);
    assert_eq!(gone.get(), 1);
    let hosted = Hosted::logging(event_loop.clone());
    hosted.due(1);
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1], "S6");
}

#[test]
fn a_task_cancelled_from_inside_its_own_occurrence_is_gone_after_it() {
    let executor = Executor::new();
    let (xen, event_loop) = new_loop();
    let gone = Count::of_gone(&*event_loop);
    let driving = Arc::new(Mutex::new(None::<Task<_>>));
    let (cancelled, told) = unbounded();
    let hosted = Hosted::new(event_loop, {
        let (driving, gone) = (driving.clone(), gone.clone());
        move |_| {
            drop(driving.lock().unwrap().take());
            assert_eq!(gone.get(), 0, "it is still dispatching");
            _ = cancelled.try_send(1);
        }
    });
    *driving.lock().unwrap() = Some(executor.spawn(xen));
    hosted.due(1);
    smol::block_on(executor.run(async { assert_eq!(next(&told).await, 1) }));
    while executor.try_tick() {}
    assert_eq!(gone.get(), 1);
    assert_eq!(hosted.log(), [1]);
}

#[test]
fn a_loop_moves_between_threads_and_executors() {
    let (mut xen, event_loop) = new_loop();
    let gone = Count::of_gone(&*event_loop);
    let (hosted, told) = telling(event_loop);
    for value in 0..20 {
        hosted.due(value);
        let told = &told;
        xen = thread::scope(|scope| {
            let polling = scope.spawn(move || {
                let got = async { assert_eq!(next(told).await, value) };
                let driven = async {
                    (&mut xen).await;
                };
                // By turns under async-io's own executor and another.
                if value % 2 == 0 {
                    smol::block_on(or(driven, got));
                } else {
                    futures_lite::future::block_on(or(driven, got));
                }
                xen
            });
            polling.join().expect("it does not panic")
        });
    }
    assert_eq!(hosted.log(), (0..20).collect::<Vec<_>>());
    assert_eq!(gone.get(), 0);
}

#[test]
fn two_loops_share_an_executor() {
    let executor = LocalExecutor::new();
    let (one, loop_of_one) = new_loop();
    let (two, loop_of_two) = new_loop();
    let (of_one, told_one) = telling(loop_of_one);
    let (of_two, told_two) = telling(loop_of_two);
    let one = executor.spawn(one);
    executor.spawn(two).detach();
    smol::block_on(executor.run(async {
        of_one.due(1);
        of_two.due(2);
        assert_eq!((next(&told_one).await, next(&told_two).await), (1, 2));
        one.cancel().await;
        of_two.due(3);
        assert_eq!(next(&told_two).await, 3);
    }));
    assert_eq!((of_one.log(), of_two.log()), (vec![1], vec![2, 3]));
}

#[test]
fn a_turn_inside_an_occurrence_serves_further_occurrences() {
    let (mut xen, event_loop) = new_loop();
    let hosted = Hosted::nesting(event_loop.clone(), move |_| event_loop.turn(None).unwrap());
    hosted.due(1);
    assert!(smol::block_on(poll_once(&mut xen)).is_none());
    assert_eq!(hosted.log(), [1, 2]);
}

#[test]
fn a_panic_in_an_occurrence_ends_the_task_and_only_that_occurrence_is_lost() {
    let (xen, event_loop) = new_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::panicking(event_loop.clone());
    hosted.due(1);
    hosted.due(2);
    let executor = LocalExecutor::new();
    let driving = executor.spawn(xen);
    assert!(catch_unwind(AssertUnwindSafe(|| smol::block_on(executor.run(driving)))).is_err());
    assert_eq!(gone.get(), 1);
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1, 2]);
}

#[test]
fn who_catches_a_panic_may_poll_again() {
    let (mut xen, event_loop) = new_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::panicking(event_loop);
    hosted.due(1);
    hosted.due(2);
    assert!(catch_unwind(AssertUnwindSafe(|| smol::block_on(poll_once(&mut xen)))).is_err());
    assert!(smol::block_on(poll_once(&mut xen)).is_none());
    assert_eq!(hosted.log(), [1, 2]);
    assert_eq!(gone.get(), 0);
}

#[test]
fn the_future_can_be_spawned_anywhere() {
    fn spawned<T: Future + Send + Sync + Unpin + 'static>() {}
    spawned::<LibxlSource>();
}
