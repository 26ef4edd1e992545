//! The host.

use super::load_graph::while_seen;
use super::{Window, wording};
use crate::engine::Host;
use crate::i18n::{gettext, with};
use crate::model::Session;
use adw::prelude::*;
use gtk::glib::clone;
use gtk::{glib, pango};
use std::cell::RefCell;
use std::rc::Rc;

/// What is said of the host, in this order.
const LINES: usize = 9;

struct HostWindow {
    session: Session,
    group: adw::PreferencesGroup,
    values: RefCell<Vec<gtk::Label>>,
}

/// Shows what the host is, and has.
pub(super) fn open(parent: &Window) {
    let host = Rc::new(HostWindow {
        session: parent.session().clone(),
        group: adw::PreferencesGroup::builder().margin_top(18).margin_bottom(18).build(),
        values: RefCell::default(),
    });
    let clamp = adw::Clamp::builder().maximum_size(560).margin_start(18).margin_end(18).child(&host.group).build();
    let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
    content.append(&adw::HeaderBar::new());
    content.append(&gtk::ScrolledWindow::builder().child(&clamp).vexpand(true).build());
    let window = adw::Window::builder()
        .transient_for(parent)
        .title(gettext("Host"))
        .default_width(560)
        .default_height(580)
        .content(&content)
        .build();
    // It looks for as long as it is there.
    while_seen(&window, move || host.look());
    window.present();
}

impl HostWindow {
    fn look(self: &Rc<Self>) {
        glib::spawn_future_local(clone!(
            #[weak(rename_to = host)]
            self,
            async move {
                match host.session.host().await {
                    Ok(known) => {
                        host.group.set_description(None);
                        host.show(&known);
                    }
                    Err(failure) => host.group.set_description(Some(&glib::markup_escape_text(&failure.summary))),
                }
            }
        ));
    }

    fn show(&self, host: &Host) {
        let lines = lines(host);
        let mut values = self.values.borrow_mut();
        if values.is_empty() {
            for (title, _) in &lines {
                let value = gtk::Label::builder().selectable(true).wrap(true).xalign(1.0).hexpand(true);
                let value = value.wrap_mode(pango::WrapMode::WordChar).build();
                let row = adw::ActionRow::builder().title(title).build();
                row.add_suffix(&value);
                self.group.add(&row);
                values.push(value);
            }
        }
        values.iter().zip(lines).for_each(|(value, (_, text))| value.set_text(&text));
    }
}

fn lines(host: &Host) -> [(String, String); LINES] {
    let [cpus, sockets, mhz, nodes] = [host.cpus, host.sockets, host.mhz, host.nodes].map(|number| number.to_string());
    let cpus = with(
        gettext("{cpus} at {mhz} MHz, sockets: {sockets}, NUMA nodes: {nodes}"),
        &[("cpus", &cpus), ("mhz", &mhz), ("sockets", &sockets), ("nodes", &nodes)],
    );
    let used = host.memory_kib.saturating_sub(host.free_kib);
    [
        (gettext("Memory"), wording::memory(host.memory_kib)),
        (gettext("Memory in Use"), wording::memory(used)),
        (gettext("Free Memory"), wording::memory(host.free_kib)),
        (gettext("Processors"), cpus),
        (gettext("Types of Domains"), host.types.join(", ")),
        (gettext("Devices Can Be Given Away"), if host.has_iommu { gettext("Yes") } else { gettext("No: no IOMMU") }),
        (gettext("Xen"), format!("{} ({})", host.xen, host.scheduler)),
        (gettext("libxl"), host.libxl.clone()),
        (gettext("Xen's Options"), host.command_line.clone()),
    ]
}
