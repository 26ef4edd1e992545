//! Parts of forms: a line for each thing that is asked for.

use super::{accessible, files};
use crate::i18n::gettext;
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// What is called when something was filled in. The line that calls it keeps it, so it must not keep the line.
pub(super) type Changed = Rc<dyn Fn()>;

/// Reads what is filled in.
pub(super) type Read<T> = Box<dyn Fn() -> T>;

/// A line for a text.
pub(super) fn text(title: &str, changed: &Changed) -> (adw::ActionRow, gtk::Entry) {
    // Where there is little room, what is said beside it has several lines.
    let entry = gtk::Entry::builder().valign(gtk::Align::Center).hexpand(true).width_chars(10).build();
    let row = row(title, &entry);
    let changed = changed.clone();
    entry.connect_changed(move |_| changed());
    (row, entry)
}

/// A line for the path of a file of the host, which can be looked for.
pub(super) fn file(title: &str, changed: &Changed) -> (adw::ActionRow, gtk::Entry) {
    let (row, entry) = text(title, changed);
    row.add_suffix(&choose_button(title, &entry));
    (row, entry)
}

/// A line for a number.
pub(super) fn number(title: &str, (least, most): (f64, f64), value: f64) -> (adw::ActionRow, gtk::SpinButton) {
    let number = gtk::SpinButton::with_range(least, most, 1.0);
    number.set_valign(gtk::Align::Center);
    number.set_numeric(true);
    number.set_value(value);
    (row(title, &number), number)
}

/// A line for one of a few; what it returns tells the place of the chosen one.
pub(super) fn choice(title: &str, options: &[&str], changed: &Changed) -> (adw::ActionRow, Choice) {
    let choice = Choice::new(title, options, changed);
    let row = adw::ActionRow::builder().title(title).build();
    row.add_suffix(choice.widget());
    (row, choice)
}

/// One of a few, all of which are seen; the first, until another is chosen.
pub(super) struct Choice {
    buttons: Vec<gtk::ToggleButton>,
    content: gtk::Box,
}

impl Choice {
    pub(super) fn new(title: &str, options: &[&str], changed: &Changed) -> Self {
        let content = gtk::Box::builder().css_classes(["linked"]).valign(gtk::Align::Center).build();
        let mut buttons: Vec<gtk::ToggleButton> = Vec::new();
        for option in options {
            let button = gtk::ToggleButton::builder().label(*option).tooltip_text(title).build();
            button.set_group(buttons.first());
            button.set_active(buttons.is_empty());
            content.append(&button);
            let changed = changed.clone();
            button.connect_toggled(move |button| {
                if button.is_active() {
                    changed();
                }
            });
            buttons.push(button);
        }
        Self { buttons, content }
    }

    pub(super) fn widget(&self) -> &gtk::Box {
        &self.content
    }

    pub(super) fn chosen(&self) -> usize {
        self.buttons.iter().position(gtk::ToggleButton::is_active).unwrap_or_default()
    }

    pub(super) fn choose(&self, at: usize) {
        self.buttons[at].set_active(true);
    }
}

/// A window with a few lines, a button that accepts them, and a line that says what is wrong.
pub(super) struct Dialog {
    pub(super) window: adw::Window,
    pub(super) accept: gtk::Button,
    problem: gtk::Label,
    group: adw::PreferencesGroup,
}

impl Dialog {
    pub(super) fn new(parent: &impl IsA<gtk::Window>, title: &str, accept: &str) -> Self {
        let window = adw::Window::builder().transient_for(parent).modal(true).title(title).default_width(520).build();
        let header = cancel_header(&window);
        let accept = gtk::Button::builder().label(accept).css_classes(["suggested-action"]).build();
        header.pack_end(&accept);
        let group = adw::PreferencesGroup::builder().margin_top(18).margin_start(18).margin_end(18).build();
        let problem = gtk::Label::builder().wrap(true).margin_top(12).margin_bottom(12).css_classes(["error"]).build();
        let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
        content.append(&header);
        content.append(&group);
        content.append(&problem);
        window.set_content(Some(&content));
        window.set_default_widget(Some(&accept));
        Self { window, accept, problem, group }
    }

