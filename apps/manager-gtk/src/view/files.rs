//! Files that the user chooses, or drops on the window.

use super::Window;
use crate::i18n::gettext;
use gtk::prelude::*;
use gtk::{gdk, gio, glib};
use std::cell::Cell;
use std::path::PathBuf;

/// What is said where a file is chosen.
pub(super) struct Asked<'a> {
    pub(super) title: &'a str,
    /// On the button.
    pub(super) accept: &'a str,
    /// Of a file that is to be written.
    pub(super) name: Option<&'a str>,
}

/// Lets a file be chosen, and calls `then` with it.
pub(super) fn choose(
    window: &impl IsA<gtk::Window>,
    action: gtk::FileChooserAction,
    asked: &Asked<'_>,
    then: impl FnOnce(PathBuf) + 'static,
) {
    let chooser = gtk::FileChooserNative::new(Some(asked.title), Some(window), action, Some(asked.accept), None);
    if let Some(name) = asked.name {
        chooser.set_current_name(name);
    }
    // It has to be kept while it is open, and nobody else does.
    let kept = Cell::new(Some((chooser.clone(), then)));
    chooser.connect_response(move |_, response| {
        let Some((chooser, then)) = kept.take() else { return };
        let chosen = chooser.file().filter(|_| response == gtk::ResponseType::Accept).and_then(|file| file.path());
        if let Some(path) = chosen {
            then(path);
        }
    });
    chooser.show();
}

/// Lets a file be chosen, writes a text into it, and tells how that went.
pub(super) fn save_text(
    window: &impl IsA<gtk::Window>,
    title: &str,
    name: &str,
    text: String,
    told: impl FnOnce(Result<(), String>) + 'static,
) {
    let asked = Asked { title, accept: &gettext("Save"), name: Some(name) };
    choose(window, gtk::FileChooserAction::Save, &asked, move |path| {
        let file = gio::File::for_path(path);
        glib::spawn_future_local(async move {
            let replaced = file.replace_contents_future(text, None, false, gio::FileCreateFlags::NONE).await;
            told(replaced.map(drop).map_err(|(_, error)| error.to_string()));
        });
    });
}

/// Calls with each file that is dropped on the window.
pub(super) fn on_drop(window: &Window, then: impl Fn(PathBuf) + 'static) {
    let target = gtk::DropTarget::new(gdk::FileList::static_type(), gdk::DragAction::COPY);
    target.connect_drop(move |_, value, _, _| {
        let files = value.get::<gdk::FileList>().map(|list| list.files()).unwrap_or_default();
        let paths: Vec<_> = files.iter().filter_map(gio::File::path).collect();
        let are_here = !paths.is_empty();
        paths.into_iter().for_each(&then);
        are_here
    });
    window.add_controller(target);
}
