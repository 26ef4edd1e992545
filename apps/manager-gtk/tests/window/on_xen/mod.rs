//! What is done in the window on a real Xen.

pub(crate) mod hardware;
pub(crate) mod life;
pub(crate) mod machine;
pub(crate) mod moves;

use crate::manager::{Manager, choose_action};
use osevent_standin_machine::Failure;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kernels of domains.
pub(crate) const LAB: &str = "/lab";
const PROGRAM: &str = "/lab/program/osevent-manager";
/// What the step brings back, packed.
const PICTURES: &str = "/tmp/pictures";
/// The user's files; where the program runs.
const FILES: &str = "/tmp/files";

/// The domains that are there from the start. They never answer.
const DEAF: &str = "deaf";
const STUCK: &str = "stuck";

/// The program, with its domains. One is asked to shut down, which takes a minute to fail: all else goes on meanwhile.
pub(crate) fn start() -> Result<Manager, Failure> {
    for name in domains()?.iter().filter(|name| *name != "Domain-0") {
        // Of a case that has failed.
        run(Command::new("xl").args(["destroy", name]))?;
    }
    fs::create_dir_all(FILES)?;
    let config = |name| {
        file(&format!("{name}.cfg"), format!("name = '{name}'\ntype = 'pv'\nmemory = 4\nkernel = '{LAB}/idle'\n"))
    };
    let files = [config(DEAF)?, config(STUCK)?];
    let manager = Manager::run(Command::new(PROGRAM).args(files).current_dir(FILES))?;
    choose(&manager, DEAF)?;
    manager.reader.press("button", "Shut Down")?;
    Ok(manager)
}

/// The names of all domains.
fn domains() -> Result<Vec<String>, Failure> {
    let listed = run(Command::new("xl").arg("list"))?;
    Ok(listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// What the command prints.
fn run(command: &mut Command) -> Result<String, Failure> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn picture(manager: &Manager, name: &str) -> Result<(), Failure> {
    fs::create_dir_all(PICTURES)?;
    manager.desktop.picture(&Path::new(PICTURES).join(name))?;
    run(Command::new("tar").args(["-cf", &format!("{PICTURES}.tar"), "-C", PICTURES, "."])).map(drop)
}

/// A file of the user's.
fn file(name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Failure> {
    let path = Path::new(FILES).join(name);
    fs::write(&path, content)?;
    Ok(path)
}

/// A program of the user's.
fn script(name: &str, does: &str) -> Result<PathBuf, Failure> {
    let path = file(name, format!("#!/bin/sh\n{does}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Sets what a field of the preferences says.
fn prefer(manager: &Manager, name: &str, text: &str) -> Result<(), Failure> {
    let reader = &manager.reader;
    reader.press("button", "Menu")?;
    reader.press("menu item", "Preferences")?;
    reader.write("text box", name, text)?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Preferences")
}

/// Opens a file, as a click on it does while the window is there.
fn open(manager: &Manager, file: &Path) -> Result<(), Failure> {
    run(manager.desktop.place(Command::new(PROGRAM).arg(file))).map(drop)
}

/// Chooses a domain that runs.
fn choose(manager: &Manager, name: &str) -> Result<(), Failure> {
    manager.reader.wait("list item", &format!("{name}, Running, *"))?;
    manager.reader.select("Domains", "list item", &format!("{name}, *"))
}

fn destroy(manager: &Manager, name: &str) -> Result<(), Failure> {
    let reader = &manager.reader;
    reader.press("button", "Destroy")?;
    reader.wait("label", &format!("Destroy {name}?"))?;
    reader.press("button", "Destroy")?;
    reader.wait_gone("list item", &format!("{name}, *"))
}
