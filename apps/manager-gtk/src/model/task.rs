//! A long operation.

use crate::engine::{Failure, Work};
use gtk::glib;
use gtk::glib::prelude::*;
use gtk::glib::subclass::prelude::*;

glib::wrapper! {
    /// Work on the host, from its begin to its end and after.
    pub(crate) struct Task(ObjectSubclass<imp::Task>);
}

/// Where a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "OseventManagerTaskState")]
pub(crate) enum TaskState {
    #[default]
    Running,
    /// It was asked to end early, and has not ended.
    Aborting,
    Done,
    Failed,
    Aborted,
}

impl TaskState {
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Aborted)
    }
}

impl Task {
    /// `subject` is what it is about: no second task with the same subject and title is begun beside it.
    pub(crate) fn new(title: &str, subject: &str, work: &Work) -> Self {
        let task: Self = glib::Object::builder().property("title", title).property("subject", subject).build();
        let shown = task.downgrade();
        work.on_percent(move |percent| {
            shown.upgrade().into_iter().for_each(|task| task.set_percent(u32::from(percent)))
        });
        let settled = task.downgrade();
        work.on_settled(move || settled.upgrade().into_iter().for_each(|task| task.set_can_abort(false)));
        task.imp().aborter.replace(work.aborter());
        task.set_can_abort(task.imp().aborter.borrow().is_some());
        task
    }

    /// Asks it to end early, if it can.
    pub(crate) fn abort(&self) {
        let aborter = self.imp().aborter.borrow().clone();
        if let Some(abort) = aborter.filter(|_| self.can_abort()) {
            self.set_state(TaskState::Aborting);
            self.set_can_abort(false);
            abort();
        }
    }

    /// What it failed with.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.imp().failure.borrow().clone()
    }

    /// What returns when it has ended.
    pub(super) fn set_working(&self, working: glib::JoinHandle<()>) {
        self.imp().working.replace(Some(working));
    }

    /// Waits for its end. One waits only.
    pub(super) async fn ended(&self) {
        let working = self.imp().working.take();
        if let Some(working) = working {
            // What was cancelled has ended, too.
            let _ = working.await;
        }
    }

    /// Notes how it has ended.
    pub(super) fn end(&self, result: Result<(), Failure>) {
        self.imp().aborter.take();
        self.set_can_abort(false);
        let state = match &result {
            Ok(()) => TaskState::Done,
            Err(failure) if failure.is_abort => TaskState::Aborted,
            Err(_) => TaskState::Failed,
        };
        // Whoever is told of the state asks for it.
        self.imp().failure.replace(result.err());
        self.set_state(state);
    }
}

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::Task)]
    pub(crate) struct Task {
        #[property(get, construct_only)]
        title: RefCell<String>,
        #[property(get, construct_only)]
        subject: RefCell<String>,
        #[property(get, set, builder(TaskState::default()))]
        state: Cell<TaskState>,
        #[property(get, set)]
        can_abort: Cell<bool>,
        /// Of its present step; 0 if nothing is known.
        #[property(get, set)]
        percent: Cell<u32>,
        pub(super) aborter: RefCell<Option<Rc<dyn Fn()>>>,
        pub(super) failure: RefCell<Option<Failure>>,
        pub(super) working: RefCell<Option<glib::JoinHandle<()>>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Task {
        const NAME: &'static str = "OseventManagerTask";
        type Type = super::Task;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Task {}
}
