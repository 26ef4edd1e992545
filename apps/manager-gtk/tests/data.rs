//! What is installed beside the program is what desktops read, and what the program says is translated.

use std::path::Path;
use std::process::Command;

/// A check by a program of the desktop's. Without it, the test says so and passes.
fn is_content(program: &str, arguments: &[&str]) {
    let command = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let Ok(output) = command else { return println!("SKIPPED: no {program}") };
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
    is_content("sh", &["-c", &format!("! command -v xgettext || {sources}")]);
    if Path::new(texts).exists() {
        is_content("msgfmt", &["--check", "-o", "/dev/null", "po/de.po"]);
        is_content("msgcmp", &["po/de.po", texts]);
    }
}
