//! A domain.

use crate::engine::{Record, State};
use gtk::glib;
use gtk::glib::prelude::*;
use gtk::glib::subclass::prelude::*;

glib::wrapper! {
    /// A domain of the host. Its properties change as those of the domain do.
    pub(crate) struct Domain(ObjectSubclass<imp::Domain>);
}

impl Domain {
    pub(crate) fn new(record: &Record) -> Self {
        let domain: Self = glib::Object::builder()
            .property("domid", record.domid)
            .property("uuid", &record.uuid)
            .property("kind", &record.kind)
            .build();
        domain.update(record);
        domain
    }

    /// Takes in what is known now. Only what differs is notified.
    pub(crate) fn update(&self, record: &Record) {
        let changed = self.freeze_notify();
        if let Some(name) = &record.name
            && self.name() != *name
        {
            self.set_name(name.as_str());
        }
        if self.state() != record.state {
            self.set_state(record.state);
        }
        if self.memory_kib() != record.memory_kib {
            self.set_memory_kib(record.memory_kib);
        }
        if self.vcpus() != record.vcpus {
            self.set_vcpus(record.vcpus);
        }
        if self.max_vcpus() != record.max_vcpus {
            self.set_max_vcpus(record.max_vcpus);
        }
        drop(changed);
    }

    /// Whether it is the domain that manages the host, and is therefore left alone.
    pub(crate) fn is_host(&self) -> bool {
        self.domid() == 0
    }
}

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::Domain)]
    pub(crate) struct Domain {
        #[property(get, construct_only)]
        domid: Cell<u32>,
        #[property(get, construct_only)]
        uuid: RefCell<String>,
        #[property(get, set)]
        kind: RefCell<String>,
        /// The last one that it had; empty if it never had one.
        #[property(get, set)]
        name: RefCell<String>,
        #[property(get, set, builder(State::default()))]
        state: Cell<State>,
        #[property(get, set)]
        memory_kib: Cell<u64>,
        #[property(get, set)]
        vcpus: Cell<u32>,
        #[property(get, set)]
        max_vcpus: Cell<u32>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Domain {
        const NAME: &'static str = "OseventManagerDomain";
        type Type = super::Domain;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Domain {}
}
