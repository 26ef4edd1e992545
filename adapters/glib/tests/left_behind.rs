//! What is left in the process. Alone in its program: it counts the process's fds.

use glib::MainContext;
use osevent_glib::LibxlSource;
use osevent_test_kit::{Count, open_fds};
use std::sync::mpsc;
use std::thread;

#[test]
fn a_loop_detached_while_its_context_ends_on_another_thread_is_safe_and_leaves_nothing() {
    // The fds of GLib itself come with its first context.
    drop(MainContext::new());
    let before = open_fds();
    for _ in 0..300 {
        let context = MainContext::new();
        let attached = LibxlSource::builder().attach(&context).expect("fds are free");
        let gone = Count::of_gone(&*attached.event_loop());
        let (ready, go) = mpsc::channel();
        let ender = thread::spawn(move || {
            ready.send(()).expect("the test waits for it");
            drop(context);
        });
        go.recv().expect("it is about to");
        drop(attached);
        ender.join().expect("it does not panic");
        assert_eq!(gone.get(), 1);
        assert_eq!(open_fds(), before, "nothing is left of the source");
    }
}
