//! What has happened.

use super::{Window, accessible, files};
use crate::engine::Failure;
use crate::i18n::gettext;
use adw::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib, pango};

/// Shows the lines, and what comes to them.
pub(super) fn open(parent: &Window) {
    let lines = parent.session().journal().lines();
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(|_, item| {
        let label = gtk::Label::builder().xalign(0.0).selectable(true).ellipsize(pango::EllipsizeMode::End).build();
        item.downcast_ref::<gtk::ListItem>().expect("a list has list items").set_child(Some(&label));
    });
    factory.connect_bind(|_, item| {
        let item = item.downcast_ref::<gtk::ListItem>().expect("a list has list items");
        let line = item.item().and_downcast::<gtk::StringObject>().map(|line| line.string()).unwrap_or_default();
        let label = item.child().and_downcast::<gtk::Label>().expect("set up");
        label.set_text(&line);
        label.set_tooltip_text(Some(&line));
        // A screen reader is at the list's own widget.
        label.parent().into_iter().for_each(|row| accessible::label(&row, &line));
    });
    let list = gtk::ListView::new(Some(gtk::NoSelection::new(Some(lines.clone()))), Some(factory));
    accessible::label(&list, &gettext("Events"));
    let export = gtk::Button::with_label(&gettext("Save As…"));
    export.connect_clicked(clone!(
        #[weak]
        parent,
        move |_| export_from(&parent)
    ));
    let header = adw::HeaderBar::new();
    header.pack_start(&export);
    let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
    content.append(&header);
    content.append(&gtk::ScrolledWindow::builder().child(&list).vexpand(true).build());
    let window = adw::Window::builder()
        .transient_for(parent)
        .title(gettext("Events"))
        .default_width(640)
        .default_height(480)
        .content(&content)
        .build();
    window.present();
}

fn export_from(window: &Window) {
    let (title, accept) = (gettext("Save the Events"), gettext("Save"));
    let asked = files::Asked { title: &title, accept: &accept, name: Some("xen-events.txt") };
    let text = window.session().journal().text();
    let save = clone!(
        #[weak]
        window,
        #[strong]
        title,
        move |path: std::path::PathBuf| {
            let (file, text, title) = (gio::File::for_path(path), text.clone(), title.clone());
            glib::spawn_future_local(clone!(
                #[weak]
                window,
                async move {
                    match file.replace_contents_future(text, None, false, gio::FileCreateFlags::NONE).await {
                        Ok(_) => window.say(&gettext("Saved")),
                        Err((_, error)) => window.tell(&title, &Failure::new(error.to_string())),
                    }
                }
            ));
        }
    );
    files::choose(window, gtk::FileChooserAction::Save, &asked, save);
}
