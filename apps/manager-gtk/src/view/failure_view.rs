//! How a failure is told: shortly, and in full to those who want to know.

use super::accessible;
use crate::engine::Failure;
use crate::i18n::gettext;
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;

/// A toast with a button for the rest.
pub(super) fn toast(overlay: &adw::ToastOverlay, parent: &gtk::Window, title: &str, failure: &Failure, versions: &str) {
    let text = format!("{title}: {}", failure.summary);
    // Markup, and a line.
    let text = glib::markup_escape_text(&text.replace('\n', " "));
    let toast = adw::Toast::builder().title(text).button_label(gettext("Details")).timeout(0).build();
    // The newest is seen, and not what is waiting behind one that nobody has closed.
    toast.set_priority(adw::ToastPriority::High);
    let details = format!("{title}\n{}\n{versions}", failure.details);
    let title = title.to_owned();
    toast.connect_button_clicked(clone!(
        #[weak]
        parent,
        move |_| show_details(&parent, &title, &details)
    ));
    overlay.add_toast(toast);
}

/// A window with text that can be copied.
pub(super) fn show_details(parent: &gtk::Window, title: &str, details: &str) {
    let text = gtk::TextView::builder()
        .editable(false)
        .monospace(true)
        .wrap_mode(gtk::WrapMode::WordChar)
        .top_margin(12)
        .bottom_margin(12)
        .left_margin(12)
        .right_margin(12)
        .build();
    text.buffer().set_text(details);
    accessible::label(&text, &gettext("Details"));
    let copy = gtk::Button::with_label(&gettext("Copy"));
    let details = details.to_owned();
    copy.connect_clicked(move |button| button.clipboard().set_text(&details));
    let header = adw::HeaderBar::new();
    header.pack_start(&copy);
    let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
    content.append(&header);
    content.append(&gtk::ScrolledWindow::builder().child(&text).vexpand(true).build());
    let window = adw::Window::builder()
        .transient_for(parent)
        .modal(true)
        .title(title)
        .default_width(560)
        .default_height(320)
        .content(&content)
        .build();
    let close = gtk::ShortcutController::new();
    close.add_shortcut(gtk::Shortcut::new(
        gtk::ShortcutTrigger::parse_string("Escape"),
        gtk::ShortcutAction::parse_string("action(window.close)"),
    ));
    window.add_controller(close);
    window.present();
}
