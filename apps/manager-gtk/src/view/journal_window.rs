//! What has happened.

use super::{Window, accessible, files};
use crate::engine::Failure;
use crate::i18n::gettext;
use adw::prelude::*;
use gtk::glib::clone;
use gtk::{glib, pango};
use std::cell::Cell;
use std::rc::Rc;

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
    let scrolled = gtk::ScrolledWindow::builder().child(&list).vexpand(true).build();
    content.append(&scrolled);
    let window = adw::Window::builder()
        .transient_for(parent)
        .title(gettext("Events"))
        .default_width(640)
        .default_height(480)
        .content(&content)
        .build();
    follow(&scrolled, &list);
    window.present();
}

/// Whether the newest line is to be seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Newest {
    IsSeen,
    /// It has come, and is to be seen once it has its place.
    Comes,
    /// Somebody looks at earlier ones.
    IsLeft,
}

/// Shows the newest line, unless somebody looks at earlier ones.
fn follow(scrolled: &gtk::ScrolledWindow, list: &gtk::ListView) {
    let (position, newest) = (scrolled.vadjustment(), Rc::new(Cell::new(Newest::Comes)));
    let show = clone!(
        #[weak]
        list,
        move || {
            // The list is giving its lines their places, and heeds nothing meanwhile.
            glib::idle_add_local_once(move || show_newest(&list));
        }
    );
    let state = newest.clone();
    list.model().expect("it was made with one").connect_items_changed(move |_, _, _, _| {
        if state.get() == Newest::IsSeen {
            state.set(Newest::Comes);
        }
    });
    let (state, show_again) = (newest.clone(), show.clone());
    position.connect_changed(move |_| {
        if state.get() != Newest::IsLeft {
            show();
        }
    });
    position.connect_value_changed(move |position| {
        let is_at_end = position.value() + position.page_size() >= position.upper();
        match newest.get() {
            _ if is_at_end => newest.set(Newest::IsSeen),
            Newest::IsSeen => newest.set(Newest::IsLeft),
            Newest::Comes => show_again(),
            Newest::IsLeft => {}
        }
    });
}

fn show_newest(list: &gtk::ListView) {
    if let Some(newest) = list.model().and_then(|lines| lines.n_items().checked_sub(1)) {
        // GTK 4.8 has no function for it.
        list.activate_action("list.scroll-to-item", Some(&newest.to_variant())).expect("a list has this action");
    }
}

fn export_from(window: &Window) {
    let title = gettext("Save the Events");
    let failed = title.clone();
    let told = clone!(
        #[weak]
        window,
        move |saved: Result<(), String>| match saved {
            Ok(()) => window.say(&gettext("Saved")),
            Err(error) => window.tell(&failed, &Failure::new(error)),
        }
    );
    files::save_text(window, &title, "xen-events.txt", window.session().journal().text(), told);
}
