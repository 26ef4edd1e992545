//! The window is closed while something is at work.

use crate::looking::LIMIT;
use crate::management::domain_file;
use crate::manager::{Manager, TITLE, choose_action};
use crate::reader::Reader;
use crate::{PROGRAM, save_helper};
use osevent_standin_machine::{Failure, Machine};
use osevent_standin_xenstored::Fate;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use tempfile::TempDir;

pub(crate) fn asks() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    // Nobody writes to it, so it cannot be read to its end.
    let folder = tempfile::tempdir()?;
    let silent = folder.path().join("silent");
    fifo(&silent)?;
    let mut command = machine.command(PROGRAM);
    let mut manager = Manager::run(command.args(["--open", "pretend-5"]).arg(silent))?;
    let reader = &manager.reader;
    reader.press("button", "Pause")?;
    reader.wait("list item", "pretend-5, Paused, *")?;
    // It does not answer.
    reader.press("button", "Shut Down")?;
    reader.press("button", "Close")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("button", "Abort and Close")?;
    close(reader)?;
    manager.ends_well()
}

/// It has ended when the window is closed, and is to be made anew.
pub(crate) fn in_a_reset() -> Result<(), Failure> {
    let (_folder, machine, mut manager, held) = resetting()?;
    let reader = &manager.reader;
    reader.press("button", "Tasks")?;
    reader.wait("list item", "Reset web, At work")?;
    reader.wait_gone("button", "Abort: Reset web")?;
    reader.press("button", "Tasks")?;
    close(reader)?;
    reader.wait_gone("window", TITLE)?;
    drop(held);
    manager.ends_well()?;
    let again = Manager::start(&machine, &[])?;
    again.reader.wait("list item", "web, Running, *").map(drop)
}

/// The program is started again before that is done.
pub(crate) fn and_opened_again() -> Result<(), Failure> {
    let (_folder, machine, mut manager, held) = resetting()?;
    let reader = &manager.reader;
    let open = || -> Result<(), Failure> {
        let status = manager.desktop.place(&mut machine.command(PROGRAM)).status()?;
        assert!(status.success(), "{status}");
        reader.wait("window", TITLE).map(drop)
    };
    close(reader)?;
    reader.wait_gone("window", TITLE)?;
    open()?;
    close(reader)?;
    reader.wait_gone("window", TITLE)?;
    open()?;
    drop(held);
    // The list is that of a new connection.
    machine.add_domain(9)?;
    reader.wait("list item", "pretend-9, Running, *")?;
    reader.wait("list item", "web, Running, *")?;
    reader.press("button", "Close")?;
    manager.ends_well()
}

/// A program whose only domain is [half reset](half_reset), with the folder of its kernel.
fn resetting() -> Result<(TempDir, Machine, Manager, Sender<()>), Failure> {
    let folder = tempfile::tempdir()?;
    let config = domain_file(folder.path())?;
    let machine = Machine::new()?;
    let manager = Manager::run(machine.command(PROGRAM).arg(config))?;
    let held = half_reset(&manager.reader, &machine)?;
    Ok((folder, machine, manager, held))
}

/// Has `web`, the first domain, reset until it has ended. As long as what this returns is kept, xenstored answers nobody, which libxl waits for.
pub(crate) fn half_reset(reader: &Reader, machine: &Machine) -> Result<Sender<()>, Failure> {
    let (ended, has_ended) = channel();
    let (answer, may_answer) = channel();
    machine.store().look_before_release(move |domid| match domid {
        1 => {
            // Where nobody listens any more, the test has failed.
            let _ = ended.send(());
            let _ = may_answer.recv();
            Fate::Ending
        }
        _ => Fate::Running,
    });
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;
    choose_action(reader, "Reset…")?;
    reader.press("button", "Reset")?;
    has_ended.recv_timeout(LIMIT)?;
    Ok(answer)
}

/// It is suspended when the window is closed.
pub(crate) fn in_a_save() -> Result<(), Failure> {
    /// Xen's number.
    const SUSPEND: u8 = 2;
    let (folder, saved) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let config = domain_file(folder.path())?;
    let machine = Machine::new()?;
    let mut command = machine.command(PROGRAM);
    command.env("LIBXL_SAVE_HELPER", std::env::current_exe()?).env(save_helper::DO, "hangs");
    let mut manager = Manager::run(command.arg(config).current_dir(&saved))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;
    choose_action(reader, "Save…")?;
    reader.press("button", "Save")?;
    reader.press("button", "Tasks")?;
    reader.wait("list item", "Save web, At work, 50 %*")?;
    machine.shut_down(1, SUSPEND)?;
    reader.wait("list item", "web, Suspended, *")?;
    reader.press("button", "Tasks")?;
    close(reader)?;
    manager.ends_well()?;
    assert_eq!(fs::read_dir(&saved)?.count(), 0, "the unfinished file is removed");
    let again = Manager::start(&machine, &[])?;
    again.reader.wait("list item", "web, Running, *").map(drop)
}

pub(crate) fn close(reader: &Reader) -> Result<(), Failure> {
    reader.press("button", "Close")?;
    reader.press("button", "Abort and Close")
}

fn fifo(path: &Path) -> Result<(), Failure> {
    let made = Command::new("mkfifo").arg(path).status()?;
    if made.success() { Ok(()) } else { Err(format!("mkfifo: {made}").into()) }
}
