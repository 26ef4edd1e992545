//! The program on a desktop, whatever machine it manages.

use crate::desktop::Desktop;
use crate::looking::look_until;
use crate::reader::Reader;
use osevent_standin_machine::Failure;
use std::process::{Child, Command, Stdio};

pub(crate) const TITLE: &str = "Xen Domains";

/// The program on a desktop, seen by a reader.
pub(crate) struct Manager {
    pub(crate) reader: Reader,
    pub(crate) program: Child,
    pub(crate) desktop: Desktop,
}

impl Manager {
    pub(crate) fn run(command: &mut Command) -> Result<Self, Failure> {
        Self::run_as(command, TITLE)
    }

    /// Waits for a window with this title.
    pub(crate) fn run_as(command: &mut Command, title: &str) -> Result<Self, Failure> {
        let desktop = Desktop::start()?;
        let reader = Reader::new(desktop.readers_bus()?);
        let program = desktop.place(command).stdin(Stdio::null()).spawn()?;
        let manager = Self { reader, program, desktop };
        manager.reader.wait("window", title)?;
        Ok(manager)
    }

    /// Waits for its end, which has to be in order.
    pub(crate) fn ends_well(&mut self) -> Result<(), Failure> {
        let ended = look_until(|_| self.program.try_wait().transpose());
        let status = ended.ok_or_else(|| format!("it does not end:\n{}", self.reader.describe()))??;
        assert!(status.success(), "{status}");
        Ok(())
    }
}

/// An entry of the menu of the chosen domain.
pub(crate) fn choose_action(reader: &Reader, name: &str) -> Result<(), Failure> {
    reader.press("button", "More Actions")?;
    reader.press("menu item", name)
}

impl Drop for Manager {
    fn drop(&mut self) {
        // It has ended, unless something went wrong.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
