//! What is at work, and what was.

use super::{Task, TaskState};
use crate::engine::{Failure, Work};
use gtk::gio;
use gtk::gio::prelude::*;
use gtk::gio::subclass::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use gtk::glib::subclass::Signal;
use std::sync::OnceLock;

glib::wrapper! {
    /// The tasks, the newest first. Those that are over stay for a while, to be looked at.
    pub(crate) struct TaskList(ObjectSubclass<imp::TaskList>);
}

/// How many that are over are kept.
const KEPT: usize = 50;

impl Default for TaskList {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl TaskList {
    /// The tasks as a list.
    pub(crate) fn model(&self) -> &gio::ListStore {
        &self.imp().tasks
    }

    /// Begins a task and waits for its end by itself. The same is not begun twice: then it is the one that has begun.
    pub(crate) fn run(&self, title: &str, subject: &str, begin: impl FnOnce() -> Work) -> Task {
        if let Some(task) = self.running().find(|task| task.title() == title && task.subject() == subject) {
            return task;
        }
        let work = begin();
        let task = Task::new(title, subject, &work);
        self.model().insert(0, &task);
        self.count();
        let working = glib::spawn_future_local(clone!(
            #[strong(rename_to = list)]
            self,
            #[strong]
            task,
            async move {
                let result = work.end().await;
                list.ended(&task, result);
            }
        ));
        task.set_working(working);
        task
    }

    /// Asks all to end early, and waits until they have ended.
    pub(crate) async fn abort_all(&self) {
        let running: Vec<_> = self.running().collect();
        running.iter().for_each(Task::abort);
        for task in running {
            task.ended().await;
        }
    }

    /// Those that are not over.
    pub(crate) fn running(&self) -> impl Iterator<Item = Task> {
        self.all().filter(|task| !task.state().is_over())
    }

    /// Whether none has failed or was aborted, or is at work.
    pub(crate) fn all_done(&self) -> bool {
        self.all().all(|task| task.state() == TaskState::Done)
    }

    /// Forgets those that are over.
    pub(crate) fn clear(&self) {
        self.model().retain(|task| task.downcast_ref::<Task>().is_some_and(|task| !task.state().is_over()));
    }

    /// Calls with each task that is over.
    pub(crate) fn connect_ended(&self, ended: impl Fn(&Task) + 'static) {
        self.connect_closure(ENDED, false, glib::closure_local!(move |_: &Self, task: &Task| ended(task)));
    }

    /// Calls with each task that fails.
    pub(crate) fn connect_failed(&self, failed: impl Fn(&Self, &Task, &Failure) + 'static) {
        self.connect_closure(
            FAILED,
            false,
            glib::closure_local!(move |list: &Self, task: &Task| {
                if let Some(failure) = task.failure() {
                    failed(list, task, &failure);
                }
            }),
        );
    }

    fn all(&self) -> impl Iterator<Item = Task> {
        self.model().snapshot().into_iter().filter_map(|task| task.downcast().ok())
    }

    fn ended(&self, task: &Task, result: Result<(), Failure>) {
        let failed = result.as_ref().is_err_and(|failure| !failure.is_abort);
        task.end(result);
        let over: Vec<_> = self.all().filter(|task| task.state().is_over()).skip(KEPT).collect();
        self.model().retain(|task| !over.iter().any(|over| over == task));
        self.count();
        self.emit_by_name::<()>(ENDED, &[task]);
        if failed {
            self.emit_by_name::<()>(FAILED, &[task]);
        }
    }

    fn count(&self) {
        let running = u32::try_from(self.running().count()).unwrap_or(u32::MAX);
        if self.count_running() != running {
            self.set_count_running(running);
        }
    }
}

const FAILED: &str = "failed";
const ENDED: &str = "ended";

mod imp {
    use super::*;
    use std::cell::Cell;

    #[derive(Debug, glib::Properties)]
    #[properties(wrapper_type = super::TaskList)]
    pub(crate) struct TaskList {
        pub(super) tasks: gio::ListStore,
        /// How many are not over.
        #[property(get, set)]
        count_running: Cell<u32>,
    }

    impl Default for TaskList {
        fn default() -> Self {
            Self { tasks: gio::ListStore::new::<Task>(), count_running: Cell::new(0) }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TaskList {
        const NAME: &'static str = "OseventManagerTaskList";
        type Type = super::TaskList;
    }

    #[glib::derived_properties]
    impl ObjectImpl for TaskList {
        fn signals() -> &'static [Signal] {
            static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
            SIGNALS.get_or_init(|| {
                let signal = |name| Signal::builder(name).param_types([Task::static_type()]).build();
                vec![signal(FAILED), signal(ENDED)]
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_a_context::{on_a_context, until};
    use std::cell::RefCell;
    use std::future::pending;
    use std::rc::Rc;

    #[test]
    fn a_failure_is_told_once_and_kept_and_an_abort_is_none() {
        on_a_context(async {
            let list = TaskList::default();
            let told = Rc::new(RefCell::new(Vec::new()));
            let heard = told.clone();
            list.connect_failed(move |_, task, failure| {
                heard.borrow_mut().push((task.title(), failure.summary.clone()));
            });
            list.run("good", "1", || Work::soon(async { Ok(()) }));
            list.run("bad", "1", || Work::soon(async { Err(Failure::new("no disk")) }));
            let aborted = Failure { is_abort: true, ..Failure::new("aborted") };
            list.run("unwanted", "1", || Work::soon(async { Err(aborted) }));
            assert_eq!(list.count_running(), 3);
            until(|| list.count_running() == 0).await;
            assert_eq!(told.take(), [("bad".to_owned(), "no disk".to_owned())]);
            let states: Vec<_> = list.all().map(|task| task.state()).collect();
            assert_eq!(states, [TaskState::Aborted, TaskState::Failed, TaskState::Done]);
        });
    }

    #[test]
    fn the_same_is_not_begun_twice_and_what_is_at_work_is_not_cleared() {
        on_a_context(async {
            let list = TaskList::default();
            list.run("pause", "1", || Work::soon(pending()));
            list.run("pause", "1", || unreachable!("it is at work"));
            list.run("pause", "2", || Work::soon(async { Ok(()) }));
            until(|| list.count_running() == 1).await;
            list.clear();
            assert_eq!(list.all().map(|task| task.subject()).collect::<Vec<_>>(), ["1"]);
        });
    }
}
