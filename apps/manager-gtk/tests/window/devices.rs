//! Devices come and go.

use crate::PROGRAM;
use crate::manager::Manager;
use crate::reader::{Reader, SENSITIVE};
use osevent_standin_machine::{Failure, Machine};
use std::fs;

pub(crate) fn devices() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let here = folder.path().display();
    fs::write(path("kernel"), osevent_domains::kernel::idle())?;
    fs::write(path("data.img"), [7; 4096])?;
    let disc = format!("disk = ['format=raw,vdev=xvdc,access=ro,devtype=cdrom,target={here}/data.img']");
    fs::write(path("web.cfg"), format!("name = 'web'\ntype = 'pv'\nmemory = 64\nkernel = '{here}/kernel'\n{disc}\n"))?;
    let machine = Machine::new()?;
    let manager = Manager::run(machine.command(PROGRAM).arg(path("web.cfg")))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;

    reader.press("button", "Attach a Disk")?;
    reader.wait("window", "Attach a Disk")?;
    reader.wait("label", "A disk needs *")?;
    reader.wait_state(&reader.wait("button", "Attach")?, SENSITIVE, false)?;
    reader.write("text box", "Image or Block Device", &format!("{here}/data.img"))?;
    reader.press("button", "Attach")?;
    reader.wait("list item", "xvda")?;
    reader.wait("label", &format!("{here}/data.img"))?;
    reader.press("button", "Detach xvda")?;
    reader.wait("label", "Detach xvda from web?")?;
    reader.wait("label", "*data.img stays *")?;
    reader.press("button", "Detach")?;
    reader.wait_gone("list item", "xvda")?;
    assert_eq!(fs::read(path("data.img"))?, [7; 4096], "what is detached is not touched");

    nic_and_pci(reader)?;
    // Only HVM domains have drives that libxl can open.
    reader.wait("button", "Insert a Disc into xvdc")?;
    reader.press("button", "Eject the Disc of xvdc")?;
    reader.wait("label", "Eject xvdc: *")?;
    // What libxl refuses is told with its words.
    reader.press("button", "Attach a Disk")?;
    reader.write("text box", "Image or Block Device", "/nowhere/data.img")?;
    reader.press("button", "Attach")?;
    reader.wait("label", "Attach /nowhere/data.img: *")?;
    // The one before has a button of that name, too.
    reader.wait_gone("label", "Eject xvdc: *")?;
    reader.press("button", "Details")?;
    reader.wait_text("text box", "Details", "libxl: ")?;
    Ok(())
}

/// What is the same with and without the service.
pub(crate) fn nic_and_pci(reader: &Reader) -> Result<(), Failure> {
    reader.press("button", "Attach a Network Interface")?;
    reader.write("text box", "Address", "00:16")?;
    reader.wait("label", "An address is six bytes *")?;
    reader.write("text box", "Address", "00:16:3e:00:00:07")?;
    reader.press("button", "Attach")?;
    reader.wait("list item", "00:16:3e:00:00:07")?;

    reader.press("button", "Attach a PCI Device")?;
    reader.wait("label", "No PCI device of this host can be given away. *")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("window", "Attach a PCI Device")
}
