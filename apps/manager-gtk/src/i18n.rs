//! The words of the user's language.

use gettextrs::LocaleCategory;
pub(crate) use gettextrs::{gettext, ngettext};
use std::env;
use std::path::PathBuf;

const DOMAIN: &str = "osevent-manager";

/// Where an installed program's catalogues are, seen from the folder of the program.
const INSTALLED: &str = "../share/locale";

/// Takes the user's language. To be called before any text is shown.
pub(crate) fn begin() {
    // What fails leaves the program in English, which is better than none.
    // SAFETY: the program has one thread yet.
    let _ = unsafe { gettextrs::setlocale(LocaleCategory::LcAll, "") };
    let _ = gettextrs::bindtextdomain(DOMAIN, catalogues());
    let _ = gettextrs::bind_textdomain_codeset(DOMAIN, "UTF-8");
    let _ = gettextrs::textdomain(DOMAIN);
}

fn catalogues() -> PathBuf {
    let given = env::var_os("OSEVENT_MANAGER_LOCALE_DIR").map(PathBuf::from);
    let beside = || Some(env::current_exe().ok()?.parent()?.join(INSTALLED));
    given.or_else(beside).unwrap_or_else(|| "/usr/share/locale".into())
}

/// Puts values for `{name}` into a text, each kept together where it is written from right to left and the text is not.
pub(crate) fn with(text: String, values: &[(&str, &str)]) -> String {
    values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), &isolated(value)))
}

fn isolated(value: &str) -> String {
    // Hebrew, Arabic and their neighbours.
    let is_from_right_to_left = |letter: char| matches!(u32::from(letter), 0x590..=0x8ff | 0xfb1d..=0xfeff);
    if value.chars().any(is_from_right_to_left) { format!("\u{2068}{value}\u{2069}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_places_of_their_names_and_arabic_is_kept_together() {
        assert_eq!(with("Pause {name} on {host}".into(), &[("name", "web"), ("host", "h")]), "Pause web on h");
        assert_eq!(with("Pause {name}".into(), &[("name", "خادم")]), "Pause \u{2068}خادم\u{2069}");
    }
}
