//! Why no libxl could be loaded.

use core::error::Error;
use core::fmt;

/// The reason why libxl could not be loaded. The displayed text says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The dynamic linker could not load any of these files.
    NotFound {
        /// The names or the path that were tried, in order.
        tried: Vec<String>,
        /// The message of the dynamic linker. If a library exists but cannot be loaded, for instance because a dependency is
        /// missing, the message is about it; otherwise it is about the last one that was tried.
        message: String,
    },
    /// The library lacks a symbol that its release must have. It is not a libxl, or is broken.
    MissingSymbol {
        /// The library's path.
        library: String,
        /// The symbol.
        symbol: &'static str,
    },
    /// The library is of Xen 4.1 or earlier, which has no event interface.
    TooOld {
        /// The library's path.
        library: String,
        /// Its SONAME.
        soname: String,
    },
    /// The library has a SONAME from which its release cannot be determined.
    UnknownRelease {
        /// The library's path.
        library: String,
        /// Its SONAME.
        soname: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { tried, message } => {
                write!(f, "libxl cannot be loaded: {message} (tried ")?;
                match tried.as_slice() {
                    [first, .., last] => write!(f, "{} names, {first} to {last}", tried.len())?,
                    one => write!(f, "{}", one.concat())?,
                }
                write!(
                    f,
                    "). Install Xen's toolstack libraries: libxenmisc4.N on Debian and Ubuntu, for \
                     example `apt-get install libxenmisc4.17` (`apt-cache search libxenmisc` tells \
                     the N), xen-libs on Fedora, openSUSE and Alpine"
                )
            }
            Self::MissingSymbol { library, symbol } => write!(
                f,
                "{library} has no symbol {symbol}, which its release of libxl should have: it is \
                 not libxl, or a damaged or modified one. Install it anew, or give the path of \
                 another"
            ),
            Self::TooOld { library, soname } => write!(
                f,
                "{library} ({soname}) is the libxl of Xen 4.1 or earlier, which has no event \
                 interface. Xen 4.2 or later is needed"
            ),
            Self::UnknownRelease { library, soname } => write!(
                f,
                "{library} has the SONAME {soname}, and libxenlight.so.4.N or libxenlight.so.2.0 \
                 are known. Is there a newer version of this program?"
            ),
        }
    }
}

impl Error for LoadError {}
