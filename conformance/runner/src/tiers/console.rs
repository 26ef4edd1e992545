//! The console of a domain: what it writes there, and what it is told.

use crate::eventually::eventually;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use xenlight::DomainId;

/// The console of one domain, of which nobody else may be a reader.
pub(crate) struct Console {
    domid: DomainId,
    /// Once xenconsoled has one for it.
    terminal: Option<File>,
    seen: Vec<u8>,
    /// How much of it has been waited for.
    passed: usize,
}

impl Console {
    pub(crate) fn of(domid: DomainId) -> Self {
        Self { domid, terminal: None, seen: Vec::new(), passed: 0 }
    }

    /// Waits until the domain has written this, after what was waited for before.
    pub(crate) fn expect(&mut self, text: &str) -> anyhow::Result<()> {
        let waited = eventually("the domain writes it to its console", || {
            if self.terminal.is_none() {
                self.terminal = open(self.domid);
            }
            let mut bytes = [0; 1024];
            // Nothing to read, or a line that is not complete yet.
            while let Some(read) = self.terminal.as_mut().and_then(|terminal| terminal.read(&mut bytes).ok()) {
                self.seen.extend(&bytes[..read]);
            }
            let new = &self.seen[self.passed..];
            let found = new.windows(text.len()).position(|window| window == text.as_bytes());
            self.passed += found.map_or(0, |at| at + text.len());
            found.is_some()
        });
        waited.with_context(|| format!("{text:?}; it wrote {:?}", String::from_utf8_lossy(&self.seen)))
    }

    /// Writes a line for the domain to read; it must have written something already.
    pub(crate) fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let terminal = self.terminal.as_mut().context("the console is not open yet")?;
        Ok(terminal.write_all(format!("{line}\n").as_bytes())?)
    }
}

/// The terminal that xenconsoled has for the domain's console, once it has one.
fn open(domid: DomainId) -> Option<File> {
    let node = format!("/local/domain/{domid}/console/tty");
    let output = Command::new("xenstore-read").arg(node).output().ok()?;
    let terminal = String::from_utf8(output.stdout).ok()?;
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(terminal.trim()).ok()
}
