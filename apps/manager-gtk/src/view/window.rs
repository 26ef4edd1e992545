//! The window.

use super::details::Details;
use super::domain_row::DomainRow;
use super::tasks_button::tasks_button;
use super::{accessible, failure_view, files, pages, wording};
use crate::engine::{Action, Failure, State};
use crate::i18n::{gettext, ngettext, with};
use crate::model::{Domain, Session, Status};
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

/// When an action makes sense.
type Fits = fn(State) -> bool;

/// The actions on a domain that ask nothing.
const ACTIONS: [(&str, Action, Fits); 5] = [
    ("pause", Action::Pause, |state| state == State::Running),
    ("resume", Action::Unpause, |state| state == State::Paused),
    // One that is paused answers when it is resumed.
    ("shut-down", Action::ShutDown, |state| matches!(state, State::Running | State::Paused)),
    ("reboot", Action::Reboot, |state| matches!(state, State::Running | State::Paused)),
    ("power-button", Action::PowerButton, |state| state == State::Running),
];

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
        self.show_domain(Some(&domain));
        self.select_chosen();
        self.imp().leaflet.navigate(adw::NavigationDirection::Forward);
        true
    }

    /// Says something shortly.
    pub(crate) fn say(&self, text: &str) {
        self.imp().toasts.add_toast(adw::Toast::new(&glib::markup_escape_text(text)));
    }

    pub(super) fn tell(&self, title: &str, failure: &Failure) {
        let versions = self.session().versions().unwrap_or_default();
        failure_view::toast(&self.imp().toasts, self.upcast_ref(), title, failure, &versions);
    }

    pub(super) fn session(&self) -> &Session {
        self.imp().session.get().expect("set when it was made")
    }

    fn build(&self) {
        let imp = self.imp();
        self.set_title(Some(&gettext("Xen Domains")));
        self.set_default_size(900, 620);
        self.set_icon_name(Some("org.osevent.Manager"));
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
        self.add_actions();

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

    fn build_list(&self) {
        let imp = self.imp();
        let name = gtk::PropertyExpression::new(Domain::static_type(), gtk::Expression::NONE, "name");
        imp.filter.set_expression(Some(&name));
        imp.filter.set_match_mode(gtk::StringFilterMatchMode::Substring);
        imp.filter.set_ignore_case(true);
        // Domain 0 first, then by name, web2 before web10, and by number among those with one name.
        let sorter = gtk::CustomSorter::new(|one, other| {
            let key = |object: &glib::Object| {
                let domain = object.downcast_ref::<Domain>().expect("the list is one of domains");
                (!domain.is_host(), glib::FilenameCollationKey::from(domain.name().to_lowercase()), domain.domid())
            };
            key(one).cmp(&key(other)).into()
        });
        let sorted = gtk::SortListModel::new(Some(self.session().domains().clone()), Some(sorter));
        let filtered = gtk::FilterListModel::new(Some(sorted), Some(imp.filter.clone()));
        imp.selection.set_autoselect(false);
        imp.selection.set_model(Some(&filtered));
        imp.selection.set_selected(gtk::INVALID_LIST_POSITION);
        imp.selection.connect_selected_item_notify(clone!(
            #[weak(rename_to = window)]
            self,
            move |selection| {
                // Nothing is selected where the chosen one is hidden by the search, or gone.
                if let Some(domain) = selection.selected_item().and_downcast::<Domain>() {
                    window.show_domain(Some(&domain));
                }
            }
        ));
        imp.selection.connect_items_changed(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _, _, _| window.show_list_page()
        ));

        let factory = gtk::SignalListItemFactory::new();
        factory.connect_setup(|_, item| list_item(item).set_child(Some(&DomainRow::default())));
        factory.connect_bind(|_, item| {
            let item = list_item(item);
            let row = item.child().and_downcast::<DomainRow>().expect("set up");
            row.bind(&item.item().and_downcast().expect("the list is one of domains"));
        });
        factory.connect_unbind(|_, item| {
            list_item(item).child().and_downcast::<DomainRow>().expect("set up").unbind();
        });
        imp.list.set_model(Some(&imp.selection));
        imp.list.set_factory(Some(&factory));
        imp.list.add_css_class("navigation-sidebar");
        accessible::label(&imp.list, &gettext("Domains"));
        imp.list.set_single_click_activate(true);
        imp.list.connect_activate(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _| _ = window.imp().leaflet.navigate(adw::NavigationDirection::Forward)
        ));
    }

    fn build_leaflet(&self) {
        let imp = self.imp();
        let search =
            gtk::ToggleButton::builder().icon_name("system-search-symbolic").tooltip_text(gettext("Search")).build();
        accessible::label(&search, &gettext("Search"));
        imp.search.set_hexpand(true);
        accessible::label(&imp.search, &gettext("Search by name"));
        imp.search.connect_search_changed(clone!(
            #[weak(rename_to = window)]
            self,
            move |entry| {
                window.imp().filter.set_search(Some(entry.text().trim()));
                window.select_chosen();
            }
        ));
        imp.search_bar.set_child(Some(&imp.search));
        imp.search_bar.connect_entry(&imp.search);
        imp.search_bar.set_key_capture_widget(Some(self));
        imp.search_bar.bind_property("search-mode-enabled", &search, "active").bidirectional().sync_create().build();

        let menu = gio::Menu::new();
        menu.append(Some(&gettext("_About")), Some("app.about"));
        let menu = gtk::MenuButton::builder()
            .icon_name("open-menu-symbolic")
            .tooltip_text(gettext("Menu"))
            .menu_model(&menu)
            .primary(true)
            .build();
        accessible::label(&menu, &gettext("Menu"));
        let header = adw::HeaderBar::builder().title_widget(&imp.title).build();
        // Side by side, the right one has the buttons of the window.
        imp.leaflet.bind_property("folded", &header, "show-end-title-buttons").sync_create().build();
        let new = gtk::Button::builder()
            .icon_name("list-add-symbolic")
            .tooltip_text(gettext("Start a Domain from a File"))
            .action_name("win.open-file")
            .build();
        accessible::label(&new, &gettext("Start a Domain from a File"));
        header.pack_start(&new);
        header.pack_start(&search);
        header.pack_end(&menu);
        header.pack_end(&tasks_button(
            self.session().tasks(),
            clone!(
                #[weak(rename_to = window)]
                self,
                move |task| {
                    let Some(failure) = task.failure() else { return };
                    failure_view::show_details(window.upcast_ref(), &task.title(), &failure.details);
                }
            ),
        ));
        let no_match = adw::StatusPage::builder()
            .icon_name("system-search-symbolic")
            .title(gettext("No Domain Has This Name"))
            .css_classes(["compact"])
            .build();
        let scrolled = gtk::ScrolledWindow::builder().child(&imp.list).hscrollbar_policy(gtk::PolicyType::Never);
        imp.list_pages.add_named(&scrolled.vexpand(true).build(), Some("list"));
        imp.list_pages.add_named(&no_match, Some("no-match"));
        let sidebar = gtk::Box::builder().orientation(gtk::Orientation::Vertical).width_request(280).build();
        // What is in it would have it as wide as the content.
        sidebar.set_hexpand(false);
        sidebar.append(&header);
        sidebar.append(&imp.search_bar);
        sidebar.append(&imp.list_pages);

        let back = gtk::Button::builder().icon_name("go-previous-symbolic").tooltip_text(gettext("Back")).build();
        accessible::label(&back, &gettext("Back"));
        back.connect_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| _ = window.imp().leaflet.navigate(adw::NavigationDirection::Back)
        ));
        imp.leaflet.bind_property("folded", &back, "visible").sync_create().build();
        let more = gio::Menu::new();
        more.append(Some(&gettext("_Console")), Some("win.console"));
        more.append(Some(&gettext("Re_name…")), Some("win.rename"));
        more.append(Some(&gettext("_Save…")), Some("win.save"));
        more.append(Some(&gettext("Press Power _Button")), Some("win.power-button"));
        imp.more.set_icon_name("view-more-symbolic");
        imp.more.set_menu_model(Some(&more));
        imp.more.set_tooltip_text(Some(&gettext("More Actions")));
        accessible::label(&imp.more, &gettext("More Actions"));
        let header = adw::HeaderBar::builder().title_widget(&imp.content_title).build();
        header.pack_start(&back);
        header.pack_end(&imp.more);
        imp.nothing.set_icon_name(Some("computer-symbolic"));
        imp.nothing.set_vexpand(true);
        imp.details.set_vexpand(true);
        imp.content_pages.add_named(&imp.nothing, Some("nothing"));
        imp.content_pages.add_named(&imp.details, Some("details"));
        let content = gtk::Box::builder().orientation(gtk::Orientation::Vertical).hexpand(true).build();
        content.append(&header);
        content.append(&imp.content_pages);

        imp.leaflet.append(&sidebar);
        imp.leaflet.append(&gtk::Separator::new(gtk::Orientation::Vertical)).set_navigatable(false);
        imp.leaflet.append(&content);
        imp.leaflet.set_can_navigate_back(true);
    }

    fn failure_page(&self) -> gtk::Box {
        let imp = self.imp();
        let again = gtk::Button::builder()
            .label(gettext("Try Again"))
            .halign(gtk::Align::Center)
            .action_name("win.try-again")
            .css_classes(["pill", "suggested-action"])
            .build();
        let details =
            gtk::Button::builder().label(gettext("Details")).halign(gtk::Align::Center).css_classes(["pill"]).build();
        details.connect_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| {
                let Some(failure) = window.session().failure() else { return };
                failure_view::show_details(window.upcast_ref(), &gettext("No Connection to Xen"), &failure.details);
            }
        ));
        let buttons = gtk::Box::new(gtk::Orientation::Vertical, 12);
        buttons.append(&again);
        buttons.append(&details);
        imp.failure.set_icon_name(Some("dialog-warning-symbolic"));
        imp.failure.set_title(&gettext("No Connection to Xen"));
        imp.failure.set_child(Some(&buttons));
        imp.failure.set_vexpand(true);
        let page = gtk::Box::new(gtk::Orientation::Vertical, 0);
        page.append(&adw::HeaderBar::builder().css_classes(["flat"]).build());
        page.append(&imp.failure);
        page
    }

    /// Says that what is shown may no longer be so.
    fn stale_bar(&self) -> gtk::InfoBar {
        let text = gtk::Label::builder().wrap(true).hexpand(true).build();
        let bar = gtk::InfoBar::builder().message_type(gtk::MessageType::Warning).revealed(false).build();
        bar.add_child(&text);
        bar.set_visible(false);
        self.session().connect_stale_notify(clone!(
            #[weak]
            bar,
            move |session| {
                let why = session.stale();
                let said = gettext("What is shown may be old: {why}");
                text.set_text(&why.as_ref().map(|why| with(said, &[("why", why)])).unwrap_or_default());
                bar.set_visible(why.is_some());
                bar.set_revealed(why.is_some());
            }
        ));
        bar
    }

    fn add_actions(&self) {
        for (name, action, _) in ACTIONS {
            self.on(name, move |window| {
                if let Some(domain) = window.chosen() {
                    window.session().act(&domain, action);
                }
            });
        }
        self.on("destroy", |window| window.ask_to_destroy());
        self.on("rename", |window| window.ask_for_name());
        self.on("memory", |window| window.ask_for_memory());
        self.on("vcpus", |window| window.ask_for_vcpus());
        self.on("console", |window| window.open_console());
        self.on("save", |window| window.ask_where_to_save());
        self.on("open-file", |window| {
            let open = clone!(
                #[weak]
                window,
                move |path| window.session().open_file(path)
            );
            files::choose(window, gtk::FileChooserAction::Open, None, open);
        });
        let open = clone!(
            #[weak(rename_to = window)]
            self,
            move |path| window.session().open_file(path)
        );
        files::on_drop(self, open);
        self.on("try-again", |window| window.session().open());
        self.on("search", |window| window.imp().search_bar.set_search_mode(true));
    }

    fn on(&self, name: &str, act: impl Fn(&Self) + 'static) {
        let action = gio::SimpleAction::new(name, None);
        action.connect_activate(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _| act(&window)
        ));
        self.add_action(&action);
    }

    pub(super) fn chosen(&self) -> Option<Domain> {
        self.imp().chosen.borrow().as_ref().map(|(domain, _)| domain.clone())
    }

    fn show_domain(&self, domain: Option<&Domain>) {
        let imp = self.imp();
        if let Some((before, changed)) = imp.chosen.take() {
            before.disconnect(changed);
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
            self.show_devices();
        }
        pages::show(&imp.content_pages, if domain.is_some() { "details" } else { "nothing" });
        self.sense();
    }

    /// Reads the devices of the chosen domain.
    fn show_devices(&self) {
        let Some(domain) = self.chosen() else { return };
        glib::spawn_future_local(clone!(
            #[weak(rename_to = window)]
            self,
            async move {
                let devices = window.session().devices(&domain).await;
                // Another one may have been chosen meanwhile.
                if window.chosen().as_ref() == Some(&domain) {
                    window.imp().details.show_devices(devices);
                }
            }
        ));
    }

    /// Which actions there are for the chosen domain.
    fn sense(&self) {
        let chosen = self.chosen();
        let of = |can: Fits| chosen.as_ref().is_some_and(|domain| !domain.is_host() && can(domain.state()));
        let enable = |name: &str, can| {
            if let Some(action) = self.lookup_action(name).and_downcast::<gio::SimpleAction>() {
                action.set_enabled(of(can));
            }
        };
        ACTIONS.iter().for_each(|(name, _, can)| enable(name, *can));
        enable("destroy", |state| state != State::Dying);
        enable("console", |state| state.is_alive());
        enable("rename", |state| state.is_alive());
        enable("memory", |state| state.is_alive());
        enable("vcpus", |state| state.is_alive());
        enable("save", |state| matches!(state, State::Running | State::Paused));
        self.imp().more.set_visible(of(|_| true));
        self.imp().content_title.set_title(&chosen.map(|domain| wording::name(&domain)).unwrap_or_default());
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
        self.select_chosen();
        let count = domains.n_items();
        let text = ngettext("{count} domain", "{count} domains", count);
        imp.title.set_subtitle(&with(text, &[("count", &count.to_string())]));
        if count > 1 {
            imp.nothing.set_title(&gettext("No Domain Chosen"));
            imp.nothing.set_description(None);
        } else {
            imp.nothing.set_title(&gettext("No Virtual Machines"));
            imp.nothing.set_description(Some(&gettext("Nothing runs on this host beside the domain that manages it. Start one from a configuration of xl or a saved domain: with the button +, or drop the file here.")));
        }
    }

    /// Where the search shows it; false if it does not.
    fn select_chosen(&self) -> bool {
        let selection = &self.imp().selection;
        let chosen = self.chosen();
        let at = chosen.and_then(|chosen| {
            (0..selection.n_items()).find(|at| selection.item(*at).and_downcast::<Domain>().as_ref() == Some(&chosen))
        });
        let at_or_none = at.unwrap_or(gtk::INVALID_LIST_POSITION);
        if selection.selected() != at_or_none {
            selection.set_selected(at_or_none);
        }
        at.is_some()
    }

    fn show_list_page(&self) {
        let imp = self.imp();
        let is_searched = !imp.search.text().trim().is_empty();
        let page = if is_searched && imp.selection.n_items() == 0 { "no-match" } else { "list" };
        pages::show(&imp.list_pages, page);
    }

    fn show_status(&self) {
        let imp = self.imp();
        if self.session().status() == Status::Failed {
            let failure = self.session().failure();
            let text = failure.map(|failure| failure.summary).unwrap_or_default();
            imp.failure.set_description(Some(&glib::markup_escape_text(&text)));
            pages::show(&imp.pages, "failure");
        } else {
            pages::show(&imp.pages, "domains");
        }
    }

    /// Closes the connection, which aborts what is at work, and then the window.
    pub(super) fn end(&self) {
        self.imp().ending.set(true);
        self.set_visible(false);
        glib::spawn_future_local(clone!(
            #[strong(rename_to = window)]
            self,
            async move {
                window.session().close().await;
                window.destroy();
            }
        ));
    }
}

