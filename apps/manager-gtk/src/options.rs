//! The options of the command line. The manual is made of the same table, without GTK.

/// What the program does, above its options.
pub(crate) const ABOUT: &str = to_translate(
    "Manages the domains of this Xen host. A file is a configuration of xl's, one as JSON, or a saved domain.",
);

/// What stands for the arguments that are no options.
pub(crate) const FILES: &str = to_translate("[FILE…]");

/// An option, in English.
pub(crate) struct CommandOption {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) text: &'static str,
    /// What its value is called, if it has one.
    pub(crate) value: Option<&'static str>,
}

pub(crate) const OPEN: CommandOption = CommandOption {
    long: "open",
    short: Some('o'),
    text: to_translate("Show the domain with this name or number"),
    value: Some(to_translate("NAME")),
};

pub(crate) const DEMO: CommandOption = CommandOption {
    long: "demo",
    short: None,
    text: to_translate("Show a simulated machine, without Xen"),
    value: None,
};

pub(crate) const SERVICE: CommandOption = CommandOption {
    long: "service",
    short: None,
    text: to_translate("Use the service xenlightd, also as root"),
    value: None,
};

pub(crate) const VERSION: CommandOption =
    CommandOption { long: "version", short: None, text: to_translate("Print the version"), value: None };

/// All but `--help`, which GLib adds, and those for who works on the program.
pub(crate) const OPTIONS: [&CommandOption; 4] = [&OPEN, &DEMO, &SERVICE, &VERSION];

/// What xgettext looks for: a text that is translated where it is shown.
const fn to_translate(text: &'static str) -> &'static str {
    text
}