    pub(super) fn add(&self, row: &impl IsA<gtk::Widget>) {
        self.group.add(row);
    }

    pub(super) fn describe(&self, text: &str) {
        self.group.set_description(Some(text));
    }

    /// Has something filled in: `fill` adds the lines, and makes what reads them. Once `check` finds nothing wrong, it can be accepted.
    pub(super) fn fill_in<T: 'static>(
        self,
        fill: impl FnOnce(&Self, &Changed) -> Read<T>,
        check: impl Fn(&T) -> Result<(), String> + 'static,
        accept: impl Fn(T) + 'static,
    ) {
        let (dialog, reads) = (Rc::new(self), Rc::<OnceCell<Read<T>>>::default());
        let (weak, reading) = (Rc::downgrade(&dialog), Rc::downgrade(&reads));
        let changed: Changed = Rc::new(move || {
            if let (Some(dialog), Some(reads)) = (weak.upgrade(), reading.upgrade())
                && let Some(read) = reads.get()
            {
                dialog.sense(check(&read()));
            }
        });
        reads.get_or_init(|| fill(&dialog, &changed));
        changed();
        let of = dialog.window.downgrade();
        dialog.accept.connect_clicked(move |_| {
            reads.get().into_iter().for_each(|read| accept(read()));
            of.upgrade().into_iter().for_each(|dialog| dialog.close());
        });
        dialog.window.present();
        keep_while_open(&dialog.window, &dialog);
    }

    /// Says what is wrong, if anything is; then it cannot be accepted.
    fn sense(&self, result: Result<(), String>) {
        self.accept.set_sensitive(result.is_ok());
        self.problem.set_text(&result.err().unwrap_or_default());
    }
}

/// A header whose only button so far closes the window.
pub(super) fn cancel_header(window: &adw::Window) -> adw::HeaderBar {
    let header = adw::HeaderBar::builder().show_end_title_buttons(false).build();
    let cancel = gtk::Button::with_label(&gettext("Cancel"));
    cancel.connect_clicked(clone!(
        #[weak]
        window,
        move |_| window.close()
    ));
    header.pack_start(&cancel);
    header
}

/// Keeps what a window consists of until it is closed.
pub(super) fn keep_while_open<T: 'static>(window: &adw::Window, parts: &Rc<T>) {
    let kept = RefCell::new(Some(parts.clone()));
    window.connect_close_request(move |_| {
        kept.take();
        glib::Propagation::Proceed
    });
}

/// A button with a sign and nothing else.
pub(super) fn icon_button(icon: &str, text: &str) -> gtk::Button {
    let button = gtk::Button::builder().icon_name(icon).tooltip_text(text).valign(gtk::Align::Center);
    let button = button.css_classes(["flat"]).build();
    accessible::label(&button, text);
    button
}

/// Shows where something is wrong.
pub(super) fn mark(entry: &gtk::Entry, is_wrong: bool) {
    if is_wrong {
        entry.add_css_class("error");
    } else {
        entry.remove_css_class("error");
    }
}

fn row(title: &str, widget: &impl IsA<gtk::Widget>) -> adw::ActionRow {
    // Its title names the widget.
    let row = adw::ActionRow::builder().title(title).activatable_widget(widget).build();
    row.add_suffix(widget);
    row
}

fn choose_button(title: &str, entry: &gtk::Entry) -> gtk::Button {
    let button = icon_button("folder-open-symbolic", &gettext("Choose a File"));
    let title = title.to_owned();
    button.connect_clicked(clone!(
        #[weak]
        entry,
        move |button| {
            let Some(window) = button.root().and_downcast::<gtk::Window>() else { return };
            let chosen = clone!(
                #[weak]
                entry,
                move |path: std::path::PathBuf| entry.set_text(&path.to_string_lossy())
            );
            let asked = files::Asked { title: &title, accept: &gettext("Choose"), name: None };
            files::choose(&window, gtk::FileChooserAction::Open, &asked, chosen);
        }
    ));
    button
}
