//! What is installed beside the program is what desktops read, and what the program says is translated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A check by a program of the desktop's.
fn is_content(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `./x setup` installs it"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn the_desktop_takes_the_entry_of_its_menu() {
    is_content("desktop-file-validate", &["data/org.osevent.Manager.desktop"]);
}

#[test]
fn software_centres_take_what_is_said_of_the_program() {
    is_content("appstreamcli", &["validate", "--no-net", "data/org.osevent.Manager.metainfo.xml"]);
}

#[test]
fn each_text_is_translated() {
    let texts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("texts.pot");
    let texts = texts.to_str().expect("a path in UTF-8");
    // As C: texts and calls look the same.
    let sources = format!(
        "find src -name '*.rs' | xargs xgettext --language=C --from-code=UTF-8 --keyword=gettext --keyword=ngettext:1,2 --keyword=to_translate -o '{texts}'"
    );
    is_content("sh", &["-c", &sources]);
    is_content("msgfmt", &["--check", "-o", "/dev/null", "po/de.po"]);
    is_content("msgcmp", &["po/de.po", texts]);
}

#[test]
fn each_test_that_the_readme_names_is_there() {
    let sources = ["src", "tests"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let sources: String =
        sources.iter().flat_map(|folder| files(folder)).map(|file| fs::read_to_string(file).unwrap()).collect();
    // A fence is three, so that what is inside is what is between two.
    let named = include_str!("../README.md").split('`').skip(1).step_by(2).filter_map(|name| name.strip_suffix('…'));
    let (there, lacking): (Vec<_>, Vec<_>) =
        named.partition(|name| ["(\"", "fn "].iter().any(|before| sources.contains(&format!("{before}{name}"))));
    assert_eq!((lacking, there.is_empty()), (vec![], false));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
