//! The window.

use super::details::Details;
use super::{failure_view, pages, shortcuts};
use crate::engine::{Asking, Failure};
use crate::i18n::{gettext, ngettext, with};
use crate::model::{Domain, Session, Status, Task};
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};

glib::wrapper! {
    /// The list of domains beside the chosen one.
    pub(crate) struct Window(ObjectSubclass<imp::Window>)
        @extends adw::ApplicationWindow, gtk::ApplicationWindow, gtk::Window, gtk::Widget,
        @implements gio::ActionGroup, gio::ActionMap, gtk::Buildable, gtk::ConstraintTarget, gtk::Native,
            gtk::Root, gtk::ShortcutManager;
}

impl Window {
    pub(crate) fn new(application: &adw::Application, session: &Session) -> Self {
        let window: Self = glib::Object::builder().property("application", application).build();
        window.imp().session.set(session.clone()).expect("the window is new");
        window.build();
        window
    }

    /// Shows the domain with that name, if there is one.
    pub(crate) fn choose(&self, name: &str) -> bool {
        let Some(domain) = self.session().domains().find(name) else { return false };
        self.imp().search.set_text("");
        self.change_action_state("group", &"all".to_variant());
        self.show_domain(Some(&domain));
        self.select_chosen();
        self.imp().leaflet.navigate(adw::NavigationDirection::Forward);
        true
    }

    /// Shows a domain that was just created, as soon as it is in the list.
    pub(super) fn choose_new(&self, name: &str) {
        let is_there = self.choose(name);
        self.imp().awaited.replace((!is_there).then(|| name.to_owned()));
    }

    /// Says something shortly.
    pub(crate) fn say(&self, text: &str) {
        self.imp().toasts.add_toast(adw::Toast::new(&glib::markup_escape_text(text)));
    }

    pub(super) fn tell(&self, title: &str, failure: &Failure) {
        let versions = self.session().versions().unwrap_or_default();
        failure_view::toast(&self.imp().toasts, self.upcast_ref(), title, failure, &versions);
    }

