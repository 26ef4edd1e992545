//! When domains end in Xen, whichever program destroys them. Linux notes each call of libxenctrl's `xc_domain_destroy` (a uprobe), and each interrupt for xenstored:
//! Xen raises one (`VIRQ_DOM_EXC`) when the domain has ended, and nobody in dom0 can know of it before.

use anyhow::{Context, ensure};
use procfs::process::{MMapPath, Process};
use std::ffi::c_void;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// They are noted until it is dropped.
pub(crate) struct Destructions {
    /// A buffer of its own in the kernel, and which of the events are noted there.
    instance: PathBuf,
}

impl Destructions {
    /// By this function, `xc_domain_destroy`.
    ///
    /// # Errors
    /// Linux does not let this process do it, or cannot.
    pub(crate) fn noted(function: *const c_void) -> anyhow::Result<Self> {
        if !Path::new(TRACING).join("uprobe_events").exists() {
            let status = Command::new("mount").args(["-t", "tracefs", "tracefs", TRACING]).status();
            ensure!(status.context("no mount")?.success(), "there is no tracefs");
        }
        let (file, offset) = place(function)?;
        define(&format!("p:{DESTRUCTION} {}:{offset:#x}", file.display()))?;
        let instance = Path::new(TRACING).join("instances/osevent");
        fs::create_dir(&instance)?;
        let noted = Self { instance };
        noted.set("trace_clock", "mono")?;
        noted.set(&format!("events/{INTERRUPT}/filter"), r#"name ~ "evtchn:*xenstored""#)?;
        for event in [DESTRUCTION, INTERRUPT] {
            noted.set(&format!("events/{event}/enable"), "1")?;
        }
        Ok(noted)
    }

    /// When the domain ended that was destroyed since the last time, by the monotonic clock.
    pub(crate) fn take(&self) -> anyhow::Result<Duration> {
        let noted = fs::read_to_string(self.instance.join("trace"))?;
        self.set("trace", "")?;
        ended(&noted).with_context(|| format!("of the end of one domain, Linux has noted: {noted}"))
    }

    fn set(&self, file: &str, value: &str) -> anyhow::Result<()> {
        fs::write(self.instance.join(file), value).with_context(|| format!("cannot set {file} of a trace"))
    }
}

impl Drop for Destructions {
    fn drop(&mut self) {
        _ = fs::remove_dir(&self.instance);
        // One that is noted somewhere cannot be removed.
        _ = define(&format!("-:{DESTRUCTION}"));
    }
}

const TRACING: &str = "/sys/kernel/tracing";
const DESTRUCTION: &str = "osevent/destruction";
const INTERRUPT: &str = "irq/irq_handler_entry";

/// The time of the first interrupt after the one destruction. Each is a line: `xl-157 [001] DNZff 149.575506: destruction: (0x7f7563f96620)`.
fn ended(noted: &str) -> Option<Duration> {
    let mut events = noted.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut parts = line.splitn(3, ": ");
        let (seconds, micros) = parts.next()?.split_whitespace().last()?.split_once('.')?;
        Some((Duration::new(seconds.parse().ok()?, micros.parse::<u32>().ok()? * 1000), parts.next()?))
    });
    events.find(|(_, event)| *event == "destruction")?;
    let (ended, event) = events.next()?;
    (event == "irq_handler_entry" && events.all(|(_, event)| event != "destruction")).then_some(ended)
}

/// Adds an event or removes it.
fn define(definition: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(Path::new(TRACING).join("uprobe_events"))?.write_all(definition.as_bytes())
}

/// The file that has the function, and where in it.
fn place(function: *const c_void) -> anyhow::Result<(PathBuf, u64)> {
    let address = function.addr() as u64;
    let maps = Process::myself()?.maps()?;
    let map = maps.into_iter().find(|map| (map.address.0..map.address.1).contains(&address));
    let map = map.context("the function is nowhere in memory")?;
    let offset = address - map.address.0 + map.offset;
    match map.pathname {
        MMapPath::Path(file) => Ok((file, offset)),
        other => anyhow::bail!("the function is in {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "          <idle>-0       [000] d.h.1   149.100000: irq_handler_entry: irq=36 name=evtchn:xenstored";
    const CALL: &str = "              xl-157     [001] DNZff   149.575506: destruction: (0x7f7563f96620)";
    const RAISED: &str =
        "          <idle>-0       [000] d.h.1   149.637001: irq_handler_entry: irq=36 name=evtchn:xenstored";
    const AGAIN: &str =
        "       xenstored-108     [000] d.h.1   149.701000: irq_handler_entry: irq=36 name=evtchn:xenstored";

    #[test]
    fn a_domain_ends_with_the_first_interrupt_after_the_call() {
        let noted = |lines: &[&str]| ended(&format!("# tracer: nop\n#\n{}\n", lines.join("\n")));
        assert_eq!(noted(&[BEFORE, CALL, RAISED, AGAIN]), Some(Duration::from_micros(149_637_001)));
        assert_eq!(noted(&[BEFORE, CALL]), None);
        assert_eq!(noted(&[BEFORE, RAISED]), None);
        assert_eq!(noted(&[CALL, RAISED, CALL, AGAIN]), None);
    }
}
