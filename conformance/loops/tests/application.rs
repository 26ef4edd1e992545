//! What an application does on its loop besides osevent.

use glib::Priority;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::{Application, CalloopHost, GlibHost, SmolHost};
use osevent_test_kit::busy::BusyClient;
use osevent_test_kit::{FOREVER, eventfd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

fn all() -> [Box<dyn Application>; 3] {
    [
        Box::new(GlibHost::start(Priority::DEFAULT).expect("a loop")),
        Box::new(CalloopHost::start().expect("a loop")),
        Box::new(SmolHost::start().expect("a loop")),
    ]
}

fn next<T>(told: &Receiver<T>) -> T {
    told.recv_timeout(FOREVER).expect("it comes")
}

#[test]
fn an_application_is_called_on_the_loops_thread_each_time() {
    for application in all() {
        let (invoked, watched, ticked) = (channel(), channel(), channel());
        let fd = Arc::new(eventfd(1));
        application.invoke(Box::new(move || invoked.0.send(thread::current().id()).unwrap())).unwrap();
        application.watch(fd, Box::new(move || _ = watched.0.send(thread::current().id()))).unwrap();
        let every = Duration::from_millis(1);
        application.tick(every, Box::new(move |_| _ = ticked.0.send(thread::current().id()))).unwrap();
        assert_eq!(next(&invoked.1), application.thread());
        for told in [watched.1, ticked.1] {
            assert_eq!([(); 3].map(|()| next(&told)), [application.thread(); 3]);
        }
    }
}

#[test]
fn a_tick_says_how_late_it_came() {
    const EVERY: Duration = Duration::from_millis(1);
    const STANDS_STILL: Duration = Duration::from_millis(20);
    for application in all() {
        let (late, begun, goes_on) = (channel(), channel(), channel::<()>());
        application.tick(EVERY, Box::new(move |by| _ = late.0.send(by))).unwrap();
        next(&late.1);
        let act = move || {
            begun.0.send(()).unwrap();
            goes_on.1.recv().unwrap();
        };
        application.invoke(Box::new(act)).unwrap();
        next(&begun.1);
        late.1.try_iter().for_each(drop);
        thread::sleep(STANDS_STILL);
        goes_on.0.send(()).unwrap();
        assert!(next(&late.1) >= STANDS_STILL - EVERY);
    }
}

#[test]
fn what_an_application_has_on_its_loop_goes_with_it() {
    for application in all() {
        let held = Arc::new(());
        let fd = Arc::new(eventfd(1));
        let (sender, told) = channel();
        let (of_watch, of_tick) = (held.clone(), held.clone());
        application.watch(fd.clone(), Box::new(move || drop(of_watch.clone()))).unwrap();
        let ticked = move |_| {
            let _held = &of_tick;
            let _ = sender.send(());
        };
        application.tick(Duration::from_millis(1), Box::new(ticked)).unwrap();
        // The second comes from a timer that the first has set.
        let _ = [(); 2].map(|()| next(&told));
        application.end();
        assert_eq!((Arc::strong_count(&held), Arc::strong_count(&fd)), (1, 1));
        assert!(application.invoke(Box::new(|| unreachable!("the loop has ended"))).is_err());
    }
}

#[test]
fn a_loop_whose_application_always_has_work_does_what_it_is_told_and_ends() {
    for application in all() {
        let fd = Arc::new(eventfd(1));
        let (sender, told) = channel();
        let mut worked = Some(sender.clone());
        let work = move || worked.take().into_iter().for_each(|worked| worked.send("works").unwrap());
        application.watch(fd, Box::new(work)).unwrap();
        assert_eq!(next(&told), "works");
        // On another thread, so that the test fails if the loop does not end.
        thread::spawn(move || {
            let invoked = sender.clone();
            application.invoke(Box::new(move || invoked.send("is told").unwrap())).unwrap();
            application.end();
            sender.send("has ended").unwrap();
        });
        assert_eq!((next(&told), next(&told)), ("is told", "has ended"));
    }
}

#[test]
fn glib_gives_an_attachment_its_programs_priority() {
    for (priority, is_served) in [(Priority::DEFAULT, true), (Priority::LOW, false)] {
        let application = GlibHost::start(priority).unwrap();
        let fd = Arc::new(eventfd(1));
        let (sender, told) = channel();
        application.watch(fd, Box::new(move || _ = sender.send(()))).unwrap();
        next(&told);
        let attached = application.attach().unwrap();
        let client = BusyClient::on(attached.event_loop.clone());
        // Calls before it was there do not count.
        told.try_iter().for_each(drop);
        (0..100).for_each(|_| next(&told));
        assert_eq!(client.take_occurrences() > 0, is_served, "{priority:?}");
    }
}
