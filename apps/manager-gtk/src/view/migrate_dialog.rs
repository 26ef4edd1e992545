//! The chosen domain moves to another host.

use super::form::{self, Changed, Dialog};
use super::{Window, wording};
use crate::i18n::{gettext, with};
use crate::settings::Settings;
use adw::prelude::*;
use gtk::glib;
use std::cell::RefCell;
use std::rc::Rc;

impl Window {
    pub(super) fn ask_where_to_migrate(&self) {
        let Some(domain) = self.chosen() else { return };
        let title = with(gettext("Migrate {name}"), &[("name", &wording::name(&domain))]);
        let dialog = Rc::new(Dialog::new(self, &title, &gettext("Migrate")));
        dialog.describe(&gettext(
            "It goes on running on the other host, and ends here. Its disks are not copied: that host needs the same ones.",
        ));
        let host = Rc::new(RefCell::new(None::<gtk::Entry>));
        let (weak, entry) = (Rc::downgrade(&dialog), host.clone());
        let changed: Changed = Rc::new(move || {
            if let (Some(dialog), Some(entry)) = (weak.upgrade(), entry.borrow().as_ref()) {
                dialog.sense(check(&entry.text()));
            }
        });
        let (row, entry) = form::text(&gettext("Host"), &changed);
        dialog.add(&row);
        host.replace(Some(entry.clone()));
        let is_live = gtk::CheckButton::with_label(&gettext("It Runs Meanwhile"));
        is_live.set_active(true);
        is_live.set_margin_top(12);
        dialog.add(&is_live);
        changed();
        let (window, of) = (self.downgrade(), dialog.window.downgrade());
        dialog.accept.connect_clicked(move |_| {
            let host = entry.text();
            if let Some(window) = window.upgrade() {
                window.session().migrate(&domain, &host, command(&Settings::load().ssh, &host), is_live.is_active());
            }
            of.upgrade().into_iter().for_each(|dialog| dialog.close());
        });
        dialog.present();
    }
}

/// What would be an option of the command, or several arguments, is no host.
fn check(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err(gettext("To which host?"));
    }
    if host.starts_with('-') || host.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(gettext("This is no name of a host"));
    }
    Ok(())
}

/// As `xl migrate` has it.
fn command(ssh: &str, host: &str) -> Vec<String> {
    let ssh = glib::shell_parse_argv(ssh).unwrap_or_default();
    let mut command: Vec<_> = ssh.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    command.extend([host, "xl", "migrate-receive"].map(str::to_owned));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_argument_and_no_option() {
        assert!(check("").is_err() && check("-oProxyCommand=x").is_err() && check("a b").is_err());
        assert!(check("root@192.0.2.1").is_ok());
        assert_eq!(command("ssh -l root", "there"), ["ssh", "-l", "root", "there", "xl", "migrate-receive"]);
    }
}
