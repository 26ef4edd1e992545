//! Without a mouse, and on a screen of a phone's size.

use crate::creating::begin;
use crate::hands::{CONTROL, F2, Hands};
use crate::looking::until;
use crate::manager::{Manager, choose_action};
use crate::reader::SENSITIVE;
use crate::{PROGRAM, pictures_folder};
use osevent_standin_machine::{Failure, Machine};
use std::process::Command;

/// Of a phone, and of the frame around a window that GTK draws on this screen and not on a phone's.
const WIDTH: u16 = 360 + 2 * 5;
const HEIGHT: u16 = 640;

pub(crate) fn phone() -> Result<(), Failure> {
    windows(|_, _| Ok(()))
}

/// Writes pictures of them, to be looked at.
pub(crate) fn pictures() -> Result<(), Failure> {
    let folder = pictures_folder()?;
    windows(|manager, name| manager.desktop.picture(&folder.join(format!("small-{name}.png"))))
}

/// Opens one window after the other, as narrow as the screen of a phone, and shows each to `look`.
fn windows(look: impl Fn(&Manager, &str) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut command = Command::new(PROGRAM);
    let manager = Manager::run(command.args(["--demo", "--open", "web"]))?;
    let (reader, hands) = (&manager.reader, Hands::new(&manager.desktop.display)?);
    let is_narrow = |name: &str| -> Result<(), Failure> {
        look(&manager, name)?;
        // It grows again to what its widgets need. When it answers, it has had its new size.
        reader.describe();
        let (width, _) = hands.size()?;
        assert!(width <= WIDTH, "{name}: {width}");
        Ok(())
    };
    let fits = |name: &str| hands.resize(WIDTH, HEIGHT).and_then(|()| is_narrow(name));
    let fits_until_closed = |window: &str, name: &str, close: &str| -> Result<(), Failure> {
        reader.wait("window", window)?;
        fits(name)?;
        reader.press("button", close)?;
        reader.wait_gone("window", window)
    };
    reader.wait("list item", "web, Running, *")?;
    fits("domain")?;
    for entry in ["Configuration…", "Clone…", "Migrate…", "Rename…"] {
        choose_action(reader, entry)?;
        reader.wait("button", "Cancel")?;
        fits(&entry.trim_end_matches('…').to_lowercase())?;
        reader.press("button", "Cancel")?;
        reader.wait_gone("button", "Cancel")?;
    }
    choose_action(reader, "Console")?;
    fits_until_closed("Console of web", "console", "Close")?;
    for device in ["Disk", "Network Interface"] {
        let attach = format!("Attach a {device}");
        reader.press("button", &attach)?;
        fits_until_closed(&attach, &device.to_lowercase(), "Cancel")?;
    }
    reader.press("button", "Back")?;
    fits("list")?;
    for entry in ["Host", "Events", "Preferences"] {
        reader.press("button", "Menu")?;
        reader.press("menu item", entry)?;
        fits_until_closed(entry, &entry.to_lowercase(), "Close")?;
    }
    begin(reader)?;
    fits_until_closed("New Domain", "create", "Cancel")?;
    reader.press("button", "Menu")?;
    reader.press("menu item", "Select All")?;
    reader.wait("button", "Pause All")?;
    fits("several")?;
    reader.press("button", "Back")?;
    reader.press("button", "Tasks")?;
    // It has a window of its own.
    until(|| hands.size().is_ok_and(|size| size != (WIDTH, HEIGHT)))?;
    is_narrow("tasks")
}

pub(crate) fn keys() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut manager = Manager::start(&machine, &["--open", "pretend-5"])?;
    let hands = Hands::new(&manager.desktop.display)?;
    let reader = &manager.reader;
    let control = |key: char| hands.press(&[CONTROL, key.into()]);
    // Before the domain is chosen, a key does nothing.
    let pause = reader.wait("button", "Pause")?;
    reader.wait_state(&pause, SENSITIVE, true)?;
    control('p')?;
    reader.wait("list item", "pretend-5, Paused, *")?;
    control('r')?;
    reader.wait("list item", "pretend-5, Running, *")?;
    hands.press(&[F2])?;
    reader.wait("text box", "Name")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("text box", "Name")?;
    control('q')?;
    manager.ends_well()
}
