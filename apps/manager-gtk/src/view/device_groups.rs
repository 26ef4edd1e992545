//! The devices of the chosen domain, family by family.

use super::device_dialogs::Wish;
use super::form::icon_button;
use crate::engine::{Attached, Devices, Failure};
use crate::i18n::{gettext, with};
use crate::model::Domain;
use adw::prelude::*;
use gtk::glib;
use std::cell::RefCell;
use std::rc::Rc;

/// Does what is wanted with a device of a domain.
type OnWish = Rc<dyn Fn(&Domain, &Attached, Wish)>;

pub(super) struct DeviceGroups {
    /// Disks, network interfaces, PCI and USB devices.
    groups: [adw::PreferencesGroup; 4],
    add_buttons: Vec<gtk::Button>,
    rows: RefCell<Vec<(usize, adw::ActionRow)>>,
    on_wish: RefCell<Option<OnWish>>,
}

impl Default for DeviceGroups {
    fn default() -> Self {
        let families = [
            (gettext("Disks"), gettext("Attach a Disk"), "win.add-disk"),
            (gettext("Network Interfaces"), gettext("Attach a Network Interface"), "win.add-nic"),
            (gettext("PCI Devices"), gettext("Attach a PCI Device"), "win.add-pci"),
            (gettext("USB Devices"), gettext("Attach a USB Device"), "win.add-usb"),
        ];
        let mut add_buttons = Vec::new();
        let groups = families.map(|(title, text, action)| {
            let add = icon_button("list-add-symbolic", &text);
            add.set_action_name(Some(action));
            let group = adw::PreferencesGroup::builder().title(title).header_suffix(&add).build();
            add_buttons.push(add);
            group
        });
        Self { groups, add_buttons, rows: RefCell::default(), on_wish: RefCell::default() }
    }
}

impl DeviceGroups {
    pub(super) fn widgets(&self) -> &[adw::PreferencesGroup] {
        &self.groups
    }

    /// Calls with what is wanted.
    pub(super) fn on_wish(&self, wish: impl Fn(&Domain, &Attached, Wish) + 'static) {
        self.on_wish.replace(Some(Rc::new(wish)));
    }

    /// Shows nothing: whose devices were there is no longer shown.
    pub(super) fn clear(&self) {
        self.rows.take().iter().for_each(|(at, row)| self.groups[*at].remove(row));
    }

    /// Shows these of a domain, or why they are not known. Those of domain 0 stay as they are.
    pub(super) fn show(&self, domain: &Domain, devices: Result<Devices, Failure>) {
        self.clear();
        self.add_buttons.iter().for_each(|button| button.set_visible(!domain.is_host()));
        let (devices, why_none, is_known) = match devices {
            Ok(devices) => (devices, gettext("None"), true),
            Err(failure) => (Devices::default(), failure.summary, false),
        };
        let families = [devices.disks, devices.nics, devices.pci, devices.usb];
        for (at, devices) in families.into_iter().enumerate() {
            if devices.is_empty() {
                let row = adw::ActionRow::builder().title(&*glib::markup_escape_text(&why_none)).build();
                // A password may be all that is lacking, and one button is enough.
                if !is_known && at == 0 {
                    let show = icon_button("view-refresh-symbolic", &gettext("Show the Devices"));
                    show.set_action_name(Some("win.show-devices"));
                    row.add_suffix(&show);
                }
                self.add(at, row);
            }
            for device in &devices {
                self.add(at, self.row(domain, device));
            }
        }
    }

    fn add(&self, at: usize, row: adw::ActionRow) {
        self.groups[at].add(&row);
        self.rows.borrow_mut().push((at, row));
    }

    fn row(&self, domain: &Domain, device: &Attached) -> adw::ActionRow {
        let made_of = if device.is_empty() { gettext("No disc") } else { device.made_of.clone() };
        let [title, subtitle] = [&device.name, &made_of].map(|text| glib::markup_escape_text(text));
        let row = adw::ActionRow::builder().title(&*title).subtitle(&*subtitle).build();
        let name = [("name", device.name.as_str())];
        let mut buttons = Vec::new();
        if device.is_drive() {
            buttons.push(("media-optical-symbolic", with(gettext("Insert a Disc into {name}"), &name), Wish::Insert));
            if !device.is_empty() {
                buttons.push(("media-eject-symbolic", with(gettext("Eject the Disc of {name}"), &name), Wish::Eject));
            }
        } else if !domain.is_host() {
            buttons.push(("list-remove-symbolic", with(gettext("Detach {name}"), &name), Wish::Detach));
        }
        for (icon, text, wish) in buttons {
            let button = icon_button(icon, &text);
            let (domain, device, on_wish) = (domain.clone(), device.clone(), self.on_wish.borrow().clone());
            button.connect_clicked(move |_| on_wish.iter().for_each(|on_wish| on_wish(&domain, &device, wish)));
            row.add_suffix(&button);
        }
        row
    }
}
