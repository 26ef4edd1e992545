//! The keys of the program, as a window.

use crate::i18n::gettext;
use gtk::glib;

/// Actions and their keys, and what they do.
pub(crate) fn keys() -> [(&'static str, &'static str, String); 15] {
    [
        ("win.create", "<Control>n", gettext("Create a domain")),
        ("win.open-file", "<Control>o", gettext("Start a domain from a file")),
        ("win.search", "<Control>f", gettext("Search")),
        ("win.select-all", "<Control><Shift>a", gettext("Choose all domains")),
        ("win.pause", "<Control>p", gettext("Pause")),
        ("win.resume", "<Control>r", gettext("Resume")),
        ("win.console", "<Control>t", gettext("Console")),
        ("win.screen", "<Control>d", gettext("Screen")),
        ("win.rename", "F2", gettext("Rename")),
        ("win.save", "<Control>s", gettext("Save")),
        ("win.destroy", "<Control>Delete", gettext("Destroy")),
        ("win.preferences", "<Control>comma", gettext("Preferences")),
        ("win.show-help-overlay", "<Control>question", gettext("Keyboard shortcuts")),
        ("window.close", "<Control>w", gettext("Close the window")),
        ("app.quit", "<Control>q", gettext("Quit")),
    ]
}

/// The window that shows them. GTK 4.8 makes it of a description only.
pub(super) fn window() -> Option<gtk::ShortcutsWindow> {
    let escaped = |text: &str| glib::markup_escape_text(text).to_string();
    let shortcut = |(_, key, title): (&str, &str, String)| {
        format!(
            "<child><object class='GtkShortcutsShortcut'><property name='accelerator'>{}</property>\
             <property name='title'>{}</property></object></child>",
            escaped(key),
            escaped(&title)
        )
    };
    let shortcuts: String = keys().into_iter().map(shortcut).collect();
    let description = format!(
        "<interface><object class='GtkShortcutsWindow' id='keys'><property name='modal'>1</property><child>\
         <object class='GtkShortcutsSection'><property name='section-name'>keys</property><child>\
         <object class='GtkShortcutsGroup'>{shortcuts}</object></child></object></child></object></interface>"
    );
    gtk::Builder::from_string(&description).object("keys")
}
