//! The chosen domain moves to another host.

use super::form::{self, Changed, Dialog, Read};
use super::{Window, wording};
use crate::i18n::{gettext, with};
use crate::settings::Settings;
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;

impl Window {
    pub(super) fn ask_where_to_migrate(&self) {
        let Some(domain) = self.chosen() else { return };
        let title = with(gettext("Migrate {name}"), &[("name", &wording::name(&domain))]);
        let dialog = Dialog::new(self, &title, &gettext("Migrate"));
        dialog.describe(&gettext(
            "It goes on running on the other host, and ends here. Its disks are not copied: that host needs the same ones.",
        ));
        let fill = |dialog: &Dialog, changed: &Changed| -> Read<(String, bool)> {
            let (row, host) = form::text(&gettext("Host"), changed);
            dialog.add(&row);
            let is_live = gtk::CheckButton::with_label(&gettext("It Runs Meanwhile"));
            is_live.set_active(true);
            is_live.set_margin_top(12);
            dialog.add(&is_live);
            Box::new(move || (host.text().into(), is_live.is_active()))
        };
        let migrate = clone!(
            #[weak(rename_to = window)]
            self,
            move |(host, is_live): (String, bool)| {
                window.session().migrate(&domain, &host, command(&Settings::load().ssh, &host), is_live);
            }
        );
        dialog.fill_in(fill, |(host, _)| check(host), migrate);
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
