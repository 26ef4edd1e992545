//! A domain's console: a terminal at which the domain prints what a booting system prints, and answers lines.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// What a line on the console asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Nothing,
    Help,
    Uptime,
    Poweroff,
    Reboot,
    Unknown,
}

/// The other end of the terminal that its users open.
pub(crate) struct Console {
    terminal: File,
    path: PathBuf,
    /// Held open: else this end would see a hang-up whenever nobody uses it.
    _users: OwnedFd,
    line: String,
}

/// What is before the cursor when a line is awaited.
const PROMPT: &str = "$ ";

impl Console {
    pub(crate) fn open() -> io::Result<Self> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        rustix::io::ioctl_fionbio(&terminal, true)?;
        let path = ptsname(&terminal, Vec::new())?;
        let path = PathBuf::from(path.to_str().map_err(io::Error::other)?);
        let users = File::options().read(true).write(true).custom_flags(OFlags::NOCTTY.bits() as i32).open(&path)?;
        // As xenconsoled has it: what is typed goes to the domain, which echoes it.
        let mut mode = tcgetattr(&users)?;
        mode.make_raw();
        tcsetattr(&users, OptionalActions::Now, &mode)?;
        Ok(Self { terminal: terminal.into(), path, _users: users.into(), line: String::new() })
    }

    /// Where its users open it, such as `/dev/pts/5`.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Prints a line. What nobody reads is dropped once the terminal is full.
    pub(crate) fn print(&mut self, line: impl Display) {
        self.write(&format!("{line}\r\n"));
    }

    /// Asks for a line.
    pub(crate) fn prompt(&mut self) {
        self.write(PROMPT);
    }

    /// The lines that were typed meanwhile. What is typed is echoed.
    pub(crate) fn read(&mut self) -> Vec<Command> {
        const BACKSPACE: [u8; 2] = [0x7f, 0x08];
        let mut typed = [0; 256];
        // It fails where nothing is there.
        let length = self.terminal.read(&mut typed).unwrap_or(0);
        let mut commands = vec![];
        for &byte in &typed[..length] {
            match byte {
                b'\r' | b'\n' => {
                    self.write("\r\n");
                    commands.push(command(&std::mem::take(&mut self.line)));
                }
                byte if BACKSPACE.contains(&byte) && self.line.pop().is_some() => self.write("\x08 \x08"),
                b' '..=b'~' => {
                    self.line.push(char::from(byte));
                    self.write(&char::from(byte).to_string());
                }
                _ => {}
            }
        }
        commands
    }

    fn write(&mut self, text: &str) {
        // It fails where the terminal is full.
        let _ = self.terminal.write_all(text.as_bytes());
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }
}

fn command(line: &str) -> Command {
    match line.trim() {
        "" => Command::Nothing,
        "help" => Command::Help,
        "uptime" => Command::Uptime,
        "poweroff" | "halt" => Command::Poweroff,
        "reboot" => Command::Reboot,
        _ => Command::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_echoed_and_obeyed_a_line_at_a_time() {
        let mut console = Console::open().unwrap();
        let mut user = File::options().read(true).write(true).open(console.path()).unwrap();
        let mut echo = |console: &mut Console, typed: &str, expected: &str| {
            user.write_all(typed.as_bytes()).unwrap();
            let mut commands = vec![];
            // The terminal passes it on at some time.
            let mut echoed = String::new();
            while echoed.len() < expected.len() {
                commands.extend(console.read());
                let mut bytes = [0; 64];
                rustix::io::ioctl_fionbio(&user, true).unwrap();
                let read = user.read(&mut bytes).unwrap_or(0);
                echoed.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            assert_eq!(echoed, expected);
            commands
        };
        assert_eq!(echo(&mut console, "uptimf", "uptimf"), []);
        assert_eq!(
            echo(&mut console, "\x7fe\rwhat\r\r", "\x08 \x08e\r\nwhat\r\n\r\n"),
            [Command::Uptime, Command::Unknown, Command::Nothing,]
        );
    }
}
