//! How long the main loop is busy at a time while domains come and go: `osevent-manager --demo --measure`, in a release build.
//!
//! A source of high priority wants to be called each millisecond. How much later it is called is how long the loop was busy, or the
//! process was not scheduled: hence the processor time of the thread beside it, and the same without work.

use crate::engine::{Action, Draft, Kind};
use crate::model::Session;
use gtk::glib;
use gtk::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many domains come and go.
const COMING: u32 = 20;
const ROUNDS: u32 = 5;
const IDLE: Duration = Duration::from_secs(5);
const EACH: Duration = Duration::from_millis(1);

/// Measures, prints, and ends the program.
pub(crate) fn begin(application: &adw::Application, session: &Session) {
    let (application, session) = (application.clone(), session.clone());
    glib::spawn_future_local(async move {
        glib::timeout_future(IDLE).await;
        println!("longest time between two turns of the main loop, and processor time of its thread in one");
        for round in 1..=ROUNDS {
            let idle = during(glib::timeout_future(IDLE)).await;
            let at_work = during(come_and_go(&session)).await;
            println!("round {round}: idle {idle}; {COMING} domains created and destroyed {at_work}");
        }
        application.windows().iter().for_each(gtk::Window::destroy);
    });
}

/// The longest of some gaps.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    gap: Duration,
    of_thread: Duration,
    turns: u32,
}

impl std::fmt::Display for Longest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [gap, of_thread] = [self.gap, self.of_thread].map(|time| time.as_secs_f64() * 1000.0);
        write!(f, "{gap:.1} ms ({of_thread:.1} ms, {} turns)", self.turns)
    }
}

async fn during(work: impl Future<Output = ()>) -> Longest {
    let longest = Rc::new(Cell::new(Longest::default()));
    let told = longest.clone();
    let (mut last, mut last_of_thread) = (Instant::now(), thread_time());
    let source = glib::timeout_add_local_full(EACH, glib::Priority::HIGH, move || {
        let (now, of_thread) = (Instant::now(), thread_time());
        let Longest { gap, of_thread: most, turns } = told.get();
        told.set(Longest {
            gap: gap.max((now - last).saturating_sub(EACH)),
            of_thread: most.max(of_thread.saturating_sub(last_of_thread)),
            turns: turns + 1,
        });
        (last, last_of_thread) = (now, of_thread);
        glib::ControlFlow::Continue
    });
    work.await;
    source.remove();
    longest.get()
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// As its user would have it: by tasks, in a window that shows them.
async fn come_and_go(session: &Session) {
    let names: Vec<_> = (1..=COMING).map(|number| format!("coming-{number}")).collect();
    for name in &names {
        let kernel = Draft::suggested_kernel();
        let draft = Draft { name: name.clone(), kind: Kind::Pvh, memory_mib: 16, vcpus: 1, kernel, ..Draft::default() };
        let config = draft.config(|_| false).expect("all is filled in");
        session.create(config);
    }
    until_done(session).await;
    let are_listed = |listed: bool| names.iter().all(|name| session.domains().has_name(name) == listed);
    // The list may be a little late.
    until(|| are_listed(true)).await;
    for name in &names {
        let domain = session.domains().find(name).expect("it was created");
        session.act(&domain, Action::Destroy);
    }
    until_done(session).await;
    until(|| are_listed(false)).await;
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        glib::timeout_future(EACH).await;
    }
}

async fn until_done(session: &Session) {
    until(|| session.tasks().count_running() == 0).await;
    assert!(session.tasks().all_done(), "a task has failed");
}
