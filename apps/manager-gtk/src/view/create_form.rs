//! What a new domain shall be, as a form.

use super::disk_fields::DiskFields;
use super::form::{self, Changed, Choice};
use crate::engine::{Draft, Field, Kind};
use crate::i18n::{gettext, with};
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::cell::RefCell;
use std::rc::Rc;

const KINDS: [Kind; 3] = [Kind::Pvh, Kind::Pv, Kind::Hvm];

pub(super) struct CreateForm {
    page: adw::PreferencesPage,
    name: gtk::Entry,
    kind: Choice,
    kind_row: adw::ActionRow,
    memory: gtk::SpinButton,
    vcpus: gtk::SpinButton,
    /// Of PV and PVH.
    booted: adw::PreferencesGroup,
    kernel: gtk::Entry,
    ramdisk: gtk::Entry,
    cmdline: gtk::Entry,
    /// Of HVM.
    drive: adw::PreferencesGroup,
    disc: gtk::Entry,
    disks: Rc<Lines<DiskFields>>,
    nics: Rc<Lines<gtk::Entry>>,
}

impl CreateForm {
    pub(super) fn new(changed: &Changed) -> Self {
        let (name_row, name) = form::text(&gettext("Name"), changed);
        let (kind_row, kind) = form::choice(&gettext("Type"), &["PVH", "PV", "HVM"], changed);
        let (memory_row, memory) = form::number(&gettext("Memory in MiB"), (4.0, 1_048_576.0), 512.0);
        let (vcpus_row, vcpus) = form::number(&gettext("Virtual CPUs"), (1.0, 128.0), 1.0);
        let (kernel_row, kernel) = form::file(&gettext("Kernel"), changed);
        let (ramdisk_row, ramdisk) = form::file(&gettext("Initial Ramdisk"), changed);
        let (cmdline_row, cmdline) = form::text(&gettext("Command Line"), changed);
        let (disc_row, disc) = form::file(&gettext("Image of a Disc (ISO)"), changed);
        let domain = group("", &[name_row, kind_row.clone(), memory_row, vcpus_row]);
        let booted = group(&gettext("What It Boots"), &[kernel_row, ramdisk_row, cmdline_row]);
        booted.set_description(Some(&gettext("Without a kernel, the boot menu on the first disk is used.")));
        let drive = group(&gettext("What It Boots"), &[disc_row]);
        drive.set_description(Some(&gettext("It boots from the disc, and otherwise from the first disk.")));
        let disks = Lines::new(&gettext("Disks"), &gettext("Add a Disk"), changed, disk_line);
        let nics = Lines::new(&gettext("Network Interfaces"), &gettext("Add a Network Interface"), changed, nic_line);
        let page = adw::PreferencesPage::new();
        for group in [&domain, &booted, &drive, &disks.group, &nics.group] {
            page.add(group);
        }
        kernel.set_text(&Draft::suggested_kernel());
        Self { page, name, kind, kind_row, memory, vcpus, booted, kernel, ramdisk, cmdline, drive, disc, disks, nics }
    }

    pub(super) fn widget(&self) -> &adw::PreferencesPage {
        &self.page
    }

    /// Puts the cursor where it begins.
    pub(super) fn begin(&self) {
        self.name.grab_focus();
    }

    /// What is filled in.
    pub(super) fn draft(&self) -> Draft {
        let text = |entry: &gtk::Entry| entry.text().trim().to_owned();
        Draft {
            name: text(&self.name),
            kind: KINDS[self.kind.chosen()],
            memory_mib: self.memory.value() as u32,
            vcpus: self.vcpus.value() as u32,
            kernel: text(&self.kernel),
            ramdisk: text(&self.ramdisk),
            cmdline: text(&self.cmdline),
            disc: text(&self.disc),
            disks: self.disks.map(DiskFields::draft),
            bridges: self.nics.map(text),
        }
    }

    /// Shows what belongs to the type that is chosen, and where something is wrong.
    pub(super) fn sense(&self, wrong: Option<Field>) {
        let kind = KINDS[self.kind.chosen()];
        self.booted.set_visible(kind != Kind::Hvm);
        self.drive.set_visible(kind == Kind::Hvm);
        self.kind_row.set_subtitle(&match kind {
            Kind::Pvh => gettext("A kernel made for it, on virtual hardware without emulated devices"),
            Kind::Pv => gettext("A kernel made for it, without help by the processor"),
            Kind::Hvm => gettext("A full machine with firmware and emulated devices, for any system"),
        });
        form::mark(&self.name, wrong == Some(Field::Name));
        form::mark(&self.kernel, wrong == Some(Field::Kernel));
        form::mark(&self.ramdisk, wrong == Some(Field::Ramdisk));
        form::mark(&self.disc, wrong == Some(Field::Disc));
        for (at, line) in self.disks.lines.borrow().iter().enumerate() {
            form::mark(&line.1.path, wrong == Some(Field::Disk(at)));
        }
    }
}

/// A group to which lines are added.
struct Lines<T> {
    group: adw::PreferencesGroup,
    lines: RefCell<Vec<(adw::ActionRow, T)>>,
    changed: Changed,
    make: fn(usize, &Changed) -> (adw::ActionRow, T),
}

impl<T: 'static> Lines<T> {
    fn new(title: &str, add: &str, changed: &Changed, make: fn(usize, &Changed) -> (adw::ActionRow, T)) -> Rc<Self> {
        let group = adw::PreferencesGroup::builder().title(title).build();
        let button = form::icon_button("list-add-symbolic", add);
        group.set_header_suffix(Some(&button));
        let lines = Rc::new(Self { group, lines: RefCell::default(), changed: changed.clone(), make });
        button.connect_clicked(clone!(
            #[weak]
            lines,
            move |_| lines.add()
        ));
        lines
    }

    fn add(self: &Rc<Self>) {
        let number = self.lines.borrow().len() + 1;
        let (row, line) = (self.make)(number, &self.changed);
        let remove =
            form::icon_button("list-remove-symbolic", &with(gettext("Remove {name}"), &[("name", &row.title())]));
        remove.connect_clicked(clone!(
            #[weak(rename_to = lines)]
            self,
            #[weak]
            row,
            move |_| lines.remove(&row)
        ));
        row.add_suffix(&remove);
        self.group.add(&row);
        self.lines.borrow_mut().push((row, line));
        (self.changed)();
    }

    fn remove(&self, row: &adw::ActionRow) {
        self.group.remove(row);
        self.lines.borrow_mut().retain(|(there, _)| there != row);
        (self.changed)();
    }

    fn map<R>(&self, read: impl Fn(&T) -> R) -> Vec<R> {
        self.lines.borrow().iter().map(|(_, line)| read(line)).collect()
    }
}

fn disk_line(number: usize, changed: &Changed) -> (adw::ActionRow, DiskFields) {
    let title = with(gettext("Disk {number}"), &[("number", &number.to_string())]);
    let (row, disk) = DiskFields::new(&title, changed);
    row.add_suffix(disk.format.widget());
    row.add_suffix(&disk.is_read_only);
    (row, disk)
}

fn nic_line(number: usize, changed: &Changed) -> (adw::ActionRow, gtk::Entry) {
    let title = with(gettext("Bridge of Interface {number}"), &[("number", &number.to_string())]);
    let (row, bridge) = form::text(&title, changed);
    bridge.set_placeholder_text(Some("xenbr0"));
    (row, bridge)
}

fn group(title: &str, rows: &[adw::ActionRow]) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::builder().title(title).build();
    rows.iter().for_each(|row| group.add(row));
    group
}
