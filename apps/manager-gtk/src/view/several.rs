//! Several domains at once.

use super::form::icon_button;
use super::{Window, confirm, pages, wording};
use crate::engine::Action;
use crate::i18n::{gettext, ngettext, with};
use crate::model::Domain;
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib;
use gtk::glib::clone;

impl Window {
    /// The domains that are chosen, one or several.
    pub(super) fn targets(&self) -> Vec<Domain> {
        let several = self.imp().several.borrow();
        if several.is_empty() {
            self.chosen().into_iter().collect()
        } else {
            several.iter().map(|(domain, _)| domain.clone()).collect()
        }
    }

    pub(super) fn are_several(&self) -> bool {
        !self.imp().several.borrow().is_empty()
    }

    /// What is selected in the list is another now.
    pub(super) fn selection_changed(&self) {
        let selection = &self.imp().selection;
        let selected = selection.selection();
        let domains = (0..selected.size()).filter_map(|nth| {
            let at = selected.nth(u32::try_from(nth).ok()?);
            selection.item(at).and_downcast::<Domain>()
        });
        let domains: Vec<_> = domains.collect();
        match &domains[..] {
            // Nothing is selected where the chosen one is hidden by the search, or gone.
            [] => self.show_several(&[]),
            [domain] => {
                self.show_several(&[]);
                if self.chosen().as_ref() != Some(domain) {
                    self.show_domain(Some(domain));
                }
            }
            domains => self.show_several(domains),
        }
    }

    /// Shows what can be done with all of them; if there are none, the chosen one is shown again.
    fn show_several(&self, domains: &[Domain]) {
        let imp = self.imp();
        let before = imp.several.take();
        let were_several = !before.is_empty();
        before.into_iter().for_each(|(domain, changed)| domain.disconnect(changed));
        if domains.is_empty() {
            if were_several {
                pages::show(&imp.content_pages, if self.chosen().is_some() { "details" } else { "nothing" });
                self.sense();
            }
            return;
        }
        let several = domains.iter().map(|domain| {
            let changed = domain.connect_notify_local(
                Some("state"),
                clone!(
                    #[weak(rename_to = window)]
                    self,
                    move |_, _| window.sense()
                ),
            );
            (domain.clone(), changed)
        });
        imp.several.replace(several.collect());
        imp.several_page.set_title(&count(domains.len()));
        imp.several_page.set_description(Some(&glib::markup_escape_text(&names(domains))));
        pages::show(&imp.content_pages, "several");
        self.sense();
    }

    /// The page for several domains.
    pub(super) fn build_several(&self) {
        let buttons = gtk::Box::builder().spacing(6).halign(gtk::Align::Center).build();
        let actions = [
            ("media-playback-pause-symbolic", gettext("Pause All"), "win.pause"),
            ("media-playback-start-symbolic", gettext("Resume All"), "win.resume"),
            ("system-shutdown-symbolic", gettext("Shut Down All"), "win.shut-down"),
            ("system-reboot-symbolic", gettext("Reboot All"), "win.reboot"),
            ("edit-delete-symbolic", gettext("Destroy All"), "win.destroy"),
        ];
        for (icon, text, action) in actions {
            let button = icon_button(icon, &text);
            button.set_action_name(Some(action));
            button.remove_css_class("flat");
            buttons.append(&button);
        }
        let page = &self.imp().several_page;
        page.set_icon_name(Some("view-list-symbolic"));
        page.set_child(Some(&buttons));
        page.set_vexpand(true);
        self.imp().content_pages.add_named(page, Some("several"));
    }

    pub(super) fn ask_to_destroy(&self) {
        let domains: Vec<_> = self.targets().into_iter().filter(|domain| !domain.is_host()).collect();
        let Some(first) = domains.first() else { return };
        let (heading, body) = if domains.len() == 1 {
            let body =
                gettext("It ends at once, as if its power was cut. What it has not written to its disks is lost.");
            (with(gettext("Destroy {name}?"), &[("name", &wording::name(first))]), body)
        } else {
            let body = gettext(
                "They end at once, as if their power was cut. What they have not written to their disks is lost: {names}",
            );
            let heading = with(gettext("Destroy {domains}?"), &[("domains", &count(domains.len()))]);
            (heading, with(body, &[("names", &names(&domains))]))
        };
        self.ask_to_end(domains, Action::Destroy, [heading, body, gettext("Destroy")]);
    }

    pub(super) fn ask_to_reset(&self) {
        let Some(domain) = self.chosen() else { return };
        let heading = with(gettext("Reset {name}?"), &[("name", &wording::name(&domain))]);
        let body = gettext(
            "It ends at once and starts again, as if its reset button was pressed. What it has not written to its disks is lost.",
        );
        self.ask_to_end(vec![domain], Action::Reset, [heading, body, gettext("Reset")]);
    }

    /// Asks before something is done with domains that they lose work by.
    fn ask_to_end(&self, domains: Vec<Domain>, action: Action, [heading, body, go_on]: [String; 3]) {
        let end = clone!(
            #[weak(rename_to = window)]
            self,
            #[strong]
            domains,
            move || domains.iter().for_each(|domain| window.session().act(domain, action))
        );
        let dialog = confirm::ask(self, &heading, &body, &go_on, end);
        // Nobody is to be asked about what is gone.
        let list = self.session().domains();
        let changed = list.connect_items_changed(clone!(
            #[weak]
            dialog,
            move |list, _, _, _| {
                let is_there = |domain: &Domain| list.get(domain.domid()).as_ref() == Some(domain);
                if !domains.iter().any(is_there) {
                    dialog.close();
                }
            }
        ));
        confirm::disconnect_after(&dialog, list, changed);
    }
}

fn count(number: usize) -> String {
    let text = ngettext("{count} domain", "{count} domains", u32::try_from(number).unwrap_or(u32::MAX));
    with(text, &[("count", &number.to_string())])
}

fn names(domains: &[Domain]) -> String {
    domains.iter().map(wording::name).collect::<Vec<_>>().join(", ")
}
