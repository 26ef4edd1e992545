//! The page of errors has each error of xenlight, with its message, its cause and its cure.

use std::collections::BTreeMap;
use std::fs;

const PAGE: &str = "pages/more/errors.md";

/// The variants of an enumeration with their messages, from the source.
fn variants(source: &str, name: &str) -> BTreeMap<String, String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).expect("it is there");
    let (body, _) = body.split_once("\n}\n").expect("it ends");
    let mut variants = BTreeMap::new();
    let mut message = String::new();
    for line in body.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)) {
        let is_message = line.starts_with("#[error(\"") || line.starts_with("    \"");
        if let Some((_, text)) = line.split_once('"').filter(|_| is_message) {
            message = text.split('"').next().unwrap_or_default().to_owned();
        } else if line.starts_with("#[error(transparent)]") {
            message.clear();
        } else if line.starts_with(|letter: char| letter.is_ascii_uppercase()) {
            let name = line.split([' ', '(', ',']).next().expect("a name");
            variants.insert(name.to_owned(), std::mem::take(&mut message));
        }
    }
    variants
}

/// The sections of a page by their headings.
fn sections(page: &str) -> BTreeMap<String, String> {
    let sections = page.split("\n### ").skip(1).filter_map(|section| section.split_once('\n'));
    sections.map(|(name, text)| (name.trim().to_owned(), text.to_owned())).collect()
}

/// Whether a text has a line that the message can be: its fixed parts in their order.
fn shows(text: &str, message: &str) -> bool {
    let parts: Vec<_> = message.split(['{', '}']).step_by(2).map(str::trim).filter(|part| !part.is_empty()).collect();
    text.lines().any(|line| {
        let mut rest = line;
        parts.iter().all(|part| rest.split_once(*part).map(|(_, after)| rest = after).is_some())
    })
}

#[test]
fn each_error_has_its_message_its_cause_and_its_cure() {
    let folder = osevent_book::folder();
    let variants = variants(&fs::read_to_string(folder.join("../xenlight/src/error.rs")).unwrap(), "Error");
    let sections = sections(&fs::read_to_string(folder.join(PAGE)).unwrap());
    assert!(variants.len() > 20, "{variants:?}");
    let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&sections), names(&variants), "the page (left) and the source (right)");
    for (name, message) in variants {
        let text = &sections[&name];
        assert!(shows(text, &message), "{name} does not show {message:?}");
        assert!(text.contains("*Cause:*") && text.contains("*Cure:*"), "{name} has no cause or no cure");
    }
}

#[test]
fn what_an_error_consists_of_is_explained_variant_by_variant() {
    let folder = osevent_book::folder();
    for (name, source, page) in [
        ("LoadError", "xenlight-sys/src/error.rs", PAGE),
        ("PeerFault", "xenlight/src/migration_state.rs", PAGE),
        ("MigrationState", "xenlight/src/migration_state.rs", "pages/recipes/migrate.md"),
    ] {
        let source = fs::read_to_string(folder.join("..").join(source)).unwrap();
        let text = fs::read_to_string(folder.join(page)).unwrap();
        for variant in variants(&source, name).into_keys() {
            assert!(text.contains(&format!("\n| `{variant}` | ")), "{page} does not explain {name}::{variant}");
        }
    }
}

#[test]
fn variants_are_read_with_their_messages_also_on_lines_of_their_own() {
    let source = "pub enum Error {\n    /// A.\n    #[error(\"the {0} is\", f(\"x\"))]\n    A(&'static str),\n    #[error(\n        \"b {x}\"\n    )]\n    \
                  B {\n        /// Field.\n        x: u32,\n    },\n    #[error(transparent)]\n    C(#[from] D),\n}\n";
    let found = variants(source, "Error");
    let expected = [("A", "the {0} is"), ("B", "b {x}"), ("C", "")];
    assert_eq!(found, expected.map(|(name, message)| (name.to_owned(), message.to_owned())).into());
    assert!(shows("x\n`the ctx is closed`\n", "the {0} is") && !shows("`the\nctx is`", "the {0} is"));
}
