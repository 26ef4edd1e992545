//! The list of domains.

use super::domain_row::DomainRow;
use super::tasks_button::tasks_button;
use super::{Window, accessible, failure_view};
use crate::i18n::gettext;
use crate::model::Domain;
use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};

impl Window {
    pub(super) fn build_list(&self) {
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
        let filter = gtk::EveryFilter::new();
        filter.append(imp.filter.clone());
        filter.append(imp.group_filter.clone());
        let filtered = gtk::FilterListModel::new(Some(sorted), Some(filter));
        imp.selection.set_model(Some(&filtered));
        imp.selection.connect_selection_changed(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _, _| window.selection_changed()
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
        imp.list.set_model(Some(&*imp.selection));
        imp.list.set_factory(Some(&factory));
        imp.list.add_css_class("navigation-sidebar");
        accessible::label(&imp.list, &gettext("Domains"));
        imp.list.set_enable_rubberband(true);
        imp.list.connect_activate(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _| _ = window.imp().leaflet.navigate(adw::NavigationDirection::Forward)
        ));
        // Where there is one pane at a time, a click shows the domain. It is heard of before the list takes it for itself.
        let click = gtk::GestureClick::builder().propagation_phase(gtk::PropagationPhase::Capture).build();
        click.connect_released(clone!(
            #[weak(rename_to = window)]
            self,
            move |_, _, _, _| {
                if window.imp().leaflet.is_folded() && !window.targets().is_empty() {
                    window.imp().leaflet.navigate(adw::NavigationDirection::Forward);
                }
            }
        ));
        imp.list.add_controller(click);
    }

    /// The list, with its header and the search.
    pub(super) fn sidebar(&self) -> gtk::Box {
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
        menu.append_section(Some(&gettext("Show")), &imp.group_menu);
        let general = gio::Menu::new();
        general.append(Some(&gettext("Select _All")), Some("win.select-all"));
        general.append(Some(&gettext("_Host")), Some("win.host"));
        general.append(Some(&gettext("_Events")), Some("win.events"));
        general.append(Some(&gettext("_Preferences")), Some("win.preferences"));
        general.append(Some(&gettext("_Keyboard Shortcuts")), Some("win.show-help-overlay"));
        general.append(Some(&gettext("_About")), Some("app.about"));
        menu.append_section(None, &general);
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
        let new = gio::Menu::new();
        new.append(Some(&gettext("_Create a Domain…")), Some("win.create"));
        new.append(Some(&gettext("Start from a _File…")), Some("win.open-file"));
        let new = gtk::MenuButton::builder()
            .icon_name("list-add-symbolic")
            .tooltip_text(gettext("New Domain"))
            .menu_model(&new)
            .build();
        accessible::label(&new, &gettext("New Domain"));
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
        sidebar
    }
}

fn list_item(item: &glib::Object) -> &gtk::ListItem {
    item.downcast_ref().expect("a list has list items")
}
