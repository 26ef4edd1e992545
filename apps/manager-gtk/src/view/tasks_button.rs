//! What is at work, and what was.

use super::{accessible, pages};
use crate::i18n::{gettext, with};
use crate::model::{Task, TaskList, TaskState};
use gtk::glib::clone;
use gtk::prelude::*;
use gtk::{gio, glib, pango};

/// A button that opens the list of tasks. `details` shows why one has failed.
pub(super) fn tasks_button(tasks: &TaskList, details: impl Fn(&Task) + Clone + 'static) -> gtk::MenuButton {
    let list = gtk::ListBox::builder().selection_mode(gtk::SelectionMode::None).build();
    accessible::label(&list, &gettext("Tasks"));
    let nothing = gtk::Label::builder().label(gettext("Nothing is or was at work")).margin_top(24).margin_bottom(24);
    list.set_placeholder(Some(&nothing.build()));
    let clear = gtk::Button::with_label(&gettext("Clear Finished"));
    clear.connect_clicked(clone!(
        #[weak]
        tasks,
        move |_| tasks.clear()
    ));
    let content = gtk::Box::new(gtk::Orientation::Vertical, 6);
    let scrolled = gtk::ScrolledWindow::builder().child(&list).propagate_natural_height(true).max_content_height(320);
    content.append(&scrolled.hscrollbar_policy(gtk::PolicyType::Never).width_request(280).build());
    content.append(&clear);

    let popover = gtk::Popover::builder().child(&content).build();
    // Rows that nobody sees are not made: there can be many tasks at once.
    popover.connect_show(clone!(
        #[weak]
        tasks,
        #[weak]
        list,
        move |_| {
            let details = details.clone();
            list.bind_model(Some(tasks.model()), move |task| {
                row(task.downcast_ref().expect("the list is one of tasks"), details.clone()).upcast()
            });
        }
    ));
    popover.connect_closed(clone!(
        #[weak]
        list,
        move |_| list.bind_model(gio::ListModel::NONE, |_| unreachable!("there is no model"))
    ));

    let spinner = gtk::Spinner::new();
    let idle = gtk::Image::from_icon_name("view-list-bullet-symbolic");
    let face = gtk::Stack::new();
    face.add_named(&idle, Some("idle"));
    face.add_named(&spinner, Some("busy"));
    let button = gtk::MenuButton::builder()
        .child(&face)
        .tooltip_text(gettext("Tasks"))
        .css_classes(["flat"])
        .popover(&popover)
        .build();
    accessible::label(&button, &gettext("Tasks"));
    tasks.connect_count_running_notify(move |tasks| {
        let busy = tasks.count_running() > 0;
        pages::show(&face, if busy { "busy" } else { "idle" });
        spinner.set_spinning(busy);
    });
    button
}

fn row(task: &Task, details: impl Fn(&Task) + 'static) -> gtk::ListBoxRow {
    let title = gtk::Label::builder().label(task.title()).xalign(0.0).hexpand(true).tooltip_text(task.title());
    let title = title.ellipsize(pango::EllipsizeMode::Middle).build();
    let state = gtk::Label::builder().xalign(0.0).css_classes(["caption", "dim-label"]).build();
    let lines = gtk::Box::new(gtk::Orientation::Vertical, 2);
    lines.append(&title);
    lines.append(&state);
    let abort = gtk::Button::builder()
        .icon_name("process-stop-symbolic")
        .css_classes(["flat"])
        .valign(gtk::Align::Center)
        .tooltip_text(gettext("Abort"))
        .build();
    accessible::label(&abort, &format!("{}: {}", gettext("Abort"), task.title()));
    abort.connect_clicked(clone!(
        #[weak]
        task,
        move |_| task.abort()
    ));
    task.bind_property("can-abort", &abort, "visible").sync_create().build();
    let why = gtk::Button::builder().label(gettext("Details")).css_classes(["flat"]).valign(gtk::Align::Center).build();
    why.connect_clicked(clone!(
        #[weak]
        task,
        move |_| details(&task)
    ));
    let content = gtk::Box::builder().spacing(6).margin_start(6).margin_end(6).margin_top(6).margin_bottom(6).build();
    content.append(&lines);
    content.append(&abort);
    content.append(&why);
    let row = gtk::ListBoxRow::builder().child(&content).activatable(false).build();
    let show = clone!(
        #[weak]
        row,
        move |task: &Task| {
            let text = match task.state() {
                TaskState::Running if task.percent() > 0 => {
                    with(gettext("At work, {percent} %"), &[("percent", &task.percent().to_string())])
                }
                TaskState::Running => gettext("At work"),
                TaskState::Aborting => gettext("Being aborted"),
                TaskState::Done => gettext("Done"),
                TaskState::Failed => gettext("Failed"),
                TaskState::Aborted => gettext("Aborted"),
            };
            why.set_visible(task.state() == TaskState::Failed);
            state.set_text(&text);
            accessible::label(&row, &format!("{}, {text}", task.title()));
        }
    );
    show(task);
    // Its widgets go with the row, which the list makes anew.
    let changed = task.connect_notify_local(None, move |task, _| show(task));
    let changed = std::cell::Cell::new(Some(changed));
    row.connect_destroy(clone!(
        #[weak]
        task,
        move |_| changed.take().into_iter().for_each(|changed| glib::prelude::ObjectExt::disconnect(&task, changed))
    ));
    row
}
