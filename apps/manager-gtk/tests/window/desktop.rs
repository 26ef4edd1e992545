//! A desktop of its own for each test: a screen in memory, a session bus, and on it what screen readers use.

use gtk::gdk_pixbuf::{Colorspace, Pixbuf};
use gtk::gio;
use gtk::glib;
use osevent_standin_machine::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// Width and height of the screen.
const SCREEN: &str = "1280x900x24";

pub(crate) struct Desktop {
    screen: Child,
    bus: Child,
    pub(crate) display: String,
    address: String,
    home: TempDir,
}

impl Desktop {
    pub(crate) fn start() -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        // Nobody looks at what moves, and a slow machine is busy with it.
        let settings = home.path().join(".config/gtk-4.0");
        fs::create_dir_all(&settings)?;
        let still = "[Settings]\ngtk-enable-animations=false\ngtk-cursor-blink=false\n";
        fs::write(settings.join("settings.ini"), still)?;
        let mut screen = Command::new("Xvfb");
        screen.args(["-displayfd", "1", "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]);
        screen.arg("-fbdir").arg(home.path());
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

    /// Writes what the screen shows, once it stands still. What moves is taken as it is after a while.
    pub(crate) fn picture(&self, file: &Path) -> Result<(), Failure> {
        const LOOK: Duration = Duration::from_millis(700);
        const LOOKS: usize = 8;
        let look = || fs::read(self.home.path().join("Xvfb_screen0"));
        let mut dump = look()?;
        for _ in 0..LOOKS {
            sleep(LOOK);
            let before = std::mem::replace(&mut dump, look()?);
            if before == dump {
                break;
            }
        }
        Ok(pixels(&dump).ok_or("the screen is no dump of X with 32 bits for a pixel")?.savev(file, "png", &[])?)
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

/// The picture in a dump of a screen: its header has numbers of 32 bits, a colour 12 bytes, a pixel blue, green, red and a byte more.
fn pixels(dump: &[u8]) -> Option<Pixbuf> {
    let number = |at: usize| Some(u32::from_be_bytes(dump.get(4 * at..4 * at + 4)?.try_into().ok()?) as usize);
    let (header, width, height) = (number(0)?, number(4)?, number(5)?);
    let (bits, line, colours) = (number(11)?, number(12)?, number(19)?);
    let lines = dump.get(header + 12 * colours..)?.chunks(line).take(height);
    let mut rgb = Vec::with_capacity(3 * width * height);
    for line in lines {
        for pixel in line.chunks_exact(4).take(width) {
            rgb.extend_from_slice(&[pixel[2], pixel[1], pixel[0]]);
        }
    }
    let (width, height) = (i32::try_from(width).ok()?, i32::try_from(height).ok()?);
    let is_whole = bits == 32 && rgb.len() as i64 == 3 * i64::from(width) * i64::from(height);
    is_whole.then(|| Pixbuf::from_mut_slice(rgb, Colorspace::Rgb, false, 8, width, height, 3 * width))
}

fn connect(address: &str) -> Result<gio::DBusConnection, glib::Error> {
    let flags = gio::DBusConnectionFlags::AUTHENTICATION_CLIENT | gio::DBusConnectionFlags::MESSAGE_BUS_CONNECTION;
    gio::DBusConnection::for_address_sync(address, flags, None, gio::Cancellable::NONE)
}
