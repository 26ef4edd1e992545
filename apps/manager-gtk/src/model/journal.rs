//! What has happened.

use crate::engine::{Change, Failure};
use crate::i18n::{gettext, with};
use crate::model::{DomainList, Task, TaskState};
use gtk::prelude::*;
use gtk::{gio, glib};

/// How many lines are kept.
const KEPT: u32 = 2000;

/// The lines, the oldest first, each with its time.
#[derive(Debug)]
pub(crate) struct Journal(gio::ListStore);

/// A list of strings of GTK's own can be made only once there is a screen.
impl Default for Journal {
    fn default() -> Self {
        Self(gio::ListStore::new::<gtk::StringObject>())
    }
}

impl Journal {
    pub(crate) fn lines(&self) -> &gio::ListStore {
        &self.0
    }

    /// Notes that something has happened.
    pub(crate) fn note(&self, what: &str) {
        let now = glib::DateTime::now_local().and_then(|now| now.format("%F %T")).unwrap_or_default();
        if self.0.n_items() == KEPT {
            self.0.remove(0);
        }
        self.0.append(&gtk::StringObject::new(&format!("{now}  {}", what.replace('\n', " "))));
    }

    /// Notes a change, which `before` does not have yet.
    pub(crate) fn note_change(&self, change: &Change, before: &DomainList) {
        let known = |domid| before.get(domid);
        match change {
            Change::Appeared(record) | Change::Changed(record) => {
                let last = known(record.domid);
                let state = last.as_ref().map(super::Domain::state);
                let name = record.name.clone().or_else(|| last.map(|domain| domain.name())).unwrap_or_default();
                if state != Some(record.state) {
                    self.note(&format!("{name}: {}", record.state.text()));
                }
            }
            Change::Gone(domid) => {
                let name = known(*domid).map(|domain| domain.name()).unwrap_or_default();
                self.note(&with(gettext("{name} is gone"), &[("name", &name)]));
            }
            Change::Stale(why) => self.note(&with(gettext("What is shown may be old: {why}"), &[("why", why)])),
            Change::Fresh => {}
        }
    }

    /// Notes how a task has ended.
    pub(crate) fn note_end(&self, task: &Task) {
        let end = match task.state() {
            TaskState::Done => gettext("Done"),
            TaskState::Aborted => gettext("Aborted"),
            _ => task.failure().map(|failure: Failure| failure.summary).unwrap_or_default(),
        };
        self.note(&format!("{}: {end}", task.title()));
    }

    /// All of it, as a file has it.
    pub(crate) fn text(&self) -> String {
        let lines = self.0.iter::<gtk::StringObject>().filter_map(Result::ok);
        lines.map(|line| format!("{}\n", line.string())).collect()
    }
}
