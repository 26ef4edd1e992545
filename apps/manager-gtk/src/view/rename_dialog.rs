//! Another name for a domain.

use super::accessible;
use crate::i18n::{gettext, with};
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;

const RENAME: &str = "rename";

/// Asks for a name, and calls `then` with it if another one is wanted.
pub(super) fn ask(parent: &impl IsA<gtk::Window>, name: &str, then: impl Fn(&str) + 'static) {
    let heading = with(gettext("Rename {name}"), &[("name", name)]);
    let dialog = adw::MessageDialog::new(Some(parent), Some(&heading), None);
    dialog.add_response("cancel", &gettext("Cancel"));
    dialog.add_response(RENAME, &gettext("Rename"));
    dialog.set_response_appearance(RENAME, adw::ResponseAppearance::Suggested);
    dialog.set_default_response(Some(RENAME));
    dialog.set_close_response("cancel");
    let entry = gtk::Entry::builder().text(name).activates_default(true).build();
    accessible::label(&entry, &gettext("Name"));
    dialog.set_extra_child(Some(&entry));
    let before = name.to_owned();
    let sense = move |dialog: &adw::MessageDialog, text: &str| {
        dialog.set_response_enabled(RENAME, !text.trim().is_empty() && text != before);
    };
    sense(&dialog, name);
    entry.connect_changed(clone!(
        #[weak]
        dialog,
        move |entry| sense(&dialog, &entry.text())
    ));
    dialog.connect_response(Some(RENAME), move |_, _| then(entry.text().trim()));
    dialog.present();
}
