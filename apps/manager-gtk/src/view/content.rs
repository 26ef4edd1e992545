//! Beside the list: the chosen domain, or what there is to be said instead.

use super::{Window, accessible, failure_view};
use crate::i18n::{gettext, with};
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};

impl Window {
    /// The chosen domain, with its header.
    pub(super) fn content(&self) -> gtk::Box {
        let imp = self.imp();
        let back = gtk::Button::builder().icon_name("go-previous-symbolic").tooltip_text(gettext("Back")).build();
        accessible::label(&back, &gettext("Back"));
        back.connect_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| _ = window.imp().leaflet.navigate(adw::NavigationDirection::Back)
        ));
        imp.leaflet.bind_property("folded", &back, "visible").sync_create().build();
        imp.more.set_icon_name("view-more-symbolic");
        imp.more.set_menu_model(Some(&Self::more_actions()));
        imp.more.set_tooltip_text(Some(&gettext("More Actions")));
        accessible::label(&imp.more, &gettext("More Actions"));
        let header = adw::HeaderBar::builder().title_widget(&imp.content_title).build();
        header.pack_start(&back);
        header.pack_end(&imp.more);
        imp.nothing.set_icon_name(Some("computer-symbolic"));
        imp.nothing.set_vexpand(true);
        imp.details.set_vexpand(true);
        imp.content_pages.add_named(&imp.nothing, Some("nothing"));
        imp.content_pages.add_named(&imp.details, Some("details"));
        self.build_several();
        let content = gtk::Box::builder().orientation(gtk::Orientation::Vertical).hexpand(true).build();
        content.append(&header);
        content.append(&imp.content_pages);
        content
    }

    /// What can be done with the chosen domain besides.
    fn more_actions() -> gio::Menu {
        let more = gio::Menu::new();
        more.append(Some(&gettext("_Console")), Some("win.console"));
        more.append(Some(&gettext("Scr_een")), Some("win.screen"));
        more.append(Some(&gettext("Re_name…")), Some("win.rename"));
        more.append(Some(&gettext("Con_figuration…")), Some("win.edit"));
        more.append(Some(&gettext("C_lone…")), Some("win.clone"));
        more.append(Some(&gettext("_Save…")), Some("win.save"));
        more.append(Some(&gettext("_Migrate…")), Some("win.migrate"));
        more.append(Some(&gettext("Press Power _Button")), Some("win.power-button"));
        more.append(Some(&gettext("Rese_t…")), Some("win.reset"));
        more
    }

    /// Both panes, side by side or one at a time.
    pub(super) fn build_leaflet(&self) {
        let imp = self.imp();
        imp.leaflet.append(&self.sidebar());
        imp.leaflet.append(&gtk::Separator::new(gtk::Orientation::Vertical)).set_navigatable(false);
        imp.leaflet.append(&self.content());
        imp.leaflet.set_can_navigate_back(true);
    }

    pub(super) fn failure_page(&self) -> gtk::Box {
        let imp = self.imp();
        let again = gtk::Button::builder()
            .label(gettext("Try Again"))
            .halign(gtk::Align::Center)
            .action_name("win.try-again")
            .css_classes(["pill", "suggested-action"])
            .build();
        let details =
            gtk::Button::builder().label(gettext("Details")).halign(gtk::Align::Center).css_classes(["pill"]).build();
        details.connect_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| {
                let Some(failure) = window.session().failure() else { return };
                failure_view::show_details(window.upcast_ref(), &gettext("No Connection to Xen"), &failure.details);
            }
        ));
        let buttons = gtk::Box::new(gtk::Orientation::Vertical, 12);
        buttons.append(&again);
        buttons.append(&details);
        let demo = gettext("Without Xen, “osevent-manager --demo” shows the program on a simulated machine.");
        buttons.append(
            &gtk::Label::builder()
                .label(demo)
                .wrap(true)
                .justify(gtk::Justification::Center)
                .css_classes(["dim-label"])
                .build(),
        );
        imp.failure.set_icon_name(Some("dialog-warning-symbolic"));
        imp.failure.set_title(&gettext("No Connection to Xen"));
        imp.failure.set_child(Some(&buttons));
        imp.failure.set_vexpand(true);
        let page = gtk::Box::new(gtk::Orientation::Vertical, 0);
        page.append(&adw::HeaderBar::builder().css_classes(["flat"]).build());
        page.append(&imp.failure);
        page
    }

    /// Says that what is shown may no longer be so.
    pub(super) fn stale_bar(&self) -> gtk::InfoBar {
        let text = gtk::Label::builder().wrap(true).hexpand(true).build();
        let bar = gtk::InfoBar::builder().message_type(gtk::MessageType::Warning).revealed(false).build();
        bar.add_child(&text);
        bar.set_visible(false);
        self.session().connect_stale_notify(clone!(
            #[weak]
            bar,
            move |session| {
                let why = session.stale();
                let said = gettext("What is shown may be old: {why}");
                text.set_text(&why.as_ref().map(|why| with(said, &[("why", why)])).unwrap_or_default());
                bar.set_visible(why.is_some());
                bar.set_revealed(why.is_some());
            }
        ));
        bar
    }
}
