//! A configuration as text, which can be changed.

use super::form::{Changed, Choice};
use super::{Window, accessible, files};
use crate::engine::{Config, Form};
use crate::i18n::gettext;
use crate::model::Task;
use gtk::glib;
use gtk::glib::clone;
use gtk::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The text, in the form of xl's or as JSON, and beneath it what is wrong with it.
pub(super) struct ConfigEditor {
    content: gtk::Box,
    text: gtk::TextView,
    form: Choice,
    said: gtk::Label,
    config: RefCell<Option<Config>>,
    /// The text is being written, and not by its user.
    is_writing: Cell<bool>,
    changed: RefCell<Option<Changed>>,
}

const FORMS: [Form; 2] = [Form::Xl, Form::Json];

impl ConfigEditor {
    pub(super) fn new() -> Rc<Self> {
        Rc::new_cyclic(|editor: &std::rc::Weak<Self>| {
            let weak = editor.clone();
            let rewrite: Changed = Rc::new(move || weak.upgrade().into_iter().for_each(|editor| editor.rewrite()));
            let form = Choice::new(&gettext("Form of the Text"), &["xl", "JSON"], &rewrite);
            let text = gtk::TextView::builder().monospace(true).top_margin(12).bottom_margin(12).left_margin(12);
            let text = text.right_margin(12).wrap_mode(gtk::WrapMode::WordChar).build();
            accessible::label(&text, &gettext("Configuration"));
            let weak = editor.clone();
            text.buffer().connect_changed(move |_| weak.upgrade().into_iter().for_each(|editor| editor.typed()));
            let said = gtk::Label::builder().wrap(true).xalign(0.0).selectable(true).hexpand(true).build();
            let weak = editor.clone();
            let save = gtk::Button::with_label(&gettext("Save As…"));
            save.connect_clicked(move |_| weak.upgrade().into_iter().for_each(|editor| editor.save()));
            save.set_valign(gtk::Align::Center);
            let below = gtk::Box::builder().spacing(12).margin_top(6).margin_bottom(6).margin_start(12);
            let below = below.margin_end(12).build();
            below.append(form.widget());
            below.append(&said);
            below.append(&save);
            let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
            content.append(&gtk::ScrolledWindow::builder().child(&text).vexpand(true).build());
            content.append(&gtk::Separator::new(gtk::Orientation::Horizontal));
            content.append(&below);
            Self {
                content,
                text,
                form,
                said,
                config: RefCell::default(),
                is_writing: Cell::default(),
                changed: RefCell::default(),
            }
        })
    }

    pub(super) fn widget(&self) -> &gtk::Box {
        &self.content
    }

    /// What the text says, unless something is wrong with it.
    pub(super) fn config(&self) -> Option<Config> {
        self.config.borrow().clone()
    }

    /// Calls whenever [`config`](Self::config) may be another.
    pub(super) fn on_change(&self, changed: Changed) {
        self.changed.replace(Some(changed));
    }

    /// Shows a configuration: as a file of xl's if that has words for it, otherwise as JSON.
    pub(super) fn show(&self, config: &Config) {
        self.config.replace(Some(config.clone()));
        match self.form.chosen() {
            0 => self.rewrite(),
            // It is written by that.
            _ => self.form.choose(0),
        }
    }

    /// Says something about what the text says.
    pub(super) fn say(&self, text: &str, is_wrong: bool) {
        self.said.set_text(text);
        let (class, other) = if is_wrong { ("error", "dim-label") } else { ("dim-label", "error") };
        self.said.add_css_class(class);
        self.said.remove_css_class(other);
    }

    /// Tells how the task ends that makes of the text what it says: by `done`, or with the reason. `accept` is not to be pressed again meanwhile.
    pub(super) fn follow(self: &Rc<Self>, task: &Task, accept: &gtk::Button, done: impl Fn() + 'static) {
        accept.set_sensitive(false);
        task.connect_state_notify(clone!(
            #[weak(rename_to = editor)]
            self,
            #[weak]
            accept,
            move |task| {
                if !task.state().is_over() {
                    return;
                }
                accept.set_sensitive(true);
                match task.failure() {
                    None => done(),
                    Some(failure) => editor.say(&failure.details, true),
                }
            }
        ));
    }

    /// Another form is chosen.
    fn rewrite(&self) {
        let Some(config) = self.config() else { return };
        match config.write(FORMS[self.form.chosen()]) {
            Ok(text) => {
                self.is_writing.set(true);
                self.text.buffer().set_text(&text);
                self.is_writing.set(false);
                // Nobody has to be warned of what libxl has filled in.
                self.take_in(|_| String::new());
            }
            Err(unsayable) => {
                self.form.choose(1);
                self.say(&unsayable, false);
            }
        }
    }

    fn typed(&self) {
        if !self.is_writing.get() {
            self.take_in(|warnings| warnings.join("\n"));
        }
    }

    /// Takes in what the text says.
    fn take_in(&self, words: impl FnOnce(&[String]) -> String) {
        let config = match Config::read(&self.text()) {
            Ok(read) => {
                self.say(&words(&read.warnings), false);
                Some(read.config)
            }
            Err(wrong) => {
                self.say(&wrong, true);
                None
            }
        };
        self.config.replace(config);
        let changed = self.changed.borrow().clone();
        changed.into_iter().for_each(|changed| changed());
    }

    /// Saves the text as it is.
    fn save(self: &Rc<Self>) {
        let Some(window) = self.content.root().and_downcast::<gtk::Window>() else { return };
        let name = self.config().map(|config| config.name().to_owned()).unwrap_or_default();
        let ending = if FORMS[self.form.chosen()] == Form::Json { "json" } else { "cfg" };
        let told = clone!(
            #[weak(rename_to = editor)]
            self,
            move |saved: Result<(), String>| match saved {
                Ok(()) => editor.say(&gettext("Saved"), false),
                Err(error) => editor.say(&error, true),
            }
        );
        files::save_text(&window, &gettext("Save the Configuration"), &format!("{name}.{ending}"), self.text(), told);
    }

    fn text(&self) -> String {
        let buffer = self.text.buffer();
        let (start, end) = buffer.bounds();
        buffer.text(&start, &end, true).into()
    }
}

/// A window with room for an editor.
pub(super) fn window(parent: &Window, title: &str) -> adw::Window {
    let window = adw::Window::builder().transient_for(parent).modal(true).title(title);
    window.default_width(640).default_height(620).build()
}
