//! The host, and how busy its domains are.

use crate::looking::until;
use crate::manager::Manager;
use osevent_standin_machine::{Failure, Machine};
use std::thread::sleep;
use std::time::Duration;

/// In this time, the program would have looked twice.
const TWO_LOOKS: Duration = Duration::from_secs(5);

pub(crate) fn host() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let manager = Manager::start(&machine, &["--open", "pretend-5"])?;
    let reader = &manager.reader;
    reader.wait("label", "Processor load: *")?;
    reader.press("button", "Menu")?;
    reader.press("menu item", "Host")?;
    reader.wait("window", "Host")?;
    reader.wait("label", "16.0 GiB")?;
    reader.wait("label", "*NUMA nodes: *")?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Host")?;
    // Nobody sees how busy a domain is any more, so nothing is asked for.
    machine.destroy(5)?;
    reader.wait("label", "No Virtual Machines")?;
    // What was asked for before may still be under way.
    until(|| {
        let before = machine.hypercalls();
        sleep(TWO_LOOKS);
        machine.hypercalls() == before
    })
}
