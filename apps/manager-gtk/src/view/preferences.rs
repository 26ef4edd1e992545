//! What its user can set.

use super::Window;
use super::form::{self, Changed};
use crate::engine::Failure;
use crate::i18n::gettext;
use crate::settings::Settings;
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::rc::Rc;

/// How many letters of a command are seen at least.
const LEAST_WIDTH: i32 = 24;

/// Shows the settings, and keeps them when the window is closed.
pub(super) fn open(parent: &Window) {
    let settings = Settings::load();
    let nothing: Changed = Rc::new(|| {});
    let (viewer_row, viewer) = form::text(&gettext("Viewer"), &nothing);
    viewer_row.set_subtitle(&gettext("The command that shows the screen of a domain"));
    viewer.set_placeholder_text(Some(&gettext("one that is installed")));
    viewer.set_text(&settings.viewer);
    let (ssh_row, ssh) = form::text(&gettext("Remote Shell"), &nothing);
    ssh_row.set_subtitle(&gettext("The command that reaches the host to which a domain is migrated"));
    ssh.set_text(&settings.ssh);
    for entry in [&viewer, &ssh] {
        // The explanation beside it takes two lines instead.
        entry.set_width_chars(LEAST_WIDTH);
    }
    let group = adw::PreferencesGroup::new();
    group.add(&viewer_row);
    group.add(&ssh_row);
    let page = adw::PreferencesPage::builder().vexpand(true).build();
    page.add(&group);
    let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
    content.append(&adw::HeaderBar::new());
    content.append(&page);
    // Not one of libadwaita's for preferences: with 1.2, what is in such a window stays when it is closed.
    let window = adw::Window::builder()
        .transient_for(parent)
        .modal(true)
        .title(gettext("Preferences"))
        .default_width(560)
        .default_height(300)
        .content(&content)
        .build();
    window.connect_close_request(clone!(
        #[weak]
        parent,
        #[upgrade_or]
        glib::Propagation::Proceed,
        move |_| {
            let text = |entry: &gtk::Entry| entry.text().trim().to_owned();
            let set = Settings { viewer: text(&viewer), ssh: text(&ssh) };
            if set != settings
                && let Err(error) = set.save()
            {
                parent.tell(&gettext("Preferences"), &Failure::new(error.to_string()));
            }
            glib::Propagation::Proceed
        }
    ));
    window.present();
}