    /// Asks the host for something, and goes on with the answer. That there is none is told.
    pub(super) fn ask_host<T: 'static>(
        &self,
        title: String,
        ask: impl AsyncFnOnce(&Session) -> Result<T, Failure> + 'static,
        then: impl FnOnce(&Self, T) + 'static,
    ) {
        glib::spawn_future_local(clone!(
            #[weak(rename_to = window)]
            self,
            async move {
                match ask(window.session()).await {
                    Ok(answer) => then(&window, answer),
                    Err(failure) => window.tell(&title, &failure),
                }
            }
        ));
    }

    pub(super) fn session(&self) -> &Session {
        self.imp().session.get().expect("set when it was made")
    }

    fn build(&self) {
        let imp = self.imp();
        self.set_title(Some(&gettext("Xen Domains")));
        self.set_default_size(900, 620);
        self.set_icon_name(Some("org.osevent.Manager"));
        self.build_groups();
        self.build_list();
        self.build_leaflet();
        imp.pages.add_named(&imp.leaflet, Some("domains"));
        imp.pages.add_named(&self.failure_page(), Some("failure"));
        let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
        content.append(&self.stale_bar());
        imp.pages.set_vexpand(true);
        content.append(&imp.pages);
        imp.toasts.set_child(Some(&content));
        self.set_content(Some(&imp.toasts));
        self.make_room_for_toasts(&content);
        self.add_actions();
        self.set_help_overlay(shortcuts::window().as_ref());
        imp.details.on_autostart(clone!(
            #[weak(rename_to = window)]
            self,
            move |domain, is_on| window.set_autostart(domain, is_on)
        ));
        imp.details.show_load(self.session());
        imp.details.devices().on_wish(clone!(
            #[weak(rename_to = window)]
            self,
            move |domain, device, wish| window.wish(domain, device, wish)
        ));

        let session = self.session();
        session.connect_status_notify(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| window.show_status()
        ));
        session.tasks().connect_failed(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, task, failure| window.tell(&task.title(), failure)
        ));
        session.domains().connect_items_changed(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _, _, _| window.list_changed()
        ));
        self.connect_is_active_notify(|window| {
            if window.is_active() {
                window.session().refresh();
            }
        });
        self.show_status();
        self.show_list_page();
        self.list_changed();
        self.show_domain(None);
    }

    /// A toast with an error stays until it is closed, so there is room for it beneath what it would cover.
    fn make_room_for_toasts(&self, content: &gtk::Box) {
        let (toasts, content) = (self.imp().toasts.downgrade(), content.downgrade());
        let children = self.imp().toasts.observe_children();
        children.connect_items_changed(move |_, _, _, _| {
            let (Some(toasts), Some(content)) = (toasts.upgrade(), content.upgrade()) else { return };
            let toast = toasts.last_child().filter(|last| *last != content);
            let height = |toast: gtk::Widget| toast.measure(gtk::Orientation::Vertical, -1).1;
            content.set_margin_bottom(toast.map_or(0, height));
        });
        self.imp().toasts_shown.set(children).expect("the window is new");
    }

    pub(super) fn chosen(&self) -> Option<Domain> {
        self.imp().chosen.borrow().as_ref().map(|(domain, _)| domain.clone())
    }

    pub(super) fn show_domain(&self, domain: Option<&Domain>) {
        let imp = self.imp();
        let before = imp.chosen.take().map(|(before, changed)| {
            before.disconnect(changed);
            before
        });
        if before.as_ref() != domain {
            imp.details.forget();
        }
        imp.details.bind(domain);
        if let Some(domain) = domain {
            let changed = domain.connect_notify_local(
                None,
                clone!(
                    #[weak(rename_to = window)]
                    self,
                    move |_, _| window.sense()
                ),
            );
            imp.chosen.replace(Some((domain.clone(), changed)));
            imp.uuid.replace(domain.uuid());
            self.show_devices(Asking::Never);
        }
        pages::show(&imp.content_pages, if domain.is_some() { "details" } else { "nothing" });
        self.sense();
    }

    /// Has a domain start with the host, or no longer, and shows whether it does.
    fn set_autostart(&self, domain: &Domain, is_on: bool) {
        self.show_devices_after(self.session().set_start_with_host(domain, is_on));
    }

    /// Reads them again when the task is over.
    pub(super) fn show_devices_after(&self, task: Option<Task>) {
        let Some(task) = task else { return };
        task.connect_state_notify(clone!(
            #[weak(rename_to = window)]
            self,
            move |task| {
                if task.state().is_over() {
                    window.show_devices(Asking::Never);
                }
            }
        ));
    }

    /// Reads the devices of the chosen domain, what it is, and whether it starts with the host.
    pub(super) fn show_devices(&self, asking: Asking) {
        let Some(domain) = self.chosen() else { return };
        glib::spawn_future_local(clone!(
            #[weak(rename_to = window)]
            self,
            async move {
                window.session().learn_kind(&domain).await;
                let devices = window.session().devices(&domain, asking).await;
                let autostart = window.session().starts_with_host(&domain).await;
                // Another one may have been chosen meanwhile.
                if window.chosen().as_ref() == Some(&domain) {
                    window.imp().details.devices().show(&domain, devices);
                    window.imp().details.show_autostart(autostart);
                }
            }
        ));
    }

    /// The chosen domain may be gone, or there again: after a reboot it is another one with the same uuid.
    fn list_changed(&self) {
        let imp = self.imp();
        let domains = self.session().domains();
        let is_there = |domain: &Domain| domains.get(domain.domid()).as_ref() == Some(domain);
        if !self.chosen().as_ref().is_some_and(is_there) {
            let again =
                domains.iter::<Domain>().filter_map(Result::ok).find(|domain| domain.uuid() == *imp.uuid.borrow());
            let had_one = self.chosen().is_some();
            match again.filter(|domain| !domain.is_host()) {
                Some(domain) => self.show_domain(Some(&domain)),
                None if had_one => self.show_domain(None),
                None => {}
            }
        }
        if self.are_several() {
            self.selection_changed();
        }
        if !self.are_several() {
            self.select_chosen();
        }
        self.show_groups();
        self.show_count();
        self.show_nothing();
        let awaited = imp.awaited.borrow().clone().filter(|name| domains.has_name(name));
        awaited.into_iter().for_each(|name| self.choose_new(&name));
    }

    /// What there is to be said where no domain is chosen.
    fn show_nothing(&self) {
        let nothing = &self.imp().nothing;
        let (is_open, count) = (self.session().status() == Status::Open, self.session().domains().n_items());
        nothing.set_description(None);
        if count > 1 {
            nothing.set_title(&gettext("No Domain Chosen"));
        } else if is_open {
            nothing.set_title(&gettext("No Virtual Machines"));
            nothing.set_description(Some(&gettext("Nothing runs on this host beside the domain that manages it. Start one from a configuration of xl or a saved domain: with the button +, or drop the file here.")));
        } else {
            nothing.set_title(&gettext("Connecting to Xen…"));
        }
    }

    /// Says how many domains there are, and how many of them are shown if that differs.
    pub(super) fn show_count(&self) {
        let imp = self.imp();
        let (all, shown) = (self.session().domains().n_items(), imp.selection.n_items());
        let text = ngettext("{count} domain", "{count} domains", all);
        let text = with(text, &[("count", &all.to_string())]);
        let is_grouped = *imp.group.borrow() != "all";
        let of = || with(gettext("{shown} of {domains}"), &[("shown", &shown.to_string()), ("domains", &text)]);
        imp.title.set_subtitle(&if is_grouped { of() } else { text });
    }

    /// Where the search shows it; false if it does not.
    pub(super) fn select_chosen(&self) -> bool {
        let selection = &self.imp().selection;
        let chosen = self.chosen();
        let at = chosen.and_then(|chosen| {
            (0..selection.n_items()).find(|at| selection.item(*at).and_downcast::<Domain>().as_ref() == Some(&chosen))
        });
        let selected = selection.selection();
        match at {
            Some(at) if selected.size() == 1 && selected.contains(at) => {}
            Some(at) => drop(selection.select_item(at, true)),
            None if selected.is_empty() => {}
            None => drop(selection.unselect_all()),
        }
        at.is_some()
    }

    pub(super) fn show_list_page(&self) {
        let imp = self.imp();
        let is_searched = !imp.search.text().trim().is_empty();
        let page = if is_searched && imp.selection.n_items() == 0 { "no-match" } else { "list" };
        pages::show(&imp.list_pages, page);
    }

    fn show_status(&self) {
        let imp = self.imp();
        match self.session().status() {
            Status::Failed => {
                let failure = self.session().failure();
                let text = failure.map(|failure| failure.summary).unwrap_or_default();
                imp.failure.set_description(Some(&glib::markup_escape_text(&text)));
                pages::show(&imp.pages, "failure");
            }
            // Until it is known how it ends, what was there stays.
            Status::Opening => {}
            Status::Open | Status::Closed => pages::show(&imp.pages, "domains"),
        }
        self.show_nothing();
        imp.details.explain_lack(self.session().lacks_start_with_host().as_deref());
        self.sense();
    }

    /// Closes the connection, which aborts what is at work, and then the window, unless that is wanted again meanwhile.
    pub(super) fn end(&self) {
        self.set_visible(false);
        self.imp().is_ending.set(true);
        if self.imp().is_closing.replace(true) {
            return;
        }
        glib::spawn_future_local(clone!(
            #[strong(rename_to = window)]
            self,
            async move {
                window.session().close().await;
                window.imp().is_closing.set(false);
                if window.imp().is_ending.get() {
                    window.destroy();
                } else {
                    window.session().open();
                }
            }
        ));
    }

    /// It is to stay, although it may be ending.
    pub(crate) fn stay(&self) {
        self.imp().is_ending.set(false);
    }
}

