//! Memory, processors, disks and devices of the host, for a Linux that runs.

use super::{LAB, choose, choose_action, destroy, file, open, picture, run};
use crate::looking::look_until;
use crate::manager::Manager;
use osevent_domains::Archive;
use osevent_standin_machine::Failure;
use std::fs;
use std::path::Path;
use std::process::Command;

const NAME: &str = "linux";
/// What it says when devices can come.
const READY: &str = "ready";
const DRIVERS: [&str; 2] = ["xen-blkfront", "xen-pcifront"];
/// Vendor and device of what is of no use but to be given away: QEMU's `pci-testdev`.
const OF_PCI: [(&str, &str); 2] = [("vendor", "0x1b36"), ("device", "0x0005")];
/// So is this one, in the lab.
const OF_USB: &str = "QEMU USB Tablet";

pub(crate) fn changed(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    let ramdisk = file("linux.cpio", ramdisk()?)?;
    // The controller of its USB devices is a QEMU of its own, which libxl starts with the domain or not at all.
    let config = format!(
        "name = '{NAME}'\ntype = 'pv'\nmemory = 128\nvcpus = 2\nkernel = '{LAB}/linux'\nramdisk = '{}'\n\
         cmdline = 'console=hvc0 quiet'\npassthrough = 'sync_pt'\nusbctrl = ['type=qusb']\n",
        ramdisk.display()
    );
    open(manager, &file("linux.cfg", config)?)?;
    choose(manager, NAME)?;
    choose_action(&manager.reader, "Console")?;
    reader.wait("widget", &format!("Console of {NAME}: {READY}"))?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", &format!("Console of {NAME}"))?;

    reader.press("button", "Change the Memory")?;
    reader.set_value("spin button", "MiB", 112.0)?;
    reader.press("button", "Apply")?;
    reader.wait("list item", &format!("{NAME}, Running, 112 MiB*"))?;
    reader.press("button", "Change the Virtual CPUs")?;
    reader.set_value("spin button", "Virtual CPUs in use", 1.0)?;
    reader.press("button", "Apply")?;
    wait_given_back(112, 1)?;

    give_disk(manager)?;
    give_pci(manager)?;
    give_usb(manager)?;
    destroy(manager, NAME)
}

fn give_disk(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    let image = file("data.img", [7; 64 << 10])?;
    reader.press("button", "Attach a Disk")?;
    reader.write("text box", "Image or Block Device", &image.display().to_string())?;
    reader.press("button", "Attach")?;
    reader.wait("list item", "xvda")?;
    reader.wait("label", &image.display().to_string())?;
    picture(manager, "disk.png")?;
    detach(manager, "xvda")
}

/// A device of the host that becomes assignable as the window says.
fn give_pci(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    let is_one = |path: &Path| {
        OF_PCI.iter().all(|(file, number)| fs::read_to_string(path.join(file)).is_ok_and(|is| is.trim() == *number))
    };
    let mut devices = fs::read_dir("/sys/bus/pci/devices")?.flatten().filter(|device| is_one(&device.path()));
    let address = devices.next().ok_or("the machine has no PCI device to be given away")?.file_name();
    let address = address.to_str().ok_or("its address is not UTF-8")?;
    reader.press("button", "Attach a PCI Device")?;
    reader.wait("label", "No PCI device of this host can be given away. *")?;
    picture(manager, "no-pci.png")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("window", "Attach a PCI Device")?;
    run(Command::new("xl").args(["pci-assignable-add", address]))?;
    reader.press("button", "Attach a PCI Device")?;
    reader.wait("label", address)?;
    picture(manager, "pci.png")?;
    reader.press("button", "Attach")?;
    reader.wait("list item", address)?;
    detach(manager, address)
}

fn give_usb(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    reader.press("button", "Attach a USB Device")?;
    reader.wait("label", &format!("{OF_USB} (*"))?;
    picture(manager, "usb.png")?;
    reader.press("button", "Attach")?;
    reader.wait("list item", "Bus *")?;
    picture(manager, "usb-attached.png")?;
    reader.press("button", "Detach Bus *")?;
    reader.press("button", "Detach")?;
    reader.wait_gone("list item", "Bus *")
}

fn detach(manager: &Manager, device: &str) -> Result<(), Failure> {
    let reader = &manager.reader;
    reader.press("button", &format!("Detach {device}"))?;
    reader.wait("label", &format!("Detach {device} from {NAME}?"))?;
    reader.press("button", "Detach")?;
    reader.wait_gone("list item", device)
}

/// Waits until Xen has back what the domain is to have no longer. What it has can differ a little from what it was asked for.
fn wait_given_back(mib: u32, vcpus: u32) -> Result<(), Failure> {
    let is_given_back = |listed: &str| {
        let line = listed.lines().nth(1).unwrap_or_default();
        let numbers: Vec<u32> = line.split_whitespace().flat_map(str::parse).collect();
        matches!(numbers[..], [_, memory, online, ..] if memory <= mib + 1 && online == vcpus)
    };
    let given_back = look_until(|is_last| match run(Command::new("xl").args(["list", NAME])) {
        Ok(listed) if is_given_back(&listed) => Some(Ok(())),
        Ok(listed) => is_last.then(|| Err(format!("it keeps what it has:\n{listed}").into())),
        Err(error) => Some(Err(error)),
    });
    given_back.expect("the last look is told of")
}

/// Of a Linux with these drivers, out of dom0's files.
fn ramdisk() -> Result<Vec<u8>, Failure> {
    let mut archive = Archive::new(Vec::new());
    for folder in ["bin", "dev", "modules"] {
        archive.folder(folder)?;
    }
    archive.file("bin/busybox", true, &fs::read("/bin/busybox")?)?;
    let lists = DRIVERS.map(|driver| run(Command::new("modprobe").args(["-D", driver])));
    let list = lists.into_iter().collect::<Result<String, _>>()?;
    let modules = list.lines().filter_map(|line| line.strip_prefix("insmod ")?.split_whitespace().next());
    for (at, module) in modules.enumerate() {
        archive.file(&format!("modules/{at:02}.ko"), false, &fs::read(module)?)?;
    }
    let init = format!(
        "#!/bin/busybox sh\nfor module in /modules/*; do /bin/busybox insmod $module; done\n\
         echo {READY}\nwhile :; do /bin/busybox sleep 3600; done\n"
    );
    archive.file("init", true, init.as_bytes())?;
    Ok(archive.finish()?)
}
