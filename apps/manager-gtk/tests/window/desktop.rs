//! A desktop of its own for each test: a screen in memory, a session bus, and on it what screen readers use.

use gtk::gio;
use gtk::glib;
use osevent_standin_machine::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Width and height of the screen.
const SCREEN: &str = "1280x900x24";

pub(crate) struct Desktop {
    screen: Child,
    bus: Child,
    display: String,
    address: String,
    home: TempDir,
}

impl Desktop {
    /// What of it is not installed, if anything.
    pub(crate) fn lacks() -> Option<String> {
        let lacks = |program: &&str| {
            !std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .any(|folder| folder.join(program).exists())
        };
        let program = ["Xvfb", "dbus-daemon", "msgfmt"].into_iter().find(lacks);
        let service = "/usr/share/dbus-1/services/org.a11y.Bus.service";
        program.or_else(|| (!Path::new(service).exists()).then_some("at-spi2-core")).map(|what| format!("no {what}"))
    }

    pub(crate) fn start() -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let mut screen = Command::new("Xvfb");
        screen.args(["-displayfd", "1", "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]);
        let (screen, number) = start(&mut screen)?;
        let display = format!(":{number}");
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address"])
            .env("DISPLAY", &display)
            .env("XDG_RUNTIME_DIR", home.path());
        bus.env_remove("DBUS_SESSION_BUS_ADDRESS");
        let (bus, address) = start(&mut bus)?;
        Ok(Self { screen, bus, display, address, home })
    }

    /// Lets the program be on this desktop.
    pub(crate) fn place<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env("HOME", self.home.path())
            .env("GDK_BACKEND", "x11")
            .env("GSK_RENDERER", "cairo")
            .env("GTK_A11Y", "atspi")
            .env("GSETTINGS_BACKEND", "memory")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("WAYLAND_DISPLAY")
    }

    /// The bus of the screen readers.
    pub(crate) fn readers_bus(&self) -> Result<gio::DBusConnection, Failure> {
        let session = connect(&self.address)?;
        let answer = session.call_sync(
            Some("org.a11y.Bus"),
            "/org/a11y/bus",
            "org.a11y.Bus",
            "GetAddress",
            None,
            None,
            gio::DBusCallFlags::NONE,
            -1,
            gio::Cancellable::NONE,
        )?;
        let (address,): (String,) = answer.get().ok_or("GetAddress answers with a string")?;
        Ok(connect(&address)?)
    }

    /// Writes what the screen shows.
    pub(crate) fn picture(&self, file: &Path) -> Result<(), Failure> {
        let status = self.place(&mut Command::new("import")).args(["-window", "root"]).arg(file).status()?;
        if status.success() { Ok(()) } else { Err(format!("import: {status}").into()) }
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in [&mut self.bus, &mut self.screen] {
            // In order: a screen that is killed leaves its socket behind, which the next one finds.
            let _ = Pid::from_raw(child.id() as i32).map(|id| kill_process(id, Signal::TERM));
            let _ = child.wait();
        }
    }
}

/// Starts a program and waits for its first line.
fn start(command: &mut Command) -> Result<(Child, String), Failure> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("its output is piped")?).read_line(&mut line)?;
    if line.is_empty() {
        return Err(format!("{:?} ends at once: {}", command.get_program(), child.wait()?).into());
    }
    Ok((child, line.trim().to_owned()))
}

fn connect(address: &str) -> Result<gio::DBusConnection, glib::Error> {
    let flags = gio::DBusConnectionFlags::AUTHENTICATION_CLIENT | gio::DBusConnectionFlags::MESSAGE_BUS_CONNECTION;
    gio::DBusConnection::for_address_sync(address, flags, None, gio::Cancellable::NONE)
}
