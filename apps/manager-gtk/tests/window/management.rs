//! What goes beyond a domain: its screen in another program, its way to another host, its start with this one, and what has happened.

use crate::PROGRAM;
use crate::looking::until;
use crate::manager::{Manager, choose_action};
use osevent_standin_machine::{Failure, Machine};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) fn management() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let here = folder.path().display();
    fs::write(path("kernel"), osevent_domains::kernel::idle())?;
    fs::write(path("web.cfg"), format!("name = 'web'\ntype = 'pv'\nmemory = 64\nkernel = '{here}/kernel'\n"))?;
    script(&path("viewer"), &format!("echo \"$1\" > {here}/begun && mv {here}/begun {here}/seen"))?;
    script(&path("ssh"), "echo \"no way to $1\" >&2; exit 255")?;
    fs::create_dir_all(path("config/osevent-manager"))?;
    fs::write(path("config/osevent-manager/settings.ini"), format!("[manager]\nviewer={here}/viewer\n"))?;
    let machine = Machine::new()?;
    let mut command = machine.command(PROGRAM);
    command.arg(path("web.cfg")).env("XDG_CONFIG_HOME", path("config")).env("OSEVENT_MANAGER_XEN_DIR", path("xen"));
    let manager = Manager::run(command.current_dir(&folder))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;

    // A screen is shown by another program, which is told where it is.
    choose_action(reader, "Screen")?;
    reader.wait("label", "web has no screen: *")?;
    machine.store().write("/local/domain/1/console/vnc-port", b"5903")?;
    choose_action(reader, "Screen")?;
    until(|| path("seen").exists())?;
    assert_eq!(fs::read_to_string(path("seen"))?, "vnc://127.0.0.1:5903\n");

    // It starts with the host by a link, and no configuration is lost.
    let link = path("xen/auto/web.cfg");
    reader.press("switch", "Starts with the Host")?;
    until(|| link.is_symlink())?;
    assert!(fs::read_to_string(&link)?.contains("name = \"web\""));
    reader.press("switch", "Starts with the Host")?;
    until(|| !link.is_symlink())?;
    assert!(path("xen/web.cfg").exists());

    reader.press("button", "Menu")?;
    reader.press("menu item", "Events")?;
    reader.wait("list item", "*web: Running*")?;
    reader.press("button", "Save As…")?;
    reader.press("button", "Save")?;
    until(|| fs::read_to_string(path("xen-events.txt")).is_ok_and(|events| events.contains("web: Running")))?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Events")?;

    // What the command says is told, and the domain stays.
    reader.press("button", "Menu")?;
    reader.press("menu item", "Preferences")?;
    reader.write("text box", "Remote Shell", &format!("{here}/ssh"))?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Preferences")?;
    let set = fs::read_to_string(path("config/osevent-manager/settings.ini"))?;
    assert!(set.contains(&format!("viewer={here}/viewer\n")) && set.contains(&format!("ssh={here}/ssh\n")), "{set}");
    choose_action(reader, "Migrate…")?;
    reader.wait("label", "To which host?")?;
    reader.write("text box", "Host", "-oProxyCommand=x")?;
    reader.wait("label", "This is no name of a host")?;
    reader.write("text box", "Host", "there")?;
    reader.press("button", "Migrate")?;
    reader.wait("label", "Migrate web to there: *")?;
    reader.press("button", "Details")?;
    reader.wait_text("text box", "Details", "no way to there")?;
    reader.wait("list item", "web, Running, *")?;
    Ok(())
}

pub(crate) fn script(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, format!("#!/bin/sh\n{text}\n"))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// The configuration of a domain, beside its kernel.
pub(crate) fn domain_file(folder: &Path) -> Result<String, Failure> {
    let (kernel, config) = (folder.join("kernel"), folder.join("web.cfg"));
    fs::write(&kernel, osevent_domains::kernel::idle())?;
    fs::write(&config, format!("name = 'web'\ntype = 'pvh'\nmemory = 64\nkernel = '{}'\n", kernel.display()))?;
    Ok(config.to_str().ok_or("a path in UTF-8")?.to_owned())
}
