//! Devices for the chosen domain, and away from it.

use super::disk_fields::DiskFields;
use super::form::{self, Changed, Dialog, Read};
use super::{Window, confirm, files, wording};
use crate::engine::{Attached, NewDevice, OfHost, host_usb};
use crate::i18n::{gettext, with};
use crate::model::{Domain, Session};
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::path::PathBuf;

/// What is wanted with a device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    Detach,
    Insert,
    Eject,
}

impl Window {
    pub(super) fn ask_for_disk(&self) {
        let Some(domain) = self.chosen() else { return };
        let dialog = Dialog::new(self, &gettext("Attach a Disk"), &gettext("Attach"));
        self.fill_in(&domain, dialog, |dialog, changed| {
            let (row, disk) = DiskFields::new(&gettext("Image or Block Device"), changed);
            dialog.add(&row);
            let row = adw::ActionRow::builder().title(gettext("Format")).build();
            row.add_suffix(disk.format.widget());
            dialog.add(&row);
            disk.is_read_only.set_margin_top(12);
            dialog.add(&disk.is_read_only);
            Box::new(move || NewDevice::Disk(disk.draft()))
        });
    }

    pub(super) fn ask_for_nic(&self) {
        let Some(domain) = self.chosen() else { return };
        let dialog = Dialog::new(self, &gettext("Attach a Network Interface"), &gettext("Attach"));
        self.fill_in(&domain, dialog, |dialog, changed| {
            let (row, bridge) = form::text(&gettext("Bridge"), changed);
            bridge.set_placeholder_text(Some("xenbr0"));
            dialog.add(&row);
            let (row, mac) = form::text(&gettext("Address"), changed);
            mac.set_placeholder_text(Some(&gettext("chosen by Xen")));
            dialog.add(&row);
            let text = |entry: &gtk::Entry| entry.text().trim().to_owned();
            Box::new(move || NewDevice::Nic { bridge: text(&bridge), mac: text(&mac) })
        });
    }

    pub(super) fn ask_for_pci(&self) {
        let Some(domain) = self.chosen() else { return };
        let title = gettext("Attach a PCI Device");
        self.ask_host(title.clone(), async |session: &Session| session.host_pci().await, move |window, devices| {
            let none = gettext(
                "No PCI device of this host can be given away. Make one assignable first: xl pci-assignable-add ADDRESS",
            );
            window.choose_device(&domain, &title, &none, devices);
        });
    }

    pub(super) fn ask_for_usb(&self) {
        let Some(domain) = self.chosen() else { return };
        glib::spawn_future_local(clone!(
            #[weak(rename_to = window)]
            self,
            async move {
                let devices = host_usb().await;
                let none = gettext("No USB device is plugged into this host.");
                window.choose_device(&domain, &gettext("Attach a USB Device"), &none, devices);
            }
        ));
    }

    /// Does what is wanted with a device of a domain.
    pub(super) fn wish(&self, domain: &Domain, device: &Attached, wish: Wish) {
        let domain = domain.clone();
        match wish {
            Wish::Detach => self.ask_to_detach(domain, device.clone()),
            Wish::Eject => self.show_devices_after(self.session().change_disc(&domain, device, None)),
            Wish::Insert => {
                let (title, accept) = (gettext("Insert a Disc"), gettext("Insert"));
                let asked = files::Asked { title: &title, accept: &accept, name: None };
                let drive = device.clone();
                let insert = clone!(
                    #[weak(rename_to = window)]
                    self,
                    move |image: PathBuf| {
                        window.show_devices_after(window.session().change_disc(&domain, &drive, Some(&image)));
                    }
                );
                files::choose(self, gtk::FileChooserAction::Open, &asked, insert);
            }
        }
    }

    fn ask_to_detach(&self, domain: Domain, device: Attached) {
        let heading = gettext("Detach {device} from {name}?");
        let heading = with(heading, &[("device", &device.name), ("name", &wording::name(&domain))]);
        let body = if device.made_of.starts_with('/') {
            with(gettext("The domain loses it. {file} stays as it is."), &[("file", &device.made_of)])
        } else {
            gettext("The domain loses it.")
        };
        let detach = clone!(
            #[weak(rename_to = window)]
            self,
            move || window.show_devices_after(window.session().detach(&domain, &device))
        );
        confirm::ask(self, &heading, &body, &gettext("Detach"), detach);
    }

    /// Has a device filled in.
    fn fill_in(&self, domain: &Domain, dialog: Dialog, fill: impl FnOnce(&Dialog, &Changed) -> Read<NewDevice>) {
        let attach = clone!(
            #[weak(rename_to = window)]
            self,
            #[strong]
            domain,
            move |device| window.show_devices_after(window.session().attach(&domain, device))
        );
        dialog.fill_in(fill, NewDevice::check, attach);
    }

    /// Has one of the host's devices chosen.
    fn choose_device(&self, domain: &Domain, title: &str, none: &str, devices: Vec<OfHost>) {
        let dialog = Dialog::new(self, title, &gettext("Attach"));
        if devices.is_empty() {
            dialog.describe(none);
            dialog.accept.set_sensitive(false);
            return dialog.window.present();
        }
        self.fill_in(domain, dialog, |dialog, _| {
            let mut buttons: Vec<gtk::CheckButton> = Vec::new();
            for device in &devices {
                let button = gtk::CheckButton::with_label(&device.name);
                button.set_group(buttons.first());
                button.set_active(buttons.is_empty());
                dialog.add(&button);
                buttons.push(button);
            }
            Box::new(move || {
                let chosen = buttons.iter().position(gtk::CheckButton::is_active).unwrap_or_default();
                NewDevice::OfHost(devices[chosen].clone())
            })
        });
    }
}
