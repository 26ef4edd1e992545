//! The chosen domain.

use super::{accessible, wording};
use crate::engine::{Devices, Failure, State};
use crate::i18n::gettext;
use crate::model::Domain;
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
    /// Shows this domain, and all that changes of it.
    pub(super) fn bind(&self, domain: Option<&Domain>) {
        let imp = self.imp();
        if let Some((domain, changed)) = imp.shown.take() {
            domain.disconnect(changed);
        }
        let Some(domain) = domain else { return };
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

    /// Shows the devices of the domain that is shown, or why they are not known.
    pub(super) fn show_devices(&self, devices: Result<Devices, Failure>) {
        let imp = self.imp();
        imp.device_rows.take().iter().for_each(|(group, row)| group.remove(row));
        let (devices, why_none) = match devices {
            Ok(devices) => (devices, gettext("None")),
            Err(failure) => (Devices::default(), failure.summary),
        };
        let groups = [(&imp.disks, devices.disks), (&imp.nics, devices.nics)];
        for (group, devices) in groups {
            let rows = devices.iter().map(|(name, made_of)| (name.as_str(), made_of.as_str()));
            let nothing = [(why_none.as_str(), "")];
            let rows: Vec<_> = if devices.is_empty() { nothing.to_vec() } else { rows.collect() };
            for (title, subtitle) in rows {
                let escaped = [title, subtitle].map(glib::markup_escape_text);
                let row = adw::ActionRow::builder().title(&*escaped[0]).subtitle(&*escaped[1]).build();
                group.add(&row);
                imp.device_rows.borrow_mut().push((group.clone(), row));
            }
        }
    }

    fn show(&self, domain: &Domain) {
        let imp = self.imp();
        imp.name.set_text(&wording::name(domain));
        imp.name.set_tooltip_text(Some(&wording::name(domain)));
        let state = domain.state();
        imp.state.set_text(&wording::state(state));
        wording::STATE_CLASSES.iter().for_each(|class| imp.state.remove_css_class(class));
        imp.state.add_css_class(wording::state_class(state));
        imp.pause.set_visible(state != State::Paused);
        imp.resume.set_visible(state == State::Paused);
        imp.buttons.set_visible(!domain.is_host());
        imp.host_note.set_visible(domain.is_host());
        imp.memory.set_text(&wording::memory(domain.memory_kib()));
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
    face.append(&gtk::Label::builder().label(text).css_classes(["caption"]).build());
    let button = gtk::Button::builder().child(&face).action_name(action).hexpand(true).build();
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
    use std::cell::RefCell;

    #[derive(Debug, Default)]
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
        pub(super) disks: adw::PreferencesGroup,
        pub(super) nics: adw::PreferencesGroup,
        pub(super) device_rows: RefCell<Vec<(adw::PreferencesGroup, adw::ActionRow)>>,
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
            let resources = adw::PreferencesGroup::builder().title(gettext("Resources")).build();
            let memory = line(&resources, &gettext("Memory"), &self.memory);
            memory.add_suffix(&change(&gettext("Change the Memory"), "win.memory"));
            let vcpus = line(&resources, &gettext("Virtual CPUs"), &self.vcpus);
            vcpus.add_suffix(&change(&gettext("Change the Virtual CPUs"), "win.vcpus"));
            self.disks.set_title(&gettext("Disks"));
            self.nics.set_title(&gettext("Network Interfaces"));
            let identity = adw::PreferencesGroup::builder().title(gettext("Identity")).build();
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
            column.append(&resources);
            column.append(&self.disks);
            column.append(&self.nics);
            column.append(&identity);
            let clamp = adw::Clamp::builder().maximum_size(600).child(&column).build();
            let scrolled = gtk::ScrolledWindow::builder().hscrollbar_policy(gtk::PolicyType::Never).child(&clamp);
            self.obj().set_child(Some(&scrolled.build()));
        }
    }

    impl WidgetImpl for Details {}

    impl BinImpl for Details {}
}
