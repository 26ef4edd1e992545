//! The first program of the book.

use crate::PROGRAM;
use crate::manager::Manager;
use osevent_standin_machine::{Failure, Machine};
use std::path::Path;

/// Its list is that of the host. Cargo builds examples before it runs all tests, beside the programs.
pub(crate) fn program() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let example = Path::new(PROGRAM).with_file_name("examples").join("first-gtk");
    if !example.exists() {
        return Err("the example is not built: cargo build -p osevent-manager --example first-gtk".into());
    }
    let first = Manager::run_as(&mut machine.command(example), "Domains")?;
    first.reader.wait("label", "pretend-5: Running")?;
    machine.add_domain(6)?;
    first.reader.wait("label", "pretend-6: Running")?;
    machine.destroy(5)?;
    first.reader.wait_gone("label", "pretend-5: *")
}
