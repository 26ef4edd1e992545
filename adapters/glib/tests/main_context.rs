//! A reactor on real main contexts.

use glib::{ControlFlow, MainContext, MainLoop, Priority};
use osevent_core::{ClientValue, Deadline, Interest};
use osevent_glib::LibxlSource;
use osevent_test_kit::{Count, FOREVER, Hosted, eventfd};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

fn attached(context: &MainContext) -> LibxlSource {
    LibxlSource::builder().attach(context).expect("fds are free")
}

/// Iterates until `done`, waiting in between.
fn iterate_until(context: &MainContext, done: impl Fn() -> bool) {
    let late = Arc::new(AtomicBool::new(false));
    let alarm = glib::timeout_source_new(FOREVER, None, Priority::HIGH, {
        let late = late.clone();
        move || {
            late.store(true, Ordering::Relaxed);
            ControlFlow::Break
        }
    });
    alarm.attach(Some(context));
    while !done() {
        context.iteration(true);
        assert!(!late.load(Ordering::Relaxed), "nothing wakes the context");
    }
    alarm.destroy();
}

/// A context that runs on a thread of its own until the returned function is called.
fn running() -> (MainContext, impl FnOnce() -> ThreadId) {
    let context = MainContext::new();
    let main_loop = MainLoop::new(Some(&context), false);
    let runner = thread::spawn({
        let main_loop = main_loop.clone();
        move || {
            main_loop.run();
            thread::current().id()
        }
    });
    let (runs, started) = mpsc::channel();
    context.invoke(move || runs.send(()).expect("the test waits for it"));
    started.recv_timeout(FOREVER).expect("it runs");
    let stop = move || {
        main_loop.quit();
        runner.join().expect("it does not panic")
    };
    (context, stop)
}

#[test]
fn occurrences_are_made_on_the_thread_that_runs_the_context() {
    let (context, stop) = running();
    let (occurred, told) = mpsc::channel();
    // Attached from here, while it sleeps over there (R9).
    let attached = attached(&context);
    let ready = eventfd(1);
    let hosted = Hosted::new(attached.event_loop(), move |value| _ = occurred.send(value));
    hosted.due(1);
    assert_eq!(told.recv_timeout(FOREVER), Ok(1));
    hosted.registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(2)).unwrap();
    assert_eq!(told.recv_timeout(FOREVER), Ok(2));
    assert_eq!(told.recv_timeout(FOREVER), Ok(2), "O10");
    hosted.registry.close();
    assert!(hosted.is_served_by(stop()));
}

#[test]
fn r9_a_timer_hurried_from_another_thread_wakes_the_context() {
    let (context, stop) = running();
    let (occurred, told) = mpsc::channel();
    let attached = attached(&context);
    let hosted = Hosted::new(attached.event_loop(), move |value| _ = occurred.send(value));
    let token = hosted.registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(1)).unwrap();
    assert_eq!(told.recv_timeout(Duration::from_millis(20)), Err(mpsc::RecvTimeoutError::Timeout));
    hosted.registry.modify_timeout(token.to_handle(), Deadline::ASAP).unwrap();
    assert_eq!(told.recv_timeout(FOREVER), Ok(1));
    stop();
}

#[test]
fn the_priority_orders_it_among_other_sources() {
    for (priority, before) in [(Priority::HIGH, true), (Priority::LOW, false)] {
        let context = MainContext::new();
        let attached = LibxlSource::builder().priority(priority).attach(&context).unwrap();
        let order = Arc::new(Mutex::new(vec![]));
        let hosted = Hosted::new(attached.event_loop(), {
            let order = order.clone();
            move |_| order.lock().unwrap().push("reactor")
        });
        let idle = glib::idle_source_new(None, Priority::DEFAULT, {
            let order = order.clone();
            move || {
                order.lock().unwrap().push("idle");
                ControlFlow::Break
            }
        });
        idle.attach(Some(&context));
        let ready = eventfd(1);
        let token = hosted.registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
        while order.lock().unwrap().len() < 2 {
            assert!(context.iteration(false));
            if order.lock().unwrap().last() == Some(&"reactor") {
                let _ = hosted.registry.modify_fd(token.to_handle(), ready.as_raw_fd(), Interest::NONE);
            }
        }
        let expected = if before { ["reactor", "idle"] } else { ["idle", "reactor"] };
        assert_eq!(*order.lock().unwrap(), expected);
    }
}

