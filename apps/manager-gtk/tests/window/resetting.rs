//! A reset, and what speaks against it.

use crate::PROGRAM;
use crate::looking::until;
use crate::management::script;
use crate::manager::{Manager, choose_action};
use crate::reader::{Reader, SENSITIVE};
use osevent_standin_machine::{Failure, Machine};
use std::fs;

/// It would run twice, with one disk.
pub(crate) fn elsewhere() -> Result<(), Failure> {
    /// Xen's number.
    const SUSPEND: u8 = 2;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let here = folder.path().display();
    fs::write(path("kernel"), osevent_domains::kernel::idle())?;
    fs::write(path("web.cfg"), format!("name = 'web'\ntype = 'pv'\nmemory = 64\nkernel = '{here}/kernel'\n"))?;
    // It says nothing, until nobody listens.
    script(&path("ssh"), &format!(": > {here}/connected; exec cat"))?;
    fs::create_dir_all(path("config/osevent-manager"))?;
    fs::write(path("config/osevent-manager/settings.ini"), format!("[manager]\nssh={here}/ssh\n"))?;
    let machine = Machine::new()?;
    let mut command = machine.command(PROGRAM);
    let manager = Manager::run(command.arg(path("web.cfg")).env("XDG_CONFIG_HOME", path("config")))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;

    choose_action(reader, "Migrate…")?;
    reader.write("text box", "Host", "there")?;
    reader.press("button", "Migrate")?;
    until(|| path("connected").exists())?;
    choose_action(reader, "Reset…")?;
    reader.press("button", "Reset")?;
    reader.wait("label", "Reset web: It is being *")?;
    reader.press("button", "Tasks")?;
    reader.press("button", "Abort: Migrate web to there")?;
    reader.wait("list item", "Migrate web to there, Aborted")?;
    reader.press("button", "Clear Finished")?;

    // What a migration has left, of this program or of another.
    for name in ["web--incoming", "web--migratedaway"] {
        rename(reader, name)?;
        choose_action(reader, "Reset…")?;
        reader.press("button", "Reset")?;
        reader.wait("label", &format!("Reset {name}: A migration has left it, *"))?;
    }
    rename(reader, "web")?;

    // It is suspended while somebody is asked.
    choose_action(reader, "Reset…")?;
    reader.wait("label", "Reset web?")?;
    machine.shut_down(1, SUSPEND)?;
    reader.wait("list item", "web, Suspended, *")?;
    reader.press("button", "Reset")?;
    reader.wait("label", "Reset web: It is suspended, *")?;
    reader.press("button", "More Actions")?;
    reader.wait_state(&reader.wait("menu item", "Configuration…")?, SENSITIVE, true)?;
    reader.wait_state(&reader.wait("menu item", "Reset…")?, SENSITIVE, false)?;
    assert_eq!(machine.store().read("/local/domain/1/name").as_deref(), Some(&b"web"[..]), "it is still there");
    assert_eq!(machine.store().read("/local/domain/2/name"), None);
    Ok(())
}

/// Nothing would be left of it.
pub(crate) fn without_its_kernel() -> Result<(), Failure> {
    /// Xen's number.
    const REBOOT: u8 = 1;
    let folder = tempfile::tempdir()?;
    let (kernel, file) = (folder.path().join("kernel"), folder.path().join("web.cfg"));
    fs::write(&kernel, osevent_domains::kernel::idle())?;
    fs::write(&file, format!("name = 'web'\ntype = 'pv'\nmemory = 64\nkernel = '{}'\n", kernel.display()))?;
    let machine = Machine::new()?;
    let manager = Manager::run(machine.command(PROGRAM).arg(file))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;
    let said = format!("The file {} cannot be opened", kernel.display());
    fs::remove_file(&kernel)?;
    choose_action(reader, "Reset…")?;
    reader.press("button", "Reset")?;
    reader.wait("label", &format!("Reset web: {said}"))?;
    reader.wait("list item", "web, Running, *")?;

    machine.shut_down(1, REBOOT)?;
    reader.wait("label", &format!("Do what web wants at its end: {said}"))?;
    reader.wait("list item", "web, Rebooting, *")?;
    assert_eq!(machine.store().read("/local/domain/1/name").as_deref(), Some(&b"web"[..]), "it is still there");
    Ok(())
}

fn rename(reader: &Reader, name: &str) -> Result<(), Failure> {
    choose_action(reader, "Rename…")?;
    reader.write("text box", "Name", name)?;
    reader.press("button", "Rename")?;
    reader.wait("list item", &format!("{name}, *"))?;
    Ok(())
}
