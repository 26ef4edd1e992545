//! A bus of its own. The tests of the service's clients use it, too.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A dbus-daemon with the service's own policy.
pub(crate) struct Bus {
    pub(crate) daemon: Child,
    pub(crate) address: String,
    pub(crate) folder: TempDir,
}

impl Bus {
    pub(crate) fn start() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let folder = tempfile::tempdir()?;
        let policy = folder.path().join("policy.conf");
        fs::write(&policy, include_str!("../../data/org.osevent.Xen1.conf"))?;
        let configuration = format!(
            "<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context='default'><allow user='*'/>\
             <allow own='org.freedesktop.PolicyKit1'/><allow send_destination='org.freedesktop.PolicyKit1'/>\
             <allow send_destination='org.freedesktop.DBus'/><allow send_type='signal'/><allow send_requested_reply='true'/>\
             <allow receive_type='method_call'/><allow receive_type='method_return'/><allow receive_type='error'/>\
             <allow receive_type='signal'/></policy><include>{}</include></busconfig>",
            folder.path().join("bus").display(),
            policy.display()
        );
        let file = folder.path().join("bus.conf");
        fs::write(&file, configuration)?;
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg("--nofork").arg("--nopidfile").arg("--print-address=1").arg("--config-file").arg(&file);
        let mut daemon = daemon.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().ok_or("its output is piped")?).read_line(&mut address)?;
        Ok(Self { daemon, address: address.trim().to_owned(), folder })
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // It has no reason to have ended.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Where a program is, also one that only root has in its path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.exists())
}
