//! Two machines with a cable between them: an Ethernet of their own, which nothing else is on.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;

use super::verdict::Verdict;
use super::{Lab, Options};
use crate::workspace::Workspace;

/// The addresses of both machines.
pub(crate) const ADDRESSES: [&str; 2] = ["10.0.0.1", "10.0.0.2"];

/// A machine's end of the cable. A datagram is a frame, so a machine that is booted once more does not begin inside of one.
pub(crate) struct Cable {
    end: OwnedFd,
    place: usize,
}

impl Cable {
    /// Both ends.
    fn pair() -> Result<[Cable; 2]> {
        let (first, second) = UnixDatagram::pair()?;
        Ok([Cable { end: first.into(), place: 0 }, Cable { end: second.into(), place: 1 }])
    }

    /// What QEMU gets as its standard input: nothing else is handed on to it.
    pub(super) fn stdin(&self) -> Result<Stdio> {
        Ok(self.end.try_clone()?.into())
    }

    /// QEMU's options for the interface.
    pub(super) fn options(&self) -> [String; 4] {
        [
            "-netdev".into(),
            "dgram,id=cable,local.type=fd,local.str=0".into(),
            "-device".into(),
            format!("e1000,netdev=cable,romfile=,mac=52:54:00:00:00:0{}", self.place),
        ]
    }

    /// The word of dom0's command line that `dom0/init` reads.
    pub(super) fn word(&self) -> String {
        format!(" lab.address={}/24", ADDRESSES[self.place])
    }
}

/// Runs a program in each of two machines, until one of both ends; returns what to exit with: as the first one does.
///
/// # Errors
/// As [`run`](super::run).
pub(crate) fn run(workspace: &Workspace, options: [&Options; 2]) -> Result<u8> {
    super::boot::check_memory(options.iter().map(|options| options.memory).sum())?;
    let [first_end, second_end] = Cable::pair()?;
    let first = Lab::prepare(workspace, options[0], Some(first_end))?;
    let second = Lab::prepare(workspace, options[1], Some(second_end))?;
    let is_over = AtomicBool::new(false);
    let until_over = |lab: &Lab| {
        let verdict = lab.run(&is_over);
        // Relaxed: nothing else is published with it.
        is_over.store(true, Ordering::Relaxed);
        verdict
    };
    let verdict: Verdict = thread::scope(|scope| {
        scope.spawn(|| {
            if let Err(error) = until_over(&second) {
                eprintln!("lab: the other machine: {error:#}");
            }
        });
        until_over(&first)
    })?;
    Ok(verdict.exit_code())
}
