//! The stand-in for libxencall, which is preloaded into the process of a case. It simulates a hypervisor for libxl, and can set the
//! wall clock of the process.

use anyhow::Context;
use libloading::os::unix::Library;
use osevent_standin_xenstored::libxencall;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable with the path of xenstored's socket.
pub const SOCKET: &str = "XENSTORED_PATH";

/// The environment variable with the path of the file with the simulated domains.
pub const TABLE: &str = "OSEVENT_XENCALL_TABLE";

/// The environment for the process of each case. Cases without libxl also need it, to set the wall clock.
pub struct Preparation {
    standin: PathBuf,
}

impl Preparation {
    /// Finds the stand-in next to this program.
    ///
    /// # Errors
    /// It does not exist.
    pub fn new() -> anyhow::Result<Self> {
        let standin = libxencall()?.context(
            "the stand-in for libxencall, libxencall.so, is not beside this program; build it with `cargo build -p \
             osevent-standin-xencall`, or run `cargo xtask conformance`",
        )?;
        Ok(Self { standin })
    }

    /// The environment for the process of a case. `folder` is the folder of the case.
    pub fn environment(&self, folder: &Path) -> [(&'static str, OsString); 4] {
        [
            ("LD_PRELOAD", self.standin.clone().into()),
            (SOCKET, folder.join("xenstored").into()),
            // Instead of /var/lib/xen and /var/run/xen.
            ("OSEVENT_XENCALL_STATE_DIR", folder.into()),
            // Through it, the process plays the domains that libxl creates.
            (TABLE, folder.join("domains").into()),
        ]
    }
}

/// The wall clock of this process, as all its code reads it through libc.
#[derive(Clone, Copy)]
pub(crate) struct WallClock(unsafe extern "C" fn(i64));

impl WallClock {
    /// `None` where the stand-in is not preloaded.
    pub(crate) fn find() -> Option<Self> {
        // SAFETY: include/osevent_xencall.h declares it with this type; a preloaded library is never unloaded.
        let step = unsafe { Library::this().get(b"osevent_xencall_step_clock_ms") };
        step.ok().map(|step| Self(*step))
    }

    /// Sets it forward; by a negative number, back.
    pub(crate) fn step_ms(self, ms: i64) {
        // SAFETY: the stand-in's function, callable from any thread.
        unsafe { (self.0)(ms) };
    }
}
