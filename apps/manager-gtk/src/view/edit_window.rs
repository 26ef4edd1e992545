//! The configuration of a domain that there is.

use super::config_editor::{self, ConfigEditor};
use super::{Window, accessible, create_window, form, wording};
use crate::engine::{Config, Edit, Editable};
use crate::i18n::{gettext, with};
use crate::model::{Domain, Session};
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::rc::Rc;

struct EditWindow {
    window: adw::Window,
    editor: Rc<ConfigEditor>,
    present: Config,
    /// What differs, and when it comes to be.
    edits: gtk::ListBox,
    /// In their place, if nothing does.
    no_edits: gtk::Label,
    apply: gtk::Button,
}

impl Window {
    /// Lets the configuration of the chosen domain be changed.
    pub(super) fn edit_config(&self) {
        self.with_config(&gettext("Configuration"), |window, domain, editable| {
            EditWindow::open(window, domain, editable)
        });
    }

    /// Lets a domain like the chosen one be made.
    pub(super) fn clone_domain(&self) {
        self.with_config(&gettext("Clone"), |window, domain, editable| {
            let domains = window.session().domains();
            let names = (2..).map(|number| format!("{}-{number}", domain.name()));
            let name = names.into_iter().find(|name| !domains.has_name(name)).expect("there are more numbers");
            let copied = editable.present.copied(&name);
            let mut note = gettext("It has a UUID and network addresses of its own.");
            if !copied.left_out.is_empty() {
                let left_out = gettext(
                    "These disks are left out, as only one domain can write to a disk: {disks}. Copy them, and add the copies.",
                );
                note = format!("{note} {}", with(left_out, &[("disks", &copied.left_out.join(", "))]));
            }
            let title = with(gettext("Clone of {name}"), &[("name", &wording::name(domain))]);
            create_window::open_with(window, &title, &copied.config, &note);
        });
    }

    fn with_config(&self, title: &str, then: impl Fn(&Self, &Domain, Editable) + 'static) {
        let Some(domain) = self.chosen() else { return };
        let of = domain.clone();
        let ask = async move |session: &Session| session.editable(&of).await;
        self.ask_host(title.to_owned(), ask, move |window, editable| then(window, &domain, editable));
    }
}

impl EditWindow {
    fn open(parent: &Window, domain: &Domain, editable: Editable) {
        let Editable { present, unsayable, waiting } = editable;
        let title = with(gettext("Configuration of {name}"), &[("name", &wording::name(domain))]);
        let edit = Rc::new(Self {
            window: config_editor::window(parent, &title),
            editor: ConfigEditor::new(),
            present,
            edits: gtk::ListBox::builder().selection_mode(gtk::SelectionMode::None).build(),
            no_edits: gtk::Label::builder().label(gettext("Nothing is changed")).css_classes(["dim-label"]).build(),
            apply: gtk::Button::builder().label(gettext("Apply")).css_classes(["suggested-action"]).build(),
        });
        edit.build();
        let (session, of) = (parent.session().clone(), domain.clone());
        edit.apply.connect_clicked(clone!(
            #[weak]
            edit,
            move |_| {
                let Some(config) = edit.editor.config() else { return };
                let Some(task) = session.edit(&of, edit.present.clone(), config) else { return };
                let window = edit.window.downgrade();
                let done = move || window.upgrade().into_iter().for_each(|window| window.close());
                edit.editor.follow(&task, &edit.apply, done);
            }
        ));
        edit.editor.show(waiting.as_ref().unwrap_or(&edit.present));
        if !unsayable.is_empty() {
            let note = gettext("Left out, as files of xl have no words for it: {paths}");
            edit.editor.say(&with(note, &[("paths", &unsayable.join(", "))]), false);
        }
        edit.window.present();
    }

    fn build(self: &Rc<Self>) {
        let header = form::cancel_header(&self.window);
        header.pack_end(&self.apply);
        accessible::label(&self.edits, &gettext("Changes"));
        self.no_edits.set_margin_top(12);
        self.no_edits.set_margin_bottom(12);
        self.edits.set_placeholder(Some(&self.no_edits));
        self.editor.widget().set_vexpand(true);
        let edits = gtk::ScrolledWindow::builder().child(&self.edits).propagate_natural_height(true);
        let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
        content.append(&header);
        content.append(self.editor.widget());
        content.append(&gtk::Separator::new(gtk::Orientation::Horizontal));
        content.append(&edits.max_content_height(180).build());
        self.window.set_content(Some(&content));
        let weak = Rc::downgrade(self);
        self.editor.on_change(Rc::new(move || weak.upgrade().into_iter().for_each(|edit| edit.sense())));
        form::keep_while_open(&self.window, self);
    }

    /// Shows what is changed, and when that comes to be.
    fn sense(&self) {
        while let Some(row) = self.edits.row_at_index(0) {
            self.edits.remove(&row);
        }
        let config = self.editor.config();
        self.apply.set_sensitive(config.is_some());
        // Of a text with an error, it is not known.
        self.no_edits.set_visible(config.is_some());
        let edits = config.map(|config| self.present.edits(&config)).unwrap_or_default();
        edits.iter().for_each(|edit| self.edits.append(&row(edit)));
    }
}

fn row(edit: &Edit) -> gtk::ListBoxRow {
    let when = if edit.is_at_once { gettext("At once") } else { gettext("With the next start") };
    let what = format!("{}: {} → {}", edit.path, or_nothing(&edit.before), or_nothing(&edit.after));
    let line = gtk::Box::builder().spacing(12).margin_start(12).margin_end(12).margin_top(6).margin_bottom(6).build();
    line.append(&gtk::Label::builder().label(&what).wrap(true).xalign(0.0).hexpand(true).build());
    line.append(&gtk::Label::builder().label(&when).css_classes(["dim-label"]).build());
    let row = gtk::ListBoxRow::builder().child(&line).activatable(false).build();
    accessible::label(&row, &format!("{what}, {when}"));
    row
}

fn or_nothing(value: &str) -> String {
    if value.is_empty() { gettext("not set") } else { value.to_owned() }
}