#[test]
fn the_source_has_the_name_and_can_recurse() {
    let context = MainContext::new();
    let seen = Arc::new(Mutex::new(None));
    let attached = LibxlSource::builder().name("libxl of dom0").priority(Priority::LOW).attach(&context).unwrap();
    let hosted = Hosted::new(attached.event_loop(), {
        let seen = seen.clone();
        move |_| {
            let source = current_source();
            *seen.lock().unwrap() = Some((source.name().map(String::from), source.priority(), source.can_recurse()));
        }
    });
    hosted.due(1);
    iterate_until(&context, || seen.lock().unwrap().is_some());
    let expected = (Some("libxl of dom0".to_owned()), 300, true);
    assert_eq!(seen.lock().unwrap().take(), Some(expected));
}

/// Inside a dispatch only.
fn current_source() -> glib::Source {
    // SAFETY: the source is being dispatched on this thread, so GLib returns it and it is alive; a reference is added.
    unsafe { glib::translate::from_glib_none(glib::ffi::g_main_current_source()) }
}

#[test]
fn a_main_loop_inside_an_occurrence_serves_further_occurrences() {
    let context = MainContext::new();
    let attached = attached(&context);
    let hosted = Hosted::nesting(attached.event_loop(), {
        let context = context.clone();
        move |served| iterate_until(&context, served)
    });
    hosted.due(1);
    iterate_until(&context, || !hosted.log().is_empty());
    assert_eq!(hosted.log(), [1, 2]);
}

#[test]
fn a_client_keeps_its_loop_on_the_context_though_the_handle_is_dropped() {
    let context = MainContext::new();
    let before = polled_fds(&context);
    // As in a function that sets a program up, and returns.
    let hosted = {
        let attached = attached(&context);
        Hosted::logging(attached.event_loop())
    };
    let gone = Count::of_gone(&**hosted.registry.event_loop());
    hosted.due(1);
    iterate_until(&context, || !hosted.log().is_empty());
    assert_eq!(gone.get(), 0);
    hosted.registry.close();
    drop(hosted);
    assert_eq!(gone.get(), 1, "nobody needs it any more");
    drain(&context);
    assert_eq!(polled_fds(&context), before);
}

/// How many fds the context waits for: its own, and those of its sources.
fn polled_fds(context: &MainContext) -> i32 {
    let _acquired = context.acquire().expect("nobody else has it");
    let mut timeout = 0;
    // SAFETY: the context is alive, and this thread owns it; no array is given, and the number is written during the call.
    unsafe {
        let context = glib::translate::ToGlibPtr::to_glib_none(context).0;
        glib::ffi::g_main_context_query(context, i32::MAX, &mut timeout, std::ptr::null_mut(), 0)
    }
}

#[test]
fn a_detached_loop_is_gone_at_once_and_its_source_at_the_next_iteration() {
    let context = MainContext::new();
    let before = polled_fds(&context);
    let attached = attached(&context);
    let event_loop = attached.event_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop.clone());
    hosted.due(1);
    attached.detach();
    assert_eq!(gone.get(), 1);
    assert!(polled_fds(&context) > before);
    while context.iteration(false) {}
    assert!(hosted.log().is_empty(), "nothing is dispatched any more");
    assert_eq!(polled_fds(&context), before, "the source has gone");
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1], "S6");
    assert_eq!(gone.get(), 1);
}