mod imp {
    use super::*;
    use std::cell::{Cell, OnceCell, RefCell};

    #[derive(Default)]
    pub(crate) struct Window {
        pub(in crate::view) session: OnceCell<Session>,
        pub(in crate::view) toasts: adw::ToastOverlay,
        /// Its children, which are told of as long as this is kept.
        pub(in crate::view) toasts_shown: OnceCell<gio::ListModel>,
        pub(in crate::view) pages: gtk::Stack,
        pub(in crate::view) failure: adw::StatusPage,
        pub(in crate::view) leaflet: adw::Leaflet,
        pub(in crate::view) title: adw::WindowTitle,
        pub(in crate::view) search_bar: gtk::SearchBar,
        pub(in crate::view) search: gtk::SearchEntry,
        pub(in crate::view) filter: gtk::StringFilter,
        pub(in crate::view) selection: Selection,
        pub(in crate::view) list: gtk::ListView,
        pub(in crate::view) list_pages: gtk::Stack,
        pub(in crate::view) content_title: adw::WindowTitle,
        pub(in crate::view) content_pages: gtk::Stack,
        pub(in crate::view) nothing: adw::StatusPage,
        pub(in crate::view) several_page: adw::StatusPage,
        /// The domains that are selected, if they are more than one.
        pub(in crate::view) several: RefCell<Vec<(Domain, glib::SignalHandlerId)>>,
        /// Which domains are shown: the target of the action.
        pub(in crate::view) group: RefCell<String>,
        pub(in crate::view) group_filter: gtk::CustomFilter,
        pub(in crate::view) group_menu: gio::Menu,
        /// The groups by name in the menu.
        pub(in crate::view) prefixes: RefCell<Option<Vec<String>>>,
        pub(in crate::view) details: Details,
        pub(in crate::view) more: gtk::MenuButton,
        /// The domain that is shown. It stays when the search hides it.
        pub(in crate::view) chosen: RefCell<Option<(Domain, glib::SignalHandlerId)>>,
        /// Of the domain that was chosen last.
        pub(in crate::view) uuid: RefCell<String>,
        /// The domain that is to be chosen once it is in the list.
        pub(in crate::view) awaited: RefCell<Option<String>>,
        /// It goes once its connection is closed.
        pub(in crate::view) is_ending: Cell<bool>,
        /// Its connection is being closed.
        pub(in crate::view) is_closing: Cell<bool>,
    }

