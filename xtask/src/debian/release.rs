//! The releases of Debian that packages can be taken from.

use std::fmt;

use clap::ValueEnum;

/// A release of Debian, and with it one of Xen and of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Release {
    /// Debian 11: Xen 4.14, Linux 5.10.
    Bullseye,
    /// Debian 12: Xen 4.17, Linux 6.1.
    Bookworm,
    /// Debian 13: Xen 4.20, Linux 6.12.
    Trixie,
}

impl Release {
    /// All, the oldest first.
    pub(crate) const ALL: [Release; 3] = [Release::Bullseye, Release::Bookworm, Release::Trixie];

    /// Where nothing else is asked for.
    pub(crate) const DEFAULT: Release = Release::Bookworm;

    /// The release of Xen that it has.
    pub(crate) fn xen(self) -> &'static str {
        match self {
            Release::Bullseye => "4.14",
            Release::Bookworm => "4.17",
            Release::Trixie => "4.20",
        }
    }

    /// Its name in the archive.
    pub(crate) fn codename(self) -> &'static str {
        match self {
            Release::Bullseye => "bullseye",
            Release::Bookworm => "bookworm",
            Release::Trixie => "trixie",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Debian's {}", self.codename())
    }
}
