//! A configuration as text, which can be changed.

use super::form::{Changed, Choice};
use super::{accessible, files};
use crate::engine::{Config, Form};
use crate::i18n::gettext;
use gtk::glib::clone;
use gtk::prelude::*;
use gtk::{gio, glib};
use std::cell::{Cell, RefCell};
use std::path::Path;
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
        self.form.choose(0);
        self.rewrite();
    }

    /// Says something about what the text says.
    pub(super) fn say(&self, text: &str, is_wrong: bool) {
        self.said.set_text(text);
        let (class, other) = if is_wrong { ("error", "dim-label") } else { ("dim-label", "error") };
        self.said.add_css_class(class);
        self.said.remove_css_class(other);
    }

    /// Another form is chosen.
    fn rewrite(&self) {
        let Some(config) = self.config() else { return };
        match config.write(FORMS[self.form.chosen()]) {
            Ok(text) => {
                self.is_writing.set(true);
                self.text.buffer().set_text(&text);
                self.is_writing.set(false);
                self.typed();
            }
            Err(unsayable) => {
                self.form.choose(1);
                self.say(&unsayable, false);
            }
        }
    }

    fn typed(&self) {
        if self.is_writing.get() {
            return;
        }
        let buffer = self.text.buffer();
        let (start, end) = buffer.bounds();
        let config = match Config::read(&buffer.text(&start, &end, true)) {
            Ok(read) => {
                self.say(&read.warnings.join("\n"), false);
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
        let name = format!("{name}.{ending}");
        let (title, accept) = (gettext("Save the Configuration"), gettext("Save"));
        let asked = files::Asked { title: &title, accept: &accept, name: Some(&name) };
        let saved = clone!(
            #[weak(rename_to = editor)]
            self,
            move |path: std::path::PathBuf| editor.save_as(&path)
        );
        files::choose(&window, gtk::FileChooserAction::Save, &asked, saved);
    }

    fn save_as(self: &Rc<Self>, path: &Path) {
        let buffer = self.text.buffer();
        let (start, end) = buffer.bounds();
        let text = buffer.text(&start, &end, true).to_string();
        let file = gio::File::for_path(path);
        glib::spawn_future_local(clone!(
            #[weak(rename_to = editor)]
            self,
            async move {
                let replaced = file.replace_contents_future(text, None, false, gio::FileCreateFlags::NONE).await;
                match replaced {
                    Ok(_) => editor.say(&gettext("Saved"), false),
                    Err((_, error)) => editor.say(&error.to_string(), true),
                }
            }
        ));
    }
}
