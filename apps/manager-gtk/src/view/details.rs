//! The chosen domain.

use super::device_groups::DeviceGroups;
use super::load_graph::LoadGraph;
use super::{accessible, wording};
use crate::engine::State;
use crate::i18n::gettext;
use crate::model::{Domain, Session};
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::clone;
use gtk::{glib, pango};

glib::wrapper! {
    /// State, actions and properties of one domain.
    pub(crate) struct Details(ObjectSubclass<imp::Details>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}

impl Default for Details {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl Details {
    /// Shows how busy the domains are, which the session knows.
    pub(super) fn show_load(&self, session: &Session) {
        let imp = self.imp();
        let graph = LoadGraph::new(session);
        let row = adw::ActionRow::builder().title(gettext("Processor Load")).build();
        row.add_suffix(graph.widget());
        imp.resources.add(&row);
        imp.graph.set(graph).ok().expect("set once");
    }

    /// Shows this domain, and all that changes of it.
    pub(super) fn bind(&self, domain: Option<&Domain>) {
        let imp = self.imp();
        imp.graph.get().into_iter().for_each(|graph| graph.bind(domain));
        let before = imp.shown.take().map(|(before, changed)| {
            before.disconnect(changed);
            before.uuid()
        });
        let Some(domain) = domain else { return };
        // Another one is seen from its name on.
        if before.is_none_or(|uuid| uuid != domain.uuid()) {
            imp.scrolled.vadjustment().set_value(0.0);
        }
        let changed = domain.connect_notify_local(
            None,
            clone!(
                #[weak(rename_to = details)]
                self,
                move |domain, _| details.show(domain)
            ),
        );
        imp.shown.replace(Some((domain.clone(), changed)));
        self.show(domain);
    }

    /// Says why the start with the host is not there, if it is not.
    pub(super) fn explain_lack(&self, why: Option<&str>) {
        let row = &self.imp().autostart_row;
        row.set_sensitive(why.is_none());
        row.set_tooltip_text(why);
    }

    /// Calls with whether the domain that is shown shall start with the host.
    pub(super) fn on_autostart(&self, set: impl Fn(&Domain, bool) + 'static) {
        self.imp().autostart.connect_state_set(clone!(
            #[weak(rename_to = details)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |switch, is_on| {
                let shown = details.imp().shown.borrow().as_ref().map(|(domain, _)| domain.clone());
                if let Some(domain) = shown.filter(|_| !details.imp().is_showing.get()) {
                    // Until it is known what has come of it.
                    switch.set_sensitive(false);
                    set(&domain, is_on);
                }
                glib::Propagation::Proceed
            }
        ));
    }

    /// Shows whether it starts with the host.
    pub(super) fn show_autostart(&self, is_on: bool) {
        self.imp().is_showing.set(true);
        self.imp().autostart.set_active(is_on);
        self.imp().is_showing.set(false);
        self.imp().autostart.set_sensitive(true);
    }

    /// Shows nothing of what has to be read first: it was another domain's.
    pub(super) fn forget(&self) {
        self.devices().clear();
        self.imp().autostart.set_sensitive(false);
    }

    /// The devices of the domain that is shown.
    pub(super) fn devices(&self) -> &DeviceGroups {
        &self.imp().devices
    }

    fn show(&self, domain: &Domain) {
        let imp = self.imp();
        imp.name.set_text(&wording::name(domain));
        imp.name.set_tooltip_text(Some(&wording::name(domain)));
        let state = domain.state();
        imp.state.set_text(&state.text());
        wording::STATE_CLASSES.iter().for_each(|class| imp.state.remove_css_class(class));
        imp.state.add_css_class(wording::state_class(state));
        imp.pause.set_visible(state != State::Paused);
        imp.resume.set_visible(state == State::Paused);
        imp.buttons.set_visible(!domain.is_host());
        imp.host_note.set_visible(domain.is_host());
        imp.autostart_row.set_visible(!domain.is_host());
        imp.memory.set_text(&wording::memory_of(domain));
        imp.vcpus.set_text(&domain.vcpus().to_string());
        imp.kind.set_text(&domain.kind());
        imp.domid.set_text(&domain.domid().to_string());
        imp.uuid.set_text(&domain.uuid());
    }
}

/// A button with an icon above its text, narrow enough for four in a row of a phone's width.
fn button(icon: &str, text: &str, action: &str) -> gtk::Button {
    let face = gtk::Box::new(gtk::Orientation::Vertical, 4);
    face.append(&gtk::Image::from_icon_name(icon));
    // A longer word of another language must not make the window wider than a phone.
    let label = gtk::Label::builder().label(text).css_classes(["caption"]).ellipsize(pango::EllipsizeMode::End);
    face.append(&label.build());
    let button = gtk::Button::builder().child(&face).action_name(action).tooltip_text(text).hexpand(true).build();
    accessible::label(&button, text);
    button
}

/// A line of a group: what it is, and its value.
fn line(group: &adw::PreferencesGroup, title: &str, value: &gtk::Label) -> adw::ActionRow {
    value.set_selectable(true);
    value.set_ellipsize(pango::EllipsizeMode::Middle);
    value.set_xalign(1.0);
    value.set_hexpand(true);
    accessible::label(value, title);
    let row = adw::ActionRow::builder().title(title).build();
    row.add_suffix(value);
    group.add(&row);
    row
}

/// The button of a line whose value can be changed.
fn change(text: &str, action: &str) -> gtk::Button {
    let button = gtk::Button::builder()
        .icon_name("document-edit-symbolic")
        .tooltip_text(text)
        .action_name(action)
        .valign(gtk::Align::Center)
        .css_classes(["flat"])
        .build();
    accessible::label(&button, text);
    button
}

mod imp {
    use super::*;
    use std::cell::{Cell, OnceCell, RefCell};
    use std::rc::Rc;

    #[derive(Default)]
    pub(crate) struct Details {
        pub(super) name: gtk::Label,
        pub(super) state: gtk::Label,
        pub(super) buttons: gtk::Box,
        pub(super) pause: gtk::Button,
        pub(super) resume: gtk::Button,
        pub(super) host_note: gtk::Label,
        pub(super) memory: gtk::Label,
        pub(super) vcpus: gtk::Label,
        pub(super) kind: gtk::Label,
        pub(super) domid: gtk::Label,
        pub(super) uuid: gtk::Label,
        pub(super) resources: adw::PreferencesGroup,
        pub(super) graph: OnceCell<Rc<LoadGraph>>,
        pub(super) devices: DeviceGroups,
        pub(super) autostart: gtk::Switch,
        pub(super) autostart_row: adw::ActionRow,
        /// The switch is being set, and not by its user.
        pub(super) is_showing: Cell<bool>,
        pub(super) scrolled: gtk::ScrolledWindow,
        pub(super) shown: RefCell<Option<(Domain, glib::SignalHandlerId)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Details {
        const NAME: &'static str = "OseventManagerDetails";
        type Type = super::Details;
        type ParentType = adw::Bin;

        fn new() -> Self {
            Self {
                pause: button("media-playback-pause-symbolic", &gettext("Pause"), "win.pause"),
                resume: button("media-playback-start-symbolic", &gettext("Resume"), "win.resume"),
                ..Self::default()
            }
        }
    }

    impl ObjectImpl for Details {
        fn constructed(&self) {
            self.parent_constructed();
            self.name.set_ellipsize(pango::EllipsizeMode::End);
            self.name.add_css_class("title-1");
            self.state.add_css_class("heading");
            let shut_down = button("system-shutdown-symbolic", &gettext("Shut Down"), "win.shut-down");
            let reboot = button("system-reboot-symbolic", &gettext("Reboot"), "win.reboot");
            let destroy = button("edit-delete-symbolic", &gettext("Destroy"), "win.destroy");
            destroy.add_css_class("destructive-action");
            self.buttons.set_spacing(6);
            self.buttons.set_homogeneous(true);
            for button in [&self.pause, &self.resume, &shut_down, &reboot, &destroy] {
                self.buttons.append(button);
            }
            self.host_note.set_text(&gettext(
                "This domain manages the host. The other domains depend on it, so it cannot be paused or ended here.",
            ));
            self.host_note.set_wrap(true);
            self.host_note.set_justify(gtk::Justification::Center);
            self.host_note.add_css_class("dim-label");
            self.resources.set_title(&gettext("Resources"));
            let memory = line(&self.resources, &gettext("Memory"), &self.memory);
            memory.add_suffix(&change(&gettext("Change the Memory"), "win.memory"));
            let vcpus = line(&self.resources, &gettext("Virtual CPUs"), &self.vcpus);
            vcpus.add_suffix(&change(&gettext("Change the Virtual CPUs"), "win.vcpus"));
            self.autostart.set_valign(gtk::Align::Center);
            self.autostart_row.set_title(&gettext("Starts with the Host"));
            self.autostart_row.add_suffix(&self.autostart);
            self.autostart_row.set_activatable_widget(Some(&self.autostart));
            let identity = adw::PreferencesGroup::builder().title(gettext("Identity")).build();
            identity.add(&self.autostart_row);
            line(&identity, &gettext("Type"), &self.kind);
            line(&identity, &gettext("Number"), &self.domid);
            line(&identity, &gettext("UUID"), &self.uuid);

            let column = gtk::Box::builder()
                .orientation(gtk::Orientation::Vertical)
                .spacing(18)
                .margin_top(24)
                .margin_bottom(24)
                .margin_start(12)
                .margin_end(12)
                .build();
            let title = gtk::Box::new(gtk::Orientation::Vertical, 6);
            title.append(&self.name);
            title.append(&self.state);
            column.append(&title);
            column.append(&self.buttons);
            column.append(&self.host_note);
            column.append(&self.resources);
            self.devices.widgets().iter().for_each(|group| column.append(group));
            column.append(&identity);
            let clamp = adw::Clamp::builder().maximum_size(600).child(&column).build();
            self.scrolled.set_hscrollbar_policy(gtk::PolicyType::Never);
            self.scrolled.set_child(Some(&clamp));
            self.obj().set_child(Some(&self.scrolled));
        }
    }

    impl WidgetImpl for Details {}

    impl BinImpl for Details {}
}
