//! Which domains the list shows.

use super::Window;
use super::actions::Fits;
use crate::engine::State;
use crate::i18n::gettext;
use crate::model::Domain;
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};
use std::collections::BTreeMap;

/// The groups that are always there, by the target of their action.
const BY_STATE: [(&str, Fits); 3] = [
    ("state:running", |state| matches!(state, State::Running | State::Making)),
    ("state:paused", |state| state == State::Paused),
    ("state:ended", |state| !state.is_alive()),
];
const ALL: &str = "all";
const BY_NAME: &str = "name:";

impl Window {
    /// Adds the action that chooses the group, and what it filters.
    pub(super) fn build_groups(&self) {
        let imp = self.imp();
        let action = gio::SimpleAction::new_stateful("group", Some(glib::VariantTy::STRING), &ALL.to_variant());
        action.connect_change_state(clone!(
            #[weak(rename_to = window)]
            self,
            move |action, group| {
                let Some(group) = group else { return };
                action.set_state(group);
                window.imp().group.replace(group.str().unwrap_or(ALL).to_owned());
                window.imp().group_filter.changed(gtk::FilterChange::Different);
                window.show_count();
            }
        ));
        self.add_action(&action);
        imp.group_filter.set_filter_func(clone!(
            #[weak(rename_to = window)]
            self,
            #[upgrade_or]
            true,
            move |domain| {
                let domain = domain.downcast_ref::<Domain>().expect("the list is one of domains");
                is_in(&window.imp().group.borrow(), &domain.name(), domain.state())
            }
        ));
        // A state that changes is no change of the list.
        self.session().domains().connect_revision_notify(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| {
                if window.imp().group.borrow().starts_with("state:") {
                    window.imp().group_filter.changed(gtk::FilterChange::Different);
                    window.show_count();
                }
            }
        ));
    }

    /// The groups that there are, as a part of the menu.
    pub(super) fn show_groups(&self) {
        let names: Vec<_> =
            self.session().domains().iter::<Domain>().filter_map(Result::ok).map(|domain| domain.name()).collect();
        let prefixes: Vec<_> = prefixes(names.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        // A menu that is made anew costs more than anything else here.
        if self.imp().prefixes.borrow().as_ref() == Some(&prefixes) {
            return;
        }
        let menu = &self.imp().group_menu;
        menu.remove_all();
        let add = |text: &str, target: &str| {
            let item = gio::MenuItem::new(Some(text), None);
            item.set_action_and_target_value(Some("win.group"), Some(&target.to_variant()));
            menu.append_item(&item);
        };
        add(&gettext("All Domains"), ALL);
        let texts = [gettext("Running"), gettext("Paused"), gettext("Ended")];
        texts.iter().zip(BY_STATE).for_each(|(text, (target, _))| add(text, target));
        prefixes.iter().for_each(|prefix| add(&format!("{prefix}…"), &format!("{BY_NAME}{prefix}")));
        self.imp().prefixes.replace(Some(prefixes));
    }
}

fn is_in(group: &str, name: &str, state: State) -> bool {
    if let Some(wanted) = group.strip_prefix(BY_NAME) {
        return prefix(name) == Some(wanted);
    }
    BY_STATE.iter().find(|(target, _)| *target == group).is_none_or(|(_, is_in)| is_in(state))
}

/// What several names begin with, before a number.
fn prefixes<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut counts = BTreeMap::<&str, u32>::new();
    names.filter_map(prefix).for_each(|prefix| *counts.entry(prefix).or_default() += 1);
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(prefix, _)| prefix).collect()
}

/// What a name is before its number: `web` of `web-2`.
fn prefix(name: &str) -> Option<&str> {
    let before = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let before = if before.len() < name.len() { before.trim_end_matches(['-', '_', '.']) } else { "" };
    Some(before).filter(|before| !before.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_with_one_name_and_several_numbers_are_a_group() {
        assert_eq!(prefixes(["web-1", "web-2", "db10", "mail", "db9", "one7"].into_iter()), ["db", "web"]);
        assert_eq!(prefix("17"), None);
        assert!(is_in("name:web", "web-2", State::Running) && !is_in("name:web", "website", State::Running));
        assert!(is_in("state:ended", "a", State::Crashed) && !is_in("state:paused", "a", State::Running));
        assert!(is_in(ALL, "a", State::Dying));
    }
}
