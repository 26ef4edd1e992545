//! sway without a screen, and its pictures.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// For anything to happen: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// sway does not run as root. This is the user nobody.
const NOBODY: u32 = 65534;

pub(crate) struct Compositor {
    folder: TempDir,
    sway: Child,
    socket: PathBuf,
}

/// What is missing for it, if anything is.
pub(crate) fn missing() -> Option<String> {
    let is_there = |program: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    };
    let missing: Vec<&str> =
        ["sway", "swaymsg", "grim", "setpriv"].into_iter().filter(|program| !is_there(program)).collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

impl Compositor {
    pub(crate) fn start() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config");
        fs::write(&config, "output * bg #404060 solid_color\noutput HEADLESS-1 resolution 1280x200\n")?;
        // SAFETY: it only returns a number.
        let is_root = unsafe { libc::geteuid() } == 0;
        let mut command = if is_root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups", "sway"]);
            command
        } else {
            Command::new("sway")
        };
        let log = fs::File::create(folder.path().join("log"))?;
        let sway = command
            .arg("--config")
            .arg(&config)
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("HOME", folder.path())
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut started = Self { folder, sway, socket: PathBuf::new() };
        eventually("sway listens", || Ok(started.entry("wayland-").is_some() && started.entry("sway-ipc.").is_some()))?;
        started.socket = started.entry("sway-ipc.").ok_or("its socket has gone")?;
        eventually("sway answers", || Ok(started.tell(&["-t", "get_outputs"]).is_ok()))?;
        Ok(started)
    }

    /// Lets a program find this compositor.
    pub(crate) fn show(&self, command: &mut Command) -> Result<(), Failed> {
        command.env("XDG_RUNTIME_DIR", self.folder.path()).env("WAYLAND_DISPLAY", self.display()?);
        Ok(())
    }

    pub(crate) fn tell(&self, words: &[&str]) -> Result<String, Failed> {
        let said = Command::new("swaymsg").arg("-s").arg(&self.socket).args(words).output()?;
        if !said.status.success() {
            return Err(format!("swaymsg {words:?}: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        Ok(String::from_utf8(said.stdout)?)
    }

    /// What the output shows.
    pub(crate) fn picture(&self, output: &str) -> Result<Picture, Failed> {
        let mut grim = Command::new("grim");
        self.show(&mut grim)?;
        let said = grim.args(["-t", "ppm", "-o", output, "-"]).output()?;
        if !said.status.success() {
            return Err(format!("grim: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        Picture::read(&said.stdout)
    }

    /// Where programs connect to.
    pub(crate) fn display(&self) -> Result<PathBuf, Failed> {
        self.entry("wayland-").ok_or_else(|| "its socket has gone".into())
    }

    pub(crate) fn end(&mut self) -> Result<(), Failed> {
        self.sway.kill()?;
        self.sway.wait()?;
        Ok(())
    }

    fn entry(&self, begin: &str) -> Option<PathBuf> {
        let is_it = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(begin) && !name.ends_with(".lock")
        };
        fs::read_dir(self.folder.path()).ok()?.flatten().map(|entry| entry.path()).find(|path| is_it(path))
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        // It may have been ended.
        let _ = self.end();
    }
}

/// Pixels of an output.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// A binary ppm(5).
    fn read(ppm: &[u8]) -> Result<Self, Failed> {
        let mut words = ppm.splitn(4, |byte| byte.is_ascii_whitespace());
        let mut word = || words.next().ok_or("a picture that is cut off");
        let number = |word: &[u8]| -> Result<usize, Failed> { Ok(std::str::from_utf8(word)?.parse()?) };
        if word()? != b"P6" {
            return Err("no ppm".into());
        }
        let (width, height) = (number(word()?)?, number(word()?)?);
        let rest = word()?;
        let begin = rest.len().checked_sub(width * height * 3).ok_or("a picture that is cut off")?;
        let pixels = rest[begin..].as_chunks::<3>().0.to_vec();
        Ok(Self { width, height, pixels })
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }
}

/// Asks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let started = Instant::now();
    while !is_so()? {
        if started.elapsed() > LIMIT {
            return Err(format!("not within {LIMIT:?}: {what}").into());
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
