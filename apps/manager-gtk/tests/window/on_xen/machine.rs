//! A domain that has what a PC has: a screen, a drive and a power button.

use super::{FILES, choose, choose_action, destroy, file, open, picture, prefer, script};
use crate::looking::until;
use crate::manager::Manager;
use osevent_standin_machine::Failure;
use std::fs;
use std::path::Path;

const NAME: &str = "pc";
const DRIVE: &str = "hdc";

pub(crate) fn used(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    let disc = file("pc.iso", [0; 64 << 10])?;
    let disc =
        format!("format=raw, vdev={DRIVE}, access=ro, devtype=cdrom, backendtype=qdisk, target={}", disc.display());
    // Its firmware has nothing to start, and would take a processor to find that out. With less memory, what xl and the program
    // give Xen for the domain's page tables is not enough.
    let config = format!(
        "name = '{NAME}'\ntype = 'hvm'\nmemory = 32\ncap = 10\nserial = 'pty'\nvga = 'none'\n\
         vnc = 1\nvnclisten = '127.0.0.1'\nvncunused = 1\ndisk = ['{disc}']\n"
    );
    open(manager, &file("pc.cfg", config)?)?;
    choose(manager, NAME)?;

    let seen = Path::new(FILES).join("seen");
    let viewer = script("viewer", &format!("echo \"$1\" > {FILES}/begun && mv {FILES}/begun {}", seen.display()))?;
    prefer(manager, "Viewer", &viewer.display().to_string())?;
    choose_action(&manager.reader, "Screen")?;
    until(|| seen.exists())?;
    assert_eq!(fs::read_to_string(seen)?, "vnc://127.0.0.1:5900\n");

    reader.wait("label", &format!("{FILES}/pc.iso"))?;
    reader.press("button", &format!("Eject the Disc of {DRIVE}"))?;
    reader.wait("label", "No disc")?;
    picture(manager, "machine.png")?;

    choose_action(&manager.reader, "Press Power Button")?;
    reader.press("button", "Tasks")?;
    reader.wait("list item", &format!("Press the power button of {NAME}, Done"))?;
    reader.press("button", "Tasks")?;
    // Nothing is written to its serial port.
    choose_action(&manager.reader, "Console")?;
    reader.wait("widget", &format!("Console of {NAME}"))?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", &format!("Console of {NAME}"))?;
    destroy(manager, NAME)
}