fn list_item(item: &glib::Object) -> &gtk::ListItem {
    item.downcast_ref().expect("a list has list items")
}

mod imp {
    use super::*;
    use std::cell::{Cell, OnceCell, RefCell};

    #[derive(Default)]
    pub(crate) struct Window {
        pub(super) session: OnceCell<Session>,
        pub(super) toasts: adw::ToastOverlay,
        pub(super) pages: gtk::Stack,
        pub(super) failure: adw::StatusPage,
        pub(super) leaflet: adw::Leaflet,
        pub(super) title: adw::WindowTitle,
        pub(super) search_bar: gtk::SearchBar,
        pub(super) search: gtk::SearchEntry,
        pub(super) filter: gtk::StringFilter,
        pub(super) selection: gtk::SingleSelection,
        pub(super) list: gtk::ListView,
        pub(super) list_pages: gtk::Stack,
        pub(super) content_title: adw::WindowTitle,
        pub(super) content_pages: gtk::Stack,
        pub(super) nothing: adw::StatusPage,
        pub(super) details: Details,
        pub(super) more: gtk::MenuButton,
        /// The domain that is shown. It stays when the search hides it.
        pub(super) chosen: RefCell<Option<(Domain, glib::SignalHandlerId)>>,
        /// Of the domain that was chosen last.
        pub(super) uuid: RefCell<String>,
        pub(super) ending: Cell<bool>,
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
                selection: gtk::SingleSelection::new(gio::ListModel::NONE.cloned()),
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
            if self.ending.get() {
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
