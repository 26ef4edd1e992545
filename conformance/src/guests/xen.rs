//! The Xen that this machine runs on.

use anyhow::{Context, bail, ensure};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};
use xenlight::Config;

/// What the names of all domains begin with that this suite creates.
const PREFIX: &str = "osevent-";

/// Its dom0: this machine.
pub(crate) struct Dom0(());

/// Destroys what a case has left behind, because it failed or was killed.
pub(crate) fn clean_up() -> anyhow::Result<()> {
    let dom0 = Dom0(());
    let table = dom0.xl(&["list"])?;
    for name in table.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| name.starts_with(PREFIX))
    {
        dom0.xl(&["destroy", name])?;
    }
    Ok(())
}

/// What must be there before any case can run, and what to do about it.
pub(crate) fn check() -> anyhow::Result<()> {
    // SAFETY: no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    ensure!(
        Path::new("/proc/xen/capabilities").exists()
            && std::fs::read_to_string("/proc/xen/capabilities").is_ok_and(|text| text.contains("control_d")),
        "this machine is no Xen dom0; `cargo xtask conformance --guest xen` brings one up in QEMU"
    );
    ensure!(root, "Xen's toolstack needs root: run it as root");
    Ok(())
}

/// A domain to create, as JSON without its name.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    memory_kib: u64,
    kernel: &'static str,
    ramdisk: Option<&'static str>,
}

/// Sleeps for ever, without an operating system.
pub(crate) const IDLE: Image = Image { memory_kib: 4 << 10, kernel: "/lab/idle", ramdisk: None };
/// Powers itself off as soon as it runs.
pub(crate) const POWEROFF: Image = Image { memory_kib: 4 << 10, kernel: "/lab/poweroff", ramdisk: None };
/// Linux, which says `lab: up` on its console when it is.
pub(crate) const LINUX: Image = Image { memory_kib: 128 << 10, kernel: "/lab/linux", ramdisk: Some("/lab/linux.cpio") };

impl Dom0 {
    pub(crate) fn start() -> anyhow::Result<Self> {
        check()?;
        Ok(Self(()))
    }

    /// Runs xl in a process of its own; its output.
    pub(crate) fn xl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output: Output = Command::new("xl").args(arguments).output().context("cannot run xl; is it installed?")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("xl {} ended with {}: {}", arguments.join(" "), output.status, words.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The name for one of this case's domains: no other, of this run or an earlier one, has it, nor its console's log.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{PREFIX}{}-{name}", std::process::id())
    }

    /// The configuration of a domain with that name.
    pub(crate) fn config(&self, image: Image, name: &str) -> anyhow::Result<Config> {
        ensure!(Path::new(image.kernel).exists(), "there is no {}: the domains to create are the lab's", image.kernel);
        let mut config = json!({
            "c_info": { "type": "pv", "name": name },
            "b_info": {
                "max_vcpus": 1, "max_memkb": image.memory_kib, "target_memkb": image.memory_kib,
                "kernel": image.kernel, "type.pv": {},
            },
        });
        if let Some(ramdisk) = image.ramdisk {
            config["b_info"]["ramdisk"] = ramdisk.into();
            config["b_info"]["cmdline"] = "console=hvc0 quiet".into();
        }
        Ok(Config::from_json(&config.to_string())?)
    }

    /// The state column of `xl list`, such as `-b----`.
    pub(crate) fn state(&self, name: &str) -> anyhow::Result<String> {
        let table = self.xl(&["list", name])?;
        let state = table.lines().nth(1).and_then(|line| line.split_whitespace().rev().nth(1));
        Ok(state.with_context(|| format!("xl list printed {table:?}"))?.to_owned())
    }

    /// Whether the domain has written this to its console.
    pub(crate) fn console_has(&self, name: &str, text: &str) -> bool {
        let log = format!("/var/log/xen/console/guest-{name}.log");
        std::fs::read(log).is_ok_and(|log| String::from_utf8_lossy(&log).contains(text))
    }
}
