//! New domains, by the assistant.

use crate::manager::{Manager, TITLE};
use crate::reader::{Reader, SELECTED, SENSITIVE};
use osevent_standin_machine::{Failure, Machine};
use std::fs;

/// Opens the form.
pub(crate) fn begin(reader: &Reader) -> Result<(), Failure> {
    reader.press("button", "New Domain")?;
    reader.press("menu item", "Create a Domain…")?;
    reader.wait("window", "New Domain").map(drop)
}

pub(crate) fn assistant() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (kernel, image) = (folder.path().join("kernel"), folder.path().join("root.img"));
    fs::write(&kernel, osevent_domains::kernel::idle())?;
    fs::write(&image, [0; 4096])?;
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let manager = Manager::start(&machine, &[])?;
    let reader = &manager.reader;
    begin(reader)?;
    reader.wait("label", "The domain needs a name")?;
    reader.wait_state(&reader.wait("button", "Next")?, SENSITIVE, false)?;
    reader.write("text box", "Name", "pretend-5")?;
    reader.wait("label", "There is a domain pretend-5 already")?;
    reader.write("text box", "Name", "web")?;
    reader.wait("label", "Choose a kernel, *")?;
    reader.write("text box", "Kernel", "kernel")?;
    reader.wait("label", "kernel is no full path: *")?;
    reader.write("text box", "Kernel", &kernel.display().to_string())?;
    reader.press("button", "PV")?;
    reader.set_value("spin button", "Memory in MiB", 64.0)?;
    reader.set_value("spin button", "Virtual CPUs", 2.0)?;
    reader.press("button", "Add a Disk")?;
    reader.wait("label", "A disk needs *")?;
    reader.write("text box", "Disk 1", &image.display().to_string())?;
    reader.press("button", "Add a Network Interface")?;
    reader.press("button", "Next")?;
    let text = reader.wait_text("text box", "Configuration", "type = \"pv\"")?;
    assert!(text.contains("memory = 64") && text.contains("xvda"), "{text}");
    reader.press("button", "JSON")?;
    reader.wait_text("text box", "Configuration", "\"xvda\"")?;
    reader.press("button", "Create")?;
    reader.wait("list item", "web, Running, 64 MiB · 2 vCPUs")?;
    reader.wait_gone("window", "New Domain")?;
    // What is done next is done to it.
    reader.wait_state(&reader.wait("list item", "web, *")?, SELECTED, true)?;

    // What libxl refuses stays to be corrected.
    begin(reader)?;
    reader.write("text box", "Name", "windows")?;
    reader.press("button", "HVM")?;
    reader.write("text box", "Image of a Disc (ISO)", "/nowhere.iso")?;
    reader.press("button", "Next")?;
    reader.wait("label", "The file /nowhere.iso cannot be opened")?;
    reader.press("button", "Create")?;
    reader.wait("label", "*libxl: *")?;
    reader.wait_gone("list item", "windows, *")?;
    reader.press("button", "Back")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("window", "New Domain")?;
    reader.wait("window", TITLE)?;
    assert_eq!(reader.nameless(), Vec::<String>::new(), "{}", reader.describe());
    Ok(())
}
