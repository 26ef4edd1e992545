//! A domain goes into a file, and to another host.

use super::{FILES, LAB, choose, choose_action, open, picture, prefer, script};
use crate::manager::Manager;
use osevent_standin_machine::Failure;
use std::fs;
use std::path::Path;

/// It answers when it is to be saved, to move or to shut down.
const NAME: &str = "answering";

pub(crate) fn saved(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    open(manager, &Path::new(LAB).join("answering.cfg"))?;
    choose(manager, NAME)?;
    choose_action(&manager.reader, "Save…")?;
    reader.press("button", "Save")?;
    reader.wait_gone("list item", &format!("{NAME}, *"))?;
    let file = Path::new(FILES).join(format!("{NAME}.save"));
    assert!(fs::read(&file)?.starts_with(b"Xen saved domain"), "xl could not restore it");
    open(manager, &file)?;
    shut_down(manager)
}

pub(crate) fn migrated(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    // The host is left out: this one is the other one, too.
    let shell = script("ssh", "shift\nexec \"$@\"")?;
    prefer(manager, "Remote Shell", &shell.display().to_string())?;
    open(manager, &Path::new(LAB).join("answering.cfg"))?;
    choose(manager, NAME)?;
    choose_action(&manager.reader, "Migrate…")?;
    reader.write("text box", "Host", "there")?;
    picture(manager, "migrate.png")?;
    reader.press("button", "Migrate")?;
    reader.press("button", "Tasks")?;
    reader.wait("list item", &format!("Migrate {NAME} to there, Done"))?;
    picture(manager, "migrated.png")?;
    reader.press("button", "Tasks")?;
    shut_down(manager)
}

/// It runs, as it answers.
fn shut_down(manager: &Manager) -> Result<(), Failure> {
    choose(manager, NAME)?;
    manager.reader.press("button", "Shut Down")?;
    manager.reader.wait_gone("list item", &format!("{NAME}, *"))
}
