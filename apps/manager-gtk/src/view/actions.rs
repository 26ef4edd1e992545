//! What can be done in the window.

use super::{Window, create_window, files, host_window, journal_window, preferences, wording};
use crate::engine::{Action, Asking, State};
use crate::i18n::gettext;
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};

/// When an action makes sense.
pub(super) type Fits = fn(State) -> bool;

/// The actions on a domain that ask nothing.
const ACTIONS: [(&str, Action, Fits); 5] = [
    ("pause", Action::Pause, |state| state == State::Running),
    ("resume", Action::Unpause, |state| state == State::Paused),
    // One that is paused answers when it is resumed.
    ("shut-down", Action::ShutDown, |state| matches!(state, State::Running | State::Paused)),
    ("reboot", Action::Reboot, |state| matches!(state, State::Running | State::Paused)),
    ("power-button", Action::PowerButton, |state| state == State::Running),
];

impl Window {
    pub(super) fn add_actions(&self) {
        for (name, action, fits) in ACTIONS {
            self.on(name, move |window| {
                let domains = window.targets().into_iter();
                domains
                    .filter(|domain| !domain.is_host() && fits(domain.state()))
                    .for_each(|domain| window.session().act(&domain, action));
            });
        }
        self.on("select-all", |window| {
            window.imp().selection.select_all();
            // Where there is one pane at a time, what can be done with them is in the other.
            window.imp().leaflet.navigate(adw::NavigationDirection::Forward);
        });
        self.on("reset", |window| window.ask_to_reset());
        self.on("destroy", |window| window.ask_to_destroy());
        self.on("rename", |window| window.ask_for_name());
        self.on("memory", |window| window.ask_for_memory());
        self.on("vcpus", |window| window.ask_for_vcpus());
        self.on("console", |window| window.open_console());
        self.on("edit", |window| window.edit_config());
        self.on("clone", |window| window.clone_domain());
        self.on("add-disk", |window| window.ask_for_disk());
        self.on("add-nic", |window| window.ask_for_nic());
        self.on("add-pci", |window| window.ask_for_pci());
        self.on("add-usb", |window| window.ask_for_usb());
        self.on("show-devices", |window| window.show_devices(Asking::Allowed));
        self.on("save", |window| window.ask_where_to_save());
        self.on("create", create_window::open);
        self.on("host", host_window::open);
        self.on("events", journal_window::open);
        self.on("preferences", preferences::open);
        self.on("screen", |window| window.open_screen());
        self.on("migrate", |window| window.ask_where_to_migrate());
        self.on("open-file", |window| {
            let open = clone!(
                #[weak]
                window,
                move |path| window.session().open_file(path)
            );
            let (title, accept) = (gettext("Start a Domain from a File"), gettext("Start"));
            let asked = files::Asked { title: &title, accept: &accept, name: None };
            files::choose(window, gtk::FileChooserAction::Open, &asked, open);
        });
        let open = clone!(
            #[weak(rename_to = window)]
            self,
            move |path| window.session().open_file(path)
        );
        files::on_drop(self, open);
        self.on("try-again", |window| window.session().open());
        self.on("search", |window| window.imp().search_bar.set_search_mode(true));
    }

    fn on(&self, name: &str, act: impl Fn(&Self) + 'static) {
        let action = gio::SimpleAction::new(name, None);
        action.connect_activate(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _| act(&window)
        ));
        self.add_action(&action);
    }

    /// Which actions there are for the chosen domain.
    pub(super) fn sense(&self) {
        let targets = self.targets();
        let of = |can: Fits| targets.iter().any(|domain| !domain.is_host() && can(domain.state()));
        let set = |name: &str, can: bool| {
            if let Some(action) = self.lookup_action(name).and_downcast::<gio::SimpleAction>() {
                action.set_enabled(can);
            }
        };
        ACTIONS.iter().for_each(|(name, _, can)| set(name, of(*can)));
        set("destroy", of(|state| state != State::Dying));
        // The rest is about one.
        let is_one = !self.are_several();
        let enable = |name: &str, can| set(name, is_one && of(can));
        enable("console", |state| state.is_alive());
        enable("screen", |state| state.is_alive());
        enable("migrate", |state| matches!(state, State::Running | State::Paused));
        enable("rename", |state| state.is_alive());
        enable("edit", |state| state != State::Dying);
        enable("clone", |state| state != State::Dying);
        for name in ["add-disk", "add-nic", "add-pci", "add-usb"] {
            enable(name, |state| state.is_alive());
        }
        enable("memory", |state| state.is_alive());
        enable("vcpus", |state| state.is_alive());
        enable("reset", |state| !matches!(state, State::Making | State::Dying | State::Suspended));
        enable("save", |state| matches!(state, State::Running | State::Paused));
        self.imp().more.set_visible(is_one && of(|_| true));
        let chosen = self.chosen().filter(|_| is_one);
        self.imp().content_title.set_title(&chosen.map(|domain| wording::name(&domain)).unwrap_or_default());
    }
}
