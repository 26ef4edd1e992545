//! The screen of a domain, in a viewer of its own.
//!
//! gtk-vnc has no release for GTK 4 that Debian 12 has, so another program shows it.

use super::{Window, wording};
use crate::engine::{Failure, Screen};
use crate::i18n::{gettext, with};
use crate::model::Session;
use crate::settings::Settings;
use adw::prelude::*;
use gtk::{gio, glib};
use std::ffi::OsString;
use std::path::Path;

/// How a viewer is told where the screen is.
#[derive(Clone, Copy)]
enum Address {
    /// `vnc://127.0.0.1:5901`.
    Url,
    /// `127.0.0.1::5901`: two colons before a port, one before a display.
    Port,
    /// `127.0.0.1:1`: the display, which is the port from 5900 on.
    Display,
}

/// The viewers that are looked for, the best first.
const VIEWERS: [(&str, Address); 6] = [
    ("remote-viewer", Address::Url),
    ("gvncviewer", Address::Display),
    ("xtigervncviewer", Address::Port),
    ("vncviewer", Address::Port),
    ("vinagre", Address::Url),
    ("krdc", Address::Url),
];

const FIRST_PORT: u16 = 5900;

impl Window {
    pub(super) fn open_screen(&self) {
        let Some(domain) = self.chosen() else { return };
        let name = wording::name(&domain);
        let title = with(gettext("Screen of {name}"), &[("name", &name)]);
        let ask = async move |session: &Session| session.screen(&domain).await;
        self.ask_host(title.clone(), ask, move |window, screen| match screen {
            Some(screen) => window.show_screen(&title, &screen),
            None => window.say(&with(gettext("{name} has no screen: use its console"), &[("name", &name)])),
        });
    }

    fn show_screen(&self, title: &str, screen: &Screen) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(command) = command(&Settings::load().viewer, screen, &path) else {
            let text = gettext(
                "No program that shows a screen is installed. Install virt-viewer, gvncviewer or tigervnc-viewer, or name another one in the preferences. The screen is at {address}.",
            );
            let text = with(text, &[("address", &Address::Url.of(screen))]);
            let dialog = adw::MessageDialog::new(Some(self), Some(title), Some(&text));
            dialog.add_response("close", &gettext("Close"));
            return dialog.present();
        };
        let arguments: Vec<_> = command.iter().map(AsRef::as_ref).collect();
        if let Err(error) = gio::Subprocess::newv(&arguments, gio::SubprocessFlags::NONE) {
            self.tell(title, &Failure::new(error.to_string()));
        }
    }
}

/// The command for the screen: the one that was set, or the first viewer that is installed.
fn command(set: &str, screen: &Screen, path: &OsString) -> Option<Vec<OsString>> {
    if let Ok(mut set) = glib::shell_parse_argv(set) {
        let address = set.first().and_then(|program| Path::new(program).file_name()).map_or(Address::Url, |name| {
            VIEWERS.iter().find(|(viewer, _)| *viewer == name).map_or(Address::Url, |(_, address)| *address)
        });
        set.push(address.of(screen).into());
        return Some(set);
    }
    let is_there = |name: &str| std::env::split_paths(path).any(|folder| folder.join(name).is_file());
    let (viewer, address) = VIEWERS.into_iter().find(|(name, _)| is_there(name))?;
    Some(vec![viewer.into(), address.of(screen).into()])
}

impl Address {
    fn of(self, screen: &Screen) -> String {
        let host = if screen.host.contains(':') { format!("[{}]", screen.host) } else { screen.host.clone() };
        let port = screen.port;
        match self {
            Self::Url => format!("vnc://{host}:{port}"),
            Self::Port => format!("{host}::{port}"),
            Self::Display => format!("{host}:{}", port.saturating_sub(FIRST_PORT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_viewer_is_told_the_address_as_it_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().as_os_str().to_owned();
        let screen = Screen { host: "127.0.0.1".into(), port: 5901 };
        assert_eq!(command("", &screen, &path), None);
        std::fs::write(folder.path().join("vncviewer"), "").unwrap();
        assert_eq!(command("", &screen, &path), Some(vec!["vncviewer".into(), "127.0.0.1::5901".into()]));
        std::fs::write(folder.path().join("gvncviewer"), "").unwrap();
        assert_eq!(command("", &screen, &path), Some(vec!["gvncviewer".into(), "127.0.0.1:1".into()]));
        let set = command("my-viewer --full", &screen, &path);
        assert_eq!(set, Some(vec!["my-viewer".into(), "--full".into(), "vnc://127.0.0.1:5901".into()]));
        assert_eq!(Address::Port.of(&Screen { host: "::1".into(), port: 5900 }), "[::1]::5900");
    }
}
