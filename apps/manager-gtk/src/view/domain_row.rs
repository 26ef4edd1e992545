//! A domain in the list.

use super::{accessible, wording};
use crate::model::Domain;
use gtk::glib::clone;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{glib, pango};

glib::wrapper! {
    /// Name, state, memory and virtual CPUs of a domain.
    pub(crate) struct DomainRow(ObjectSubclass<imp::DomainRow>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl Default for DomainRow {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl DomainRow {
    /// Shows this domain, and all that changes of it.
    pub(super) fn bind(&self, domain: &Domain) {
        self.unbind();
        let changed = domain.connect_notify_local(
            None,
            clone!(
                #[weak(rename_to = row)]
                self,
                move |domain, _| row.show(domain)
            ),
        );
        self.imp().shown.replace(Some((domain.clone(), changed)));
        self.show(domain);
    }

    pub(super) fn unbind(&self) {
        if let Some((domain, changed)) = self.imp().shown.take() {
            domain.disconnect(changed);
        }
    }

    fn show(&self, domain: &Domain) {
        let row = self.imp();
        let (name, state) = (wording::name(domain), domain.state().text());
        let size = format!("{} · {}", wording::memory_of(domain), wording::vcpus(domain.vcpus()));
        row.name.set_text(&name);
        row.state.set_text(&state);
        row.size.set_text(&size);
        let icon = if domain.is_host() { "computer-symbolic" } else { wording::state_icon(domain.state()) };
        // What is set again is looked up, styled and laid out again, also if it is the same.
        if row.icon.icon_name().as_deref() != Some(icon) {
            row.icon.set_icon_name(Some(icon));
        }
        let class = wording::state_class(domain.state());
        if !row.icon.has_css_class(class) {
            wording::STATE_CLASSES.iter().for_each(|class| row.icon.remove_css_class(class));
            row.icon.add_css_class(class);
        }
        // A screen reader is at the list's own widget.
        let reader_is_at = self.parent().unwrap_or_else(|| self.clone().upcast());
        accessible::label(&reader_is_at, &format!("{name}, {state}, {size}"));
    }
}

mod imp {
    use super::*;
    use std::cell::RefCell;

    #[derive(Debug, Default)]
    pub(crate) struct DomainRow {
        pub(super) icon: gtk::Image,
        pub(super) name: gtk::Label,
        pub(super) state: gtk::Label,
        pub(super) size: gtk::Label,
        pub(super) shown: RefCell<Option<(Domain, glib::SignalHandlerId)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for DomainRow {
        const NAME: &'static str = "OseventManagerDomainRow";
        type Type = super::DomainRow;
        type ParentType = gtk::Box;
    }

    impl ObjectImpl for DomainRow {
        fn constructed(&self) {
            self.parent_constructed();
            self.name.set_ellipsize(pango::EllipsizeMode::End);
            self.name.set_xalign(0.0);
            self.name.set_hexpand(true);
            for label in [&self.state, &self.size] {
                label.add_css_class("caption");
                label.add_css_class("dim-label");
            }
            self.size.set_ellipsize(pango::EllipsizeMode::End);
            self.size.set_hexpand(true);
            self.size.set_xalign(1.0);
            let second = gtk::Box::new(gtk::Orientation::Horizontal, 6);
            second.append(&self.state);
            second.append(&self.size);
            let lines = gtk::Box::new(gtk::Orientation::Vertical, 2);
            lines.append(&self.name);
            lines.append(&second);
            let row = self.obj();
            row.set_has_tooltip(true);
            row.set_spacing(12);
            row.set_margin_top(8);
            row.set_margin_bottom(8);
            row.set_margin_start(6);
            row.set_margin_end(6);
            row.append(&self.icon);
            row.append(&lines);
        }
    }

    impl WidgetImpl for DomainRow {
        /// The name, which may be shortened. To give a row another tooltip would take longer: GTK asks the display where the pointer is.
        fn query_tooltip(&self, _: i32, _: i32, _: bool, tooltip: &gtk::Tooltip) -> bool {
            tooltip.set_text(Some(&self.name.text()));
            true
        }
    }

    impl BoxImpl for DomainRow {}
}