#[test]
fn s5_a_dropped_loop_leaves_the_context_though_a_forked_child_holds_its_fds() {
    let context = MainContext::new();
    let before = polled_fds(&context);
    let attached = attached(&context);
    // SAFETY: the child makes two system calls that are legal after fork, and never returns from here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: takes no pointers.
        unsafe { libc::pause() };
        // SAFETY: takes no pointers.
        unsafe { libc::_exit(0) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    drop(attached);
    drain(&context);
    let polled = polled_fds(&context);
    // SAFETY: our own child, not waited for yet.
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
    // SAFETY: as above; its status is not asked for.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    assert_eq!(polled, before, "the source has gone");
}

#[test]
fn attaching_and_detaching_from_other_threads_while_the_context_runs_and_a_client_is_busy() {
    let (context, stop) = running();
    let ready = Arc::new(eventfd(1));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let (occurred, told) = mpsc::channel();
                    let attached = attached(&context);
                    let event_loop = attached.event_loop();
                    let gone = Count::of_gone(&*event_loop);
                    let hosted = Hosted::new(event_loop, move |_| _ = occurred.send(()));
                    hosted.registry.register_fd(ready.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
                    told.recv_timeout(FOREVER).expect("it is dispatched");
                    attached.detach();
                    assert_eq!(gone.get(), 1);
                    hosted.registry.close();
                }
            });
        }
    });
    stop();
    drain(&context);
}

/// Whatever is left to do is done, and then there is nothing: no source keeps the context busy.
fn drain(context: &MainContext) {
    let started = Instant::now();
    while context.iteration(false) {
        assert!(started.elapsed() < FOREVER, "something spins");
    }
}

#[test]
fn a_context_that_ends_first_is_noticed() {
    let context = MainContext::new();
    let attached = attached(&context);
    let event_loop = attached.event_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::logging(event_loop.clone());
    assert_eq!(gone.get(), 0);
    drop(context);
    assert_eq!(gone.get(), 1);
    hosted.due(1);
    event_loop.turn(None).unwrap();
    assert_eq!(hosted.log(), [1], "S6");
    drop(attached);
    assert_eq!(gone.get(), 1);
}

#[test]
fn a_source_that_somebody_destroys_is_noticed() {
    let context = MainContext::new();
    let attached = attached(&context);
    let event_loop = attached.event_loop();
    let gone = Count::of_gone(&*event_loop);
    let hosted = Hosted::new(event_loop.clone(), |_| current_source().destroy());
    hosted.due(1);
    iterate_until(&context, || !hosted.log().is_empty());
    assert_eq!(gone.get(), 1);
    hosted.due(2);
    drain(&context);
    assert_eq!(hosted.log(), [1]);
}

#[test]
fn two_reactors_share_a_context() {
    let context = MainContext::new();
    let [one, two] = [attached(&context), attached(&context)];
    let of_one = Hosted::logging(one.event_loop());
    let of_two = Hosted::logging(two.event_loop());
    of_one.due(1);
    of_two.due(2);
    iterate_until(&context, || !of_one.log().is_empty() && !of_two.log().is_empty());
    one.detach();
    of_two.due(3);
    iterate_until(&context, || of_two.log().len() == 2);
    assert_eq!((of_one.log(), of_two.log()), (vec![1], vec![2, 3]));
}

#[test]
fn a_panic_in_an_occurrence_does_not_reach_glib_nor_end_the_loop() {
    let context = MainContext::new();
    let attached = attached(&context);
    let gone = Count::of_gone(&*attached.event_loop());
    let hosted = Hosted::panicking(attached.event_loop());
    hosted.due(1);
    hosted.due(2);
    iterate_until(&context, || hosted.log().len() == 2);
    assert_eq!(hosted.log(), [1, 2]);
    assert_eq!(gone.get(), 0);
}

#[test]
fn a_panic_in_a_gone_handler_does_not_reach_glib() {
    let context = MainContext::new();
    let attached = attached(&context);
    attached.event_loop().on_gone(Box::new(|| std::panic::resume_unwind(Box::new("planted"))));
    drop(context);
}

#[test]
fn an_idle_reactor_costs_the_context_nothing() {
    let context = MainContext::new();
    let attached = attached(&context);
    let hosted = Hosted::logging(attached.event_loop());
    let quiet = eventfd(0);
    hosted.registry.register_fd(quiet.as_raw_fd(), Interest::IN, ClientValue(1)).unwrap();
    hosted.registry.register_timeout(Deadline::from_micros(i64::MAX), ClientValue(2)).unwrap();
    // What attaching and registering left to do, if anything.
    drain(&context);
    for _ in 0..10 {
        assert!(!context.pending());
        assert!(!context.iteration(false));
    }
    assert!(hosted.log().is_empty());
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<LibxlSource>();
    shared::<osevent_glib::Builder>();
}
