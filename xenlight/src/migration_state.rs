//! How far a migration has come, and where its domain is when one fails.

use std::fmt;
use xenlight_types::DomainId;

/// The step of a migration that failed. The order is that of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MigrationStep {
    /// The target says that it is ready, and the source sends the configuration.
    Greeting,
    /// The domain is sent and received, and at the end suspended at the source.
    Transfer,
    /// The target says that it has the whole domain.
    Received,
    /// The source gives up the domain's name and permits the target to start it.
    Permission,
    /// The target gives its copy the domain's name and starts it.
    Start,
    /// The target reports whether it could start the domain.
    Report,
    /// The source destroys what is left of the domain there; or, if the target could not start it, the target destroys its copy and gives
    /// the domain back.
    End,
}

impl fmt::Display for MigrationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "before the transfer",
            Self::Transfer => "during the transfer",
            Self::Received => "before the target had confirmed the transfer",
            Self::Permission => "before the target was permitted to start the domain",
            Self::Start => "when the target started the domain",
            Self::Report => "before the target had reported that the domain runs",
            Self::End => "after the target's report",
        })
    }
}

/// Where a domain is after its migration failed, and what remains to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationState {
    /// At the source, as before. Nothing is left at the target by this side's doing, and nothing has to be done.
    AtSource,
    /// At the source, where it runs, but under this name, because it could not be given its own one back: [rename](crate::Ctx::rename) it.
    Renamed {
        /// Its present name.
        name: String,
    },
    /// At the source, where it runs. But it was asked to suspend, has not done so within 60 s, and may do so yet: nobody resumes
    /// it then. If a [watch](crate::Ctx::watch_death) tells that it has, [`resume`](crate::Ctx::resume) it.
    MaySuspend {
        /// Its name.
        name: String,
    },
    /// At the target, where it runs. At the source its suspended copy is left: destroy it there. Never resume it.
    AtTarget {
        /// The name of the copy at the source, or of the domain at the target, if the target says this.
        name: String,
    },
    /// Suspended at the source, under this name. It runs nowhere, and the target has no permission to start it. Give it its
    /// name back, if it has another one now, and [`resume`](crate::Ctx::resume) it.
    SuspendedAtSource {
        /// Its present name.
        name: String,
    },
    /// Nobody knows: the target was permitted to start the domain, and it was not heard of again. The source still has
    /// the domain, suspended, under this name. Look at the target. If the domain runs there, destroy the one at the source. If it does not,
    /// destroy what the target has of it; after that, and not before, give the one at the source its name back and
    /// [`resume`](crate::Ctx::resume) it. If both run, they destroy each other's disks.
    Unknown {
        /// The present name of the suspended domain at the source.
        name: String,
    },
    /// The target has a copy, which it did not start and could not destroy. Destroy it; the source has not been told that it may
    /// resume the domain, unless it has not given the permission either.
    CopyLeft {
        /// The copy at the target.
        domid: DomainId,
    },
    /// Nowhere: it was destroyed at the source meanwhile.
    Gone,
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtSource => f.write_str("the domain remains at the source"),
            Self::Renamed { name } => {
                write!(f, "the domain remains at the source, where it is called {name:?} now: give it its old name")
            }
            Self::MaySuspend { name } => write!(
                f,
                "the domain remains at the source as {name:?}, but may suspend at any time, because it was asked to: resume it then"
            ),
            Self::AtTarget { name } => {
                write!(f, "the domain runs at the target; what is left at the source ({name:?}) has to be destroyed")
            }
            Self::SuspendedAtSource { name } => {
                write!(f, "the domain is suspended at the source as {name:?}: resume it under its old name")
            }
            Self::Unknown { name } => write!(
                f,
                "whether the domain runs at the target is not known; it is suspended at the source as {name:?}: look at the target, then \
                 destroy one of both before anything else"
            ),
            Self::CopyLeft { domid } => {
                write!(f, "the target's copy, domain {domid}, is left and does not run: destroy it")
            }
            Self::Gone => f.write_str("the domain was destroyed at the source meanwhile"),
        }
    }
}

/// What was wrong with the other side of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// It has closed the connection.
    Gone,
    /// It said something else. The text is the beginning of it, with control characters replaced by blanks: perhaps a shell's message.
    Said(String),
    /// It reported that it could not start the domain. From `xl` the byte is the negated error code of its libxl, or 255 if the source's
    /// permission did not reach it.
    Failed(u8),
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it has closed the connection"),
            Self::Said(text) => write!(f, "it said {text:?}"),
            Self::Failed(result) => write!(f, "it failed, with {result}"),
        }
    }
}
