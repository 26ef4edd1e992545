//! Other configurations, and domains like others.

use crate::PROGRAM;
use crate::looking::until;
use crate::manager::{Manager, choose_action};
use osevent_standin_machine::{Failure, Machine};
use std::fs;

/// What libxl was asked for once is at hand while nothing changes.
pub(crate) fn kept() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    fs::write(path("kernel"), osevent_domains::kernel::idle())?;
    let here = folder.path().display();
    fs::write(path("web.cfg"), format!("name = 'web'\ntype = 'pvh'\nmemory = 64\nkernel = '{here}/kernel'\n"))?;
    let machine = Machine::new()?;
    let manager = Manager::run(machine.command(PROGRAM).arg(path("web.cfg")))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, 64 MiB*")?;
    reader.select("Domains", "list item", "web, *")?;
    // Its configuration says so.
    reader.wait("label", "PVH")?;
    let ask_for_memory = || {
        reader.press("button", "Change the Memory")?;
        reader.wait("label", "Memory of web")?;
        reader.press("button", "Cancel")?;
        reader.wait_gone("label", "Memory of web")
    };
    ask_for_memory()?;
    // libxl cannot tell it again: what it would lock is a folder.
    let files = fs::read_dir(machine.state_folder())?.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let of_domain = |file: String| Some(file.strip_prefix("userdata-d.")?.strip_suffix(".libxl-json")?.to_owned());
    let domain = files.filter_map(of_domain).next().ok_or("libxl has no file about the domain")?;
    let lock = machine.state_folder().join(format!("userdata-l.{domain}.domain-userdata-lock"));
    if lock.exists() {
        fs::remove_file(&lock)?;
    }
    fs::create_dir(&lock)?;
    ask_for_memory()?;
    // What a domain gets with its next start is libxl's to tell.
    choose_action(reader, "Clone…")?;
    reader.wait("label", "Clone: *").map(drop)
}

pub(crate) fn editing() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    fs::write(path("kernel"), osevent_domains::kernel::idle())?;
    fs::write(path("root.img"), [0; 4096])?;
    let here = folder.path().display();
    let config = format!(
        "name = 'web'\ntype = 'pv'\nmemory = 64\nkernel = '{here}/kernel'\ndisk = ['{here}/root.img,raw,xvda,rw']\n"
    );
    fs::write(path("web.cfg"), config)?;
    let machine = Machine::new()?;
    fs::create_dir(path("saved"))?;
    let manager = Manager::run(machine.command(PROGRAM).arg(path("web.cfg")).current_dir(path("saved")))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, 64 MiB*")?;
    reader.select("Domains", "list item", "web, *")?;

    // What waits for a restart is told apart from what does not.
    choose_action(reader, "Configuration…")?;
    reader.wait("window", "Configuration of web")?;
    reader.wait("label", "Nothing is changed")?;
    let text = reader.wait_text("text box", "Configuration", "memory = 64")?;
    let is_saved = |name: &str, text: &str| fs::read_to_string(path("saved").join(name)).is_ok_and(|is| is == text);
    reader.press("button", "Save As…")?;
    reader.press("button", "Save")?;
    until(|| is_saved("web.cfg", &text))?;
    reader.wait("label", "Saved")?;
    reader.press("button", "JSON")?;
    let json = reader.wait_text("text box", "Configuration", "\"c_info\"")?;
    reader.press("button", "Save As…")?;
    reader.press("button", "Save")?;
    until(|| is_saved("web.json", &json))?;
    reader.press("button", "xl")?;
    // Nothing waits for a restart, and nothing did.
    reader.write("text box", "Configuration", &text.replace("memory = 64", "memory = 56"))?;
    reader.press("button", "Apply")?;
    reader.wait("list item", "web, Running, 56 MiB*")?;
    reader.wait_gone("window", "Configuration of web")?;
    choose_action(reader, "Configuration…")?;
    let text = reader.wait_text("text box", "Configuration", "memory = 56")?;
    let edited = format!("{}cmdline = 'quiet'\n", text.replace("memory = 56", "memory = 48"));
    reader.write("text box", "Configuration", "name = ")?;
    reader.wait("label", "line 1, *")?;
    reader.wait_gone("label", "Nothing is changed")?;
    reader.write("text box", "Configuration", &edited)?;
    let waits = r#"b_info.cmdline: not set → "quiet", With the next start"#;
    reader.wait("list item", waits)?;
    reader.wait("list item", "b_info.target_memkb: 57344 → 49152, At once")?;
    reader.press("button", "Apply")?;
    reader.wait("list item", "web, Running, 48 MiB*")?;
    reader.wait_gone("window", "Configuration of web")?;
    choose_action(reader, "Configuration…")?;
    reader.wait("list item", waits)?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("window", "Configuration of web")?;
    reader.press("button", "Reboot")?;
    reader.press("button", "Tasks")?;
    reader.wait("list item", "Do what web wants at its end, Done")?;
    reader.wait("list item", "web, Running, 48 MiB*")?;
    choose_action(reader, "Configuration…")?;
    reader.wait_text("text box", "Configuration", "quiet")?;
    reader.wait("label", "Nothing is changed")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("window", "Configuration of web")?;

    // Two domains must not write to one disk.
    choose_action(reader, "Clone…")?;
    reader.wait("window", "Clone of web")?;
    reader.wait("label", "*root.img*")?;
    let text = reader.wait_text("text box", "Configuration", "web-2")?;
    assert!(!text.contains("root.img"), "{text}");
    reader.press("button", "Create")?;
    reader.wait("list item", "web-2, Running, 48 MiB*")?;
    Ok(())
}
