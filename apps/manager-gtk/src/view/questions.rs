//! What is asked before something is done with the chosen domain, or is lost.

use super::amount_dialog::Amount;
use super::{Window, amount_dialog, confirm, console, files, rename_dialog, wording};
use crate::i18n::{gettext, ngettext, with};
use crate::model::{Domain, Session};
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;

impl Window {
    /// Whether the window may be closed: asks where work would be lost.
    pub(super) fn ask_to_close(&self) {
        let count = u32::try_from(self.session().tasks().running().count()).unwrap_or(u32::MAX);
        let heading = gettext("Abort What Is at Work?");
        let body = ngettext(
            "{count} task is at work. It is aborted when the window is closed; what cannot be aborted any more is done first.",
            "{count} tasks are at work. They are aborted when the window is closed; what cannot be aborted any more is done first.",
            count,
        );
        let body = with(body, &[("count", &count.to_string())]);
        let end = clone!(
            #[weak(rename_to = window)]
            self,
            move || window.end()
        );
        let dialog = confirm::ask(self, &heading, &body, &gettext("Abort and Close"), end);
        // Nobody is to be asked about what is over.
        let tasks = self.session().tasks();
        let changed = tasks.connect_count_running_notify(clone!(
            #[weak]
            dialog,
            move |tasks| {
                if tasks.count_running() == 0 {
                    dialog.close();
                }
            }
        ));
        confirm::disconnect_after(&dialog, tasks, changed);
    }

    pub(super) fn ask_for_name(&self) {
        let Some(domain) = self.chosen() else { return };
        let rename = clone!(
            #[weak(rename_to = window)]
            self,
            #[strong]
            domain,
            move |name: &str| window.session().rename(&domain, name)
        );
        rename_dialog::ask(self, &domain.name(), rename);
    }

    pub(super) fn open_console(&self) {
        let Some(domain) = self.chosen() else { return };
        let name = wording::name(&domain);
        let title = with(gettext("Console of {name}"), &[("name", &name)]);
        let ask = async move |session: &Session| session.console(&domain).await;
        self.ask_host(title, ask, move |window, file| console::open(window, &name, file));
    }

    pub(super) fn ask_where_to_save(&self) {
        let Some(domain) = self.chosen() else { return };
        let name = format!("{}.save", domain.name());
        let save = clone!(
            #[weak(rename_to = window)]
            self,
            move |path| window.session().save(&domain, path)
        );
        let (title, accept) = (gettext("Save a Domain"), gettext("Save"));
        let asked = files::Asked { title: &title, accept: &accept, name: Some(&name) };
        files::choose(self, gtk::FileChooserAction::Save, &asked, save);
    }

    pub(super) fn ask_for_memory(&self) {
        let Some(domain) = self.chosen() else { return };
        let of = domain.clone();
        let ask = async move |session: &Session| session.memory_limit(&of).await;
        self.ask_host(gettext("Change the Memory"), ask, move |window, limit| {
            window.ask_for_memory_up_to(&domain, limit);
        });
    }

    fn ask_for_memory_up_to(&self, domain: &Domain, limit: Option<u64>) {
        const KIB: f64 = 1024.0;
        const LEAST: f64 = 4.0;
        let amount = Amount {
            heading: &with(gettext("Memory of {name}"), &[("name", &wording::name(domain))]),
            unit: &gettext("MiB"),
            now: (domain.memory_kib() as f64 / KIB).round(),
            least: LEAST,
            most: (limit.unwrap_or(domain.memory_kib()) as f64 / KIB).floor().max(LEAST),
        };
        let set = clone!(
            #[weak(rename_to = window)]
            self,
            #[strong]
            domain,
            move |mib: f64| window.session().set_memory(&domain, (mib * KIB) as u64)
        );
        amount_dialog::ask(self, &amount, set);
    }

    pub(super) fn ask_for_vcpus(&self) {
        let Some(domain) = self.chosen() else { return };
        let amount = Amount {
            heading: &with(gettext("Virtual CPUs of {name}"), &[("name", &wording::name(&domain))]),
            unit: &gettext("Virtual CPUs in use"),
            now: domain.vcpus().into(),
            least: 1.0,
            most: domain.max_vcpus().into(),
        };
        let set = clone!(
            #[weak(rename_to = window)]
            self,
            #[strong]
            domain,
            move |count: f64| window.session().set_vcpus(&domain, count as u32)
        );
        amount_dialog::ask(self, &amount, set);
    }
}
