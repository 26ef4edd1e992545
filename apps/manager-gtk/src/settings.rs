//! What the user has set, in a key file.

use gtk::glib;
use std::fs;
use std::path::PathBuf;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The command that shows a screen; empty: one that is installed.
    pub(crate) viewer: String,
    /// The command that reaches another host.
    pub(crate) ssh: String,
}

const GROUP: &str = "manager";
const VIEWER: &str = "viewer";
const SSH: &str = "ssh";
const SSH_BY_ITSELF: &str = "ssh";

impl Settings {
    /// Those that are set; a file that cannot be read sets none.
    pub(crate) fn load() -> Self {
        Self::read(&fs::read_to_string(path()).unwrap_or_default())
    }

    /// Keeps them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save(&self) -> std::io::Result<()> {
        let path = path();
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, self.write())
    }

    fn read(text: &str) -> Self {
        let file = glib::KeyFile::new();
        // What is malformed sets nothing.
        let _ = file.load_from_data(text, glib::KeyFileFlags::NONE);
        let value = |key| file.string(GROUP, key).map(String::from).ok();
        Self {
            viewer: value(VIEWER).unwrap_or_default(),
            ssh: value(SSH).filter(|ssh| !ssh.trim().is_empty()).unwrap_or_else(|| SSH_BY_ITSELF.to_owned()),
        }
    }

    fn write(&self) -> String {
        let file = glib::KeyFile::new();
        file.set_string(GROUP, VIEWER, &self.viewer);
        file.set_string(GROUP, SSH, &self.ssh);
        file.to_data().to_string()
    }
}

fn path() -> PathBuf {
    glib::user_config_dir().join("osevent-manager").join("settings.ini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written_and_what_is_malformed_sets_none() {
        let settings = Settings { viewer: "remote-viewer -f".into(), ssh: "ssh -l root".into() };
        assert_eq!(Settings::read(&settings.write()), settings);
        assert_eq!(Settings::read("[man"), Settings { viewer: String::new(), ssh: "ssh".into() });
    }
}