    /// One that has no list yet at first.
    pub(crate) struct Selection(gtk::MultiSelection);

    impl Default for Selection {
        fn default() -> Self {
            Self(gtk::MultiSelection::new(gio::ListModel::NONE.cloned()))
        }
    }

    impl std::ops::Deref for Selection {
        type Target = gtk::MultiSelection;

        fn deref(&self) -> &gtk::MultiSelection {
            &self.0
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Window {
        const NAME: &'static str = "OseventManagerWindow";
        type Type = super::Window;
        type ParentType = adw::ApplicationWindow;

        fn new() -> Self {
            Self {
                title: adw::WindowTitle::new(&gettext("Xen Domains"), ""),
                content_title: adw::WindowTitle::new("", ""),
                filter: gtk::StringFilter::new(gtk::Expression::NONE),
                group: RefCell::new("all".to_owned()),
                list: gtk::ListView::new(gtk::SelectionModel::NONE.cloned(), gtk::ListItemFactory::NONE.cloned()),
                ..Self::default()
            }
        }
    }

    impl ObjectImpl for Window {}

    impl WidgetImpl for Window {}

    impl WindowImpl for Window {
        fn close_request(&self) -> glib::Propagation {
            let window = self.obj();
            if self.is_ending.get() {
                return glib::Propagation::Stop;
            }
            if window.session().tasks().count_running() > 0 {
                window.ask_to_close();
            } else {
                window.end();
            }
            glib::Propagation::Stop
        }
    }

    impl ApplicationWindowImpl for Window {}

    impl AdwApplicationWindowImpl for Window {}
}
