//! The modelled releases.

use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use serde::{Deserialize, Serialize};

/// Groups of releases of libxl with the same behaviour at the boundary, each named after its first release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Release {
    /// 4.2.0.
    #[serde(rename = "4.2.0")]
    V4_2_0,
    /// 4.2.1.
    #[serde(rename = "4.2.1")]
    V4_2_1,
    /// 4.2.2 to 4.3.
    #[serde(rename = "4.2.2")]
    V4_2_2,
    /// 4.4.
    #[serde(rename = "4.4")]
    V4_4,
    /// 4.5.
    #[serde(rename = "4.5")]
    V4_5,
    /// 4.6 to 4.12.
    #[serde(rename = "4.6")]
    V4_6,
    /// 4.13 and later.
    #[serde(rename = "4.13")]
    V4_13,
}

impl Release {
    /// All, oldest first.
    pub const ALL: &[Self] =
        &[Self::V4_2_0, Self::V4_2_1, Self::V4_2_2, Self::V4_4, Self::V4_5, Self::V4_6, Self::V4_13];

    /// The name on the command line and in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4_2_0 => "4.2.0",
            Self::V4_2_1 => "4.2.1",
            Self::V4_2_2 => "4.2.2",
            Self::V4_4 => "4.4",
            Self::V4_5 => "4.5",
            Self::V4_6 => "4.6",
            Self::V4_13 => "4.13",
        }
    }

    /// The rule for hosting it ([O2], [O3]).
    pub fn rule(self) -> Rule {
        if self.has_nexuses() { Rule::Concurrent } else { Rule::Serialized }
    }

    /// `for_libxl` names a pooled nexus, an fd is polled again, and a timeout is cancelled with `{0,0}` ([O3], [O4], [R13]).
    /// Before, it names the ev struct, and `timeout_deregister` is called.
    pub(crate) fn has_nexuses(self) -> bool {
        self >= Self::V4_2_2
    }

    /// `timeout_deregister` gets the address of the stored value ([R13]).
    pub(crate) fn passes_address(self) -> bool {
        self == Self::V4_2_0
    }

    /// An expired timeout counts as deregistered before its callback runs, so the callback's own deregistering does
    /// not reach the host ([R14]).
    pub(crate) fn records_expiry(self) -> bool {
        self >= Self::V4_4
    }

    /// The SIGCHLD pipe goes through the hooks ([S4]).
    pub(crate) fn hooks_sigchld_pipe(self) -> bool {
        self >= Self::V4_4
    }

    /// The xenstore fd goes with the last watch, and the SIGCHLD pipe with the last child ([X2]).
    pub(crate) fn deregisters_idle_fds(self) -> bool {
        self >= Self::V4_5
    }

    /// `libxl_ao_abort` is there, and with it `time_aborted` ([E6], [R14]).
    pub(crate) fn aborts(self) -> bool {
        self >= Self::V4_6
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
