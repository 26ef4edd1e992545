//! The domains of the host.

use super::Domain;
use crate::engine::{Change, Record};
use gtk::gio;
use gtk::gio::prelude::*;
use gtk::gio::subclass::prelude::*;
use gtk::glib;

glib::wrapper! {
    /// The domains of the host, in the order of their numbers. What changes of a domain changes its object, which stays in its place.
    pub(crate) struct DomainList(ObjectSubclass<imp::DomainList>) @implements gio::ListModel;
}

impl Default for DomainList {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl DomainList {
    /// Takes in all domains that there are. Those that were there before keep their objects.
    pub(crate) fn reset(&self, records: &[Record]) {
        let gone = |domain: &Domain| {
            !records.iter().any(|record| record.domid == domain.domid() && record.uuid == domain.uuid())
        };
        let gone: Vec<_> =
            self.imp().domains.borrow().iter().filter(|domain| gone(domain)).map(Domain::domid).collect();
        gone.into_iter().for_each(|domid| self.apply(Change::Gone(domid)));
        records.iter().cloned().for_each(|record| self.apply(Change::Appeared(record)));
    }

    /// Takes in one change.
    pub(crate) fn apply(&self, change: Change) {
        match change {
            Change::Appeared(record) | Change::Changed(record) => match self.place(record.domid) {
                Ok(at) => self.update(at, &record),
                Err(at) => {
                    self.imp().domains.borrow_mut().insert(at, Domain::new(&record));
                    self.told(at, 0, 1);
                }
            },
            Change::Gone(domid) => {
                if let Ok(at) = self.place(domid) {
                    // Whoever is told of it last may look at the list.
                    let gone = self.imp().domains.borrow_mut().remove(at);
                    self.told(at, 1, 0);
                    drop(gone);
                }
            }
            Change::Stale(_) | Change::Fresh => {}
        }
    }

    pub(crate) fn get(&self, domid: u32) -> Option<Domain> {
        let at = self.place(domid).ok()?;
        self.imp().domains.borrow().get(at).cloned()
    }

    /// The domain with that name or number, which its user may mean.
    pub(crate) fn find(&self, name: &str) -> Option<Domain> {
        let domains = self.imp().domains.borrow();
        let by_name = domains.iter().find(|domain| domain.name() == name);
        by_name.or_else(|| domains.iter().find(|domain| domain.domid().to_string() == name)).cloned()
    }

    /// Whether a domain has this name.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.imp().domains.borrow().iter().any(|domain| domain.name() == name)
    }

    fn update(&self, at: usize, record: &Record) {
        let Some(domain) = self.imp().domains.borrow().get(at).cloned() else { return };
        let (name, state) = (domain.name(), domain.state());
        domain.update(record);
        if domain.state() != state {
            self.set_revision(self.revision().wrapping_add(1));
        }
        if domain.name() != name {
            // Models that sort and filter by it look again; for them it is the same object still.
            self.told(at, 1, 1);
        }
    }

    fn place(&self, domid: u32) -> Result<usize, usize> {
        self.imp().domains.borrow().binary_search_by_key(&domid, Domain::domid)
    }

    fn told(&self, at: usize, removed: u32, added: u32) {
        self.items_changed(u32::try_from(at).expect("Xen has fewer domains"), removed, added);
    }
}

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::DomainList)]
    pub(crate) struct DomainList {
        /// Another one whenever a domain has another state.
        #[property(get, set)]
        revision: Cell<u32>,
        /// By their numbers. Not borrowed while anybody is told.
        pub(crate) domains: RefCell<Vec<Domain>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for DomainList {
        const NAME: &'static str = "OseventManagerDomainList";
        type Type = super::DomainList;
        type Interfaces = (gio::ListModel,);
    }

    #[glib::derived_properties]
    impl ObjectImpl for DomainList {}

    impl ListModelImpl for DomainList {
        fn item_type(&self) -> glib::Type {
            Domain::static_type()
        }

        fn n_items(&self) -> u32 {
            u32::try_from(self.domains.borrow().len()).expect("Xen has fewer domains")
        }

        fn item(&self, position: u32) -> Option<glib::Object> {
            self.domains.borrow().get(usize::try_from(position).ok()?).cloned().map(Cast::upcast)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::State;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn record(domid: u32, name: &str) -> Record {
        Record {
            domid,
            uuid: format!("uuid of {name}"),
            name: Some(name.into()),
            state: State::Running,
            kind: "PV".into(),
            memory_kib: 4096,
            vcpus: 1,
            max_vcpus: 1,
        }
    }

    fn names(list: &DomainList) -> Vec<String> {
        list.snapshot().into_iter().map(|item| item.downcast::<Domain>().unwrap().name()).collect()
    }

    #[test]
    fn a_change_keeps_the_object_of_its_domain_and_tells_nothing_of_the_others() {
        let list = DomainList::default();
        list.reset(&[record(0, "Domain-0"), record(3, "web"), record(7, "db")]);
        let web = list.get(3).unwrap();
        let told = Rc::new(RefCell::new(Vec::new()));
        let heard = told.clone();
        list.connect_items_changed(move |_, at, removed, added| heard.borrow_mut().push((at, removed, added)));

        list.apply(Change::Changed(Record { state: State::Paused, ..record(3, "web") }));
        assert_eq!((web.state(), told.take()), (State::Paused, vec![]));
        list.apply(Change::Changed(record(3, "shop")));
        assert_eq!((list.get(3), told.take()), (Some(web.clone()), vec![(1, 1, 1)]));
        list.apply(Change::Appeared(record(5, "mail")));
        list.apply(Change::Gone(7));
        assert_eq!(told.take(), [(2, 0, 1), (3, 1, 0)]);
        assert_eq!(names(&list), ["Domain-0", "shop", "mail"]);
        list.reset(&[record(0, "Domain-0"), record(3, "shop"), record(9, "new")]);
        assert_ne!(list.get(3), Some(web), "it has another uuid");
        assert_eq!(names(&list), ["Domain-0", "shop", "new"]);
    }

    #[test]
    fn a_domain_that_loses_its_name_is_shown_by_its_last_one() {
        let list = DomainList::default();
        list.reset(&[record(3, "web")]);
        list.apply(Change::Changed(Record { name: None, state: State::Dying, ..record(3, "web") }));
        assert_eq!(list.get(3).map(|domain| (domain.name(), domain.state())), Some(("web".into(), State::Dying)));
        assert_eq!(list.find("web"), list.get(3));
        assert_eq!(list.find("3"), list.get(3));
        assert_eq!(list.find("mail"), None);
    }
}
