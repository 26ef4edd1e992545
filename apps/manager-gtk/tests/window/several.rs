//! Several domains at once, and groups of them.

use crate::manager::Manager;
use osevent_standin_machine::{Failure, Machine};

pub(crate) fn several() -> Result<(), Failure> {
    let machine = Machine::new()?;
    (5..8).try_for_each(|domid| machine.add_domain(domid))?;
    let manager = Manager::start(&machine, &["--open", "pretend-5"])?;
    let reader = &manager.reader;
    reader.press("button", "Pause")?;
    reader.wait("list item", "pretend-5, Paused, *")?;

    // A group by state takes in who comes into that state.
    reader.press("button", "Menu")?;
    reader.press("menu item", "Paused")?;
    reader.wait_gone("list item", "pretend-6, *")?;
    reader.wait("label", "1 of 4 domains")?;
    reader.press("button", "Resume")?;
    reader.wait_gone("list item", "pretend-5, *")?;
    reader.press("button", "Menu")?;
    reader.press("menu item", "pretend…")?;
    reader.wait("list item", "pretend-6, *")?;
    reader.wait_gone("list item", "Domain-0, *")?;
    reader.press("button", "Menu")?;
    reader.press("menu item", "All Domains")?;
    reader.wait("list item", "Domain-0, *")?;

    reader.press("button", "Search")?;
    reader.write("search box", "Search by name", "END-6")?;
    reader.wait_gone("list item", "pretend-5, *")?;
    reader.wait("list item", "pretend-6, *")?;
    reader.write("search box", "Search by name", "end-8")?;
    reader.wait("label", "No Domain Has This Name")?;
    reader.write("search box", "Search by name", "")?;
    reader.wait("list item", "pretend-5, *")?;

    reader.press("button", "Menu")?;
    reader.press("menu item", "Select All")?;
    reader.press("button", "Pause All")?;
    for name in ["pretend-5", "pretend-6", "pretend-7"] {
        reader.wait("list item", &format!("{name}, Paused, *"))?;
    }
    reader.press("button", "Destroy All")?;
    reader.wait("label", "Destroy 3 domains?")?;
    reader.press("button", "Destroy")?;
    reader.wait_gone("list item", "pretend-*")?;
    reader.wait("list item", "Domain-0, Running, *")?;
    Ok(())
}
